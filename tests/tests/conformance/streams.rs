//! TCP connections: the cases of the guest `streams`, driven from both ends and compared like requests.
//!
//! Each case has a listener, a plugin (or two) and an upstream of its own in both hosts. What the client and the upstream do is
//! a list of steps, each of which has settled before the next, so that chunks stay chunks.

mod drive;
mod scripts;

use crate::Observed;
use crate::case::{BodyComes, Case};
use lockgate_tests::Gateway;
use lockgate_tests::envoy::{Chain, Envoy, Plugin};
use lockgate_tests::http::get;
use lockgate_tests::modules::module;
use lockgate_tests::upstream::{Upstream, answer};
use serde_json::{Map, Value, json};
use std::net::{SocketAddr, TcpListener};
use std::path::PathBuf;
use std::sync::LazyLock;
use std::time::Duration;

use scripts::{SCRIPTS, Script};

/// The guest of all of these cases.
pub(crate) const GUEST: &str = "streams";

/// The cases as the document shows them.
pub(crate) fn cases() -> Vec<Case> {
    let case = |script: &Script| Case {
        name: format!("tcp.{}", script.name),
        what: script.what.to_string(),
        guest: GUEST.to_string(),
        request: get("/"),
        settle: Duration::ZERO,
        until: None,
        body: BodyComes::AtOnce,
    };
    SCRIPTS.iter().map(case).collect()
}

fn plugin(name: &str) -> Plugin {
    Plugin {
        name: name.to_string(),
        root_id: format!("{name}-root"),
        vm_id: format!("{name}-vm"),
        config: name.to_string(),
        vm_config: "vm configuration".to_string(),
    }
}

/// The sockets of one script.
struct ScriptSetup {
    script: &'static Script,
    /// The host's listener.
    listener: SocketAddr,
    /// The upstream's socket. None: it refuses connections.
    upstream: Option<TcpListener>,
    address: SocketAddr,
}

/// Addresses for the listeners of both hosts.
static ADDRESSES: LazyLock<Vec<SocketAddr>> =
    LazyLock::new(|| (0..2 * SCRIPTS.len()).map(|_| Upstream::nobody()).collect());

fn setups(addresses: &[SocketAddr]) -> Vec<ScriptSetup> {
    let setup = |(script, listener): (&'static Script, &SocketAddr)| {
        let bind = || TcpListener::bind("127.0.0.1:0").expect("loopback has a free port");
        let upstream = script.upstream_listens().then(bind);
        // Where nobody listens now, nobody may come to listen by accident.
        let address = upstream.as_ref().map_or_else(Upstream::nobody, |upstream| {
            upstream.local_addr().expect("a bound socket has an address")
        });
        ScriptSetup {
            script,
            listener: *listener,
            upstream,
            address,
        }
    };
    SCRIPTS.iter().zip(addresses).map(setup).collect()
}

/// Answers the guests' own requests, after a while: bytes can come meanwhile.
fn side() -> Upstream {
    Upstream::scripted(|_, wire| {
        std::thread::sleep(Duration::from_millis(150));
        answer(wire, 200, &[], "aside")
    })
}

pub(crate) fn in_envoy(binary: PathBuf) -> Observed {
    let (setups, side) = (setups(&ADDRESSES[..SCRIPTS.len()]), side());
    let chains: Vec<_> = setups
        .iter()
        .map(|setup| Chain {
            name: setup.script.name.to_string(),
            address: setup.listener,
            plugins: setup.script.plugins().map(plugin).collect(),
            cluster: setup.script.name.to_string(),
        })
        .collect();
    let clusters: Vec<_> = setups
        .iter()
        .map(|setup| (setup.script.name, setup.address))
        .chain([("side", side.address())])
        .collect();
    let envoy = Envoy::start_streams(binary, &module(GUEST), &chains, &clusters);
    let log = || envoy.log().lines().map(String::from).collect();
    observed(&setups, log)
}

pub(crate) fn in_lockgate() -> Observed {
    let (setups, side) = (setups(&ADDRESSES[SCRIPTS.len()..]), side());
    let (mut listeners, mut upstreams, mut plugins) = (Map::new(), Map::new(), Map::new());
    upstreams.insert("side".into(), json!({ "endpoints": [side.address().to_string()] }));
    for setup in &setups {
        let name = setup.script.name;
        upstreams.insert(name.into(), json!({ "endpoints": [setup.address.to_string()] }));
        let chain: Vec<_> = setup.script.plugins().collect();
        listeners.insert(
            name.into(),
            json!({ "listen": setup.listener.to_string(), "protocol": "tcp", "upstream": name, "chain": chain }),
        );
        for name in chain {
            let Plugin {
                root_id,
                vm_id,
                config,
                vm_config,
                ..
            } = plugin(name);
            plugins.insert(
                name.into(),
                json!({
                    "module": GUEST, "root_id": root_id, "vm_id": vm_id, "config": config, "vm_config": vm_config,
                }),
            );
        }
    }
    let gateway = Gateway::start(json!({ "listeners": listeners, "upstreams": upstreams, "plugins": plugins }));
    let told = |line: &str| {
        let line: Value = serde_json::from_str(line).ok()?;
        Some(line["message"].as_str()?.to_string())
    };
    let log = || gateway.log().iter().filter_map(|line| told(line)).collect();
    observed(&setups, log)
}

fn observed(setups: &[ScriptSetup], log: impl Fn() -> Vec<String>) -> Observed {
    let names = cases();
    let observe = |(setup, case): (&ScriptSetup, &Case)| {
        let lines = drive::drive(setup.script, setup.listener, setup.upstream.as_ref(), &log);
        (case.run_name(), lines)
    };
    setups.iter().zip(&names).map(observe).collect()
}
