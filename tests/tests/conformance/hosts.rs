//! Both hosts with every guest in them: a route, or a listener, for each.

use crate::Observed;
use crate::case::{Case, host};
use crate::observe::observe;
use crate::upstreams::Upstreams;
use lockgate_tests::Gateway;
use lockgate_tests::envoy::{Envoy, Filter, Plugin};
use lockgate_tests::modules::module;
use serde_json::{Map, Value, json};
use std::collections::BTreeSet;
use std::path::PathBuf;

/// What a guest is told about itself.
fn plugin(guest: &str) -> Plugin {
    Plugin {
        name: guest.to_string(),
        root_id: format!("{guest}-root"),
        vm_id: format!("{guest}-vm"),
        config: "plugin configuration".to_string(),
        vm_config: "vm configuration".to_string(),
    }
}

fn guests(cases: &[Case]) -> BTreeSet<&str> {
    cases.iter().map(|case| case.guest.as_str()).collect()
}

pub(crate) fn in_envoy(binary: PathBuf, cases: &[Case]) -> Observed {
    let upstreams = Upstreams::start();
    let filters: Vec<_> = guests(cases)
        .into_iter()
        .map(|guest| Filter {
            name: guest.to_string(),
            module: module(guest),
            plugin: plugin(guest),
        })
        .collect();
    let envoy = Envoy::start_all(binary, &filters, &upstreams.clusters());
    let observed = |case: &Case| (case.run_name(), observe(envoy.listener(&case.guest), &upstreams, case));
    cases.iter().map(observed).collect()
}

pub(crate) fn in_lockgate(cases: &[Case]) -> Observed {
    let upstreams = Upstreams::start();
    let named = upstreams.clusters().map(|(name, address)| {
        let protocol = if name == "grpc" { "http2" } else { "http1" };
        (
            name.to_string(),
            json!({ "endpoints": [address.to_string()], "protocol": protocol }),
        )
    });
    let (mut plugins, mut routes) = (Map::new(), Vec::new());
    for guest in guests(cases) {
        let Plugin {
            name,
            root_id,
            vm_id,
            config,
            vm_config,
        } = plugin(guest);
        plugins.insert(
            name,
            json!({
                "module": guest, "root_id": root_id, "vm_id": vm_id, "config": config, "vm_config": vm_config,
                "env": { "CONFORMANCE": "from the host" },
            }),
        );
        routes.push(json!({ "name": guest, "match": { "hosts": [host(guest)] }, "chain": [guest], "upstream": "app" }));
    }
    let gateway = Gateway::start(json!({
        "upstreams": Value::Object(Map::from_iter(named)), "plugins": plugins, "routes": routes,
    }));
    let observed = |case: &Case| (case.run_name(), observe(gateway.address(), &upstreams, case));
    cases.iter().map(observed).collect()
}
