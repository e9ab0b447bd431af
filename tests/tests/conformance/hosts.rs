//! Both hosts with every guest in them: a route, or a listener, for each.

use crate::case::{Case, host};
use crate::observe::observe;
use crate::upstreams::Upstreams;
use lockgate_tests::Gateway;
use lockgate_tests::envoy::{Envoy, Filter, Plugin};
use lockgate_tests::modules::module;
use serde_json::{Map, Value, json};
use std::cell::RefCell;
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

/// A host that runs, and the upstreams behind it.
pub(crate) struct Host {
    upstreams: Upstreams,
    process: Process,
}

enum Process {
    Lockgate(Box<Gateway>),
    Envoy(RefCell<Started>),
}

/// Envoy, and what it takes to start it again.
struct Started {
    envoy: Envoy,
    binary: PathBuf,
    filters: Vec<Filter>,
}

impl Host {
    /// Envoy, with a listener for each guest.
    pub(crate) fn envoy(binary: PathBuf, cases: &[Case]) -> Self {
        let upstreams = Upstreams::start();
        let filters: Vec<_> = guests(cases)
            .into_iter()
            .map(|guest| Filter {
                name: guest.to_string(),
                module: module(guest),
                plugin: plugin(guest),
            })
            .collect();
        let process = Process::Envoy(RefCell::new(Started {
            envoy: Envoy::start_all(binary.clone(), &filters, &upstreams.clusters()),
            binary,
            filters,
        }));
        Self { upstreams, process }
    }

    /// The gateway, with a route for each guest.
    pub(crate) fn lockgate(cases: &[Case]) -> Self {
        let upstreams = Upstreams::start();
        let named = upstreams.clusters().map(|(name, address)| {
            // Calls to the dead one are refused by nobody being there, not for its protocol.
            let protocol = if matches!(name, "grpc" | "dead") {
                "http2"
            } else {
                "http1"
            };
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
            routes.push(
                json!({ "name": guest, "match": { "hosts": [host(guest)] }, "chain": [guest], "upstream": "app" }),
            );
        }
        // Envoy's one route takes any host, also one that a guest has written.
        routes.push(json!({ "name": "rewritten", "match": { "path_prefix": "/" }, "chain": [], "upstream": "app" }));
        let gateway = Gateway::start(json!({
            "listeners": { "web": { "trailers": ["*"] } },
            "upstreams": Value::Object(Map::from_iter(named)), "plugins": plugins, "routes": routes,
        }));
        Self {
            upstreams,
            process: Process::Lockgate(Box::new(gateway)),
        }
    }

    /// What it is called.
    pub(crate) fn name(&self) -> &'static str {
        match self.process {
            Process::Lockgate(_) => "Lockgate",
            Process::Envoy(_) => "Envoy",
        }
    }

    /// Runs a case. Where Envoy crashes, that is its answer, and it is started again.
    pub(crate) fn observe(&self, case: &Case) -> Vec<String> {
        match &self.process {
            Process::Lockgate(gateway) => observe(gateway.address(), &self.upstreams, case),
            Process::Envoy(started) => {
                let mut started = started.borrow_mut();
                let lines = observe(started.envoy.listener(&case.guest), &self.upstreams, case);
                if started.envoy.runs() {
                    return lines;
                }
                let clusters = self.upstreams.clusters();
                started.envoy = Envoy::start_all(started.binary.clone(), &started.filters, &clusters);
                vec!["client.status = the host has crashed".to_string()]
            }
        }
    }
}
