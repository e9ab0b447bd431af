//! Envoy with its network Wasm filter in front of its TCP proxy: for modules that see connections instead of requests.

use super::{Envoy, Plugin, address_of, cluster, text};
use crate::upstream::eventually;
use serde_json::{Value, json};
use std::fs;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::process::{Command, Stdio};
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
        let listeners: Vec<_> = chains.iter().map(|chain| (chain.name.clone(), chain.address)).collect();
        let file = file.to_string_lossy();
        let listening: Vec<_> = chains.iter().map(|chain| listener(chain, &file)).collect();
        let config = json!({
            "node": { "id": "test", "cluster": "test" },
            "static_resources": { "listeners": listening, "clusters": clusters.iter().map(cluster).collect::<Vec<_>>() }
        });
        fs::write(folder.path().join("envoy.json"), config.to_string()).expect("the folder is writable");
        let log = fs::File::create(folder.path().join("log")).expect("the folder is writable");
        let child = Command::new(binary)
            .args([
                "--concurrency",
                "1",
                "--use-dynamic-base-id",
                "--log-level",
                "info",
                "-c",
            ])
            .arg(folder.path().join("envoy.json"))
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(log)
            .spawn()
            .expect("Envoy's binary runs");
        let mut envoy = Self {
            child,
            listeners,
            folder,
        };
        // Asked by its log: a connection would be one that the guest sees.
        eventually("Envoy listens", Duration::from_secs(60), || {
            let ended = matches!(envoy.child.try_wait(), Ok(Some(_)));
            assert!(!ended, "Envoy has ended:\n{}", envoy.log());
            envoy.log().contains("starting workers")
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
