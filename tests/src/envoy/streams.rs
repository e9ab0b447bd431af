//! Envoy with its network Wasm filter in front of its TCP proxy: for modules that see connections instead of requests.

use super::{Envoy, Plugin, address_of, text};
use crate::upstream::{Upstream, eventually};
use serde_json::{Value, json};
use std::fs;
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::path::PathBuf;
use std::time::Duration;

/// A listener whose connections pass plugins, all made of one module.
#[derive(Debug)]
pub struct Chain {
    /// The listener's name.
    pub name: String,
    /// Where it listens.
    pub address: SocketAddr,
    /// The plugins, in their order.
    pub plugins: Vec<Plugin>,
    /// The cluster that gets the bytes.
    pub cluster: String,
}

impl Envoy {
    /// Starts one worker with a listener for each chain.
    ///
    /// # Panics
    /// When it does not come up; with its log.
    #[must_use]
    pub fn start_streams(binary: PathBuf, module: &[u8], chains: &[Chain], clusters: &[(&str, SocketAddr)]) -> Self {
        let folder = tempfile::tempdir().expect("a temporary folder can be made");
        let file = folder.path().join("module.wasm");
        fs::write(&file, module).expect("the folder is writable");
        let file = file.to_string_lossy();
        // Asked by a listener without plugins, behind which the test itself answers: a connection to another would be one that the
        // guest sees.
        let ready = TcpListener::bind("127.0.0.1:0").expect("loopback has a free port");
        ready.set_nonblocking(true).expect("a fresh socket takes options");
        let door = Chain {
            name: "ready".to_string(),
            address: Upstream::nobody(),
            plugins: Vec::new(),
            cluster: "ready".to_string(),
        };
        let behind = ready.local_addr().expect("a bound socket has an address");
        let clusters: Vec<_> = clusters.iter().copied().chain([("ready", behind)]).collect();
        let listeners: Vec<_> = chains.iter().map(|chain| (chain.name.clone(), chain.address)).collect();
        let listening: Vec<_> = chains
            .iter()
            .chain([&door])
            .map(|chain| listener(chain, &file))
            .collect();
        let mut envoy = Self::launched(binary, folder, listeners, &listening, &clusters);
        let mut knocking = Vec::new();
        eventually("Envoy passes connections on", Duration::from_secs(60), || {
            assert!(envoy.runs(), "Envoy has ended:\n{}", envoy.log());
            knocking.extend(TcpStream::connect(door.address));
            ready.accept().is_ok()
        });
        envoy
    }
}

fn listener(chain: &Chain, file: &str) -> Value {
    let mut filters: Vec<_> = chain.plugins.iter().map(|plugin| filter(plugin, file)).collect();
    filters.push(json!({ "name": "tcp", "typed_config": {
        "@type": "type.googleapis.com/envoy.extensions.filters.network.tcp_proxy.v3.TcpProxy",
        "stat_prefix": "tcp", "cluster": chain.cluster,
    } }));
    json!({ "name": chain.name, "address": address_of(chain.address), "filter_chains": [ { "filters": filters } ] })
}

fn filter(plugin: &Plugin, file: &str) -> Value {
    json!({ "name": plugin.name, "typed_config": {
        "@type": "type.googleapis.com/envoy.extensions.filters.network.wasm.v3.Wasm",
        "config": {
            "name": plugin.name, "root_id": plugin.root_id, "configuration": text(&plugin.config),
            "vm_config": { "vm_id": plugin.vm_id, "runtime": "envoy.wasm.runtime.v8", "configuration": text(&plugin.vm_config),
                "code": { "local": { "filename": file } } }
        }
    } })
}
