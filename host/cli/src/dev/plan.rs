//! The plan of a session: the configuration (the folder's gateway.json, another file, or one generated for the plugin alone), and the
//! endpoints that need an echo upstream.

use std::fs;
use std::net::{IpAddr, Ipv4Addr, SocketAddr, TcpListener};
use std::path::{Path, PathBuf};

use anyhow::{Context, Result, bail};
use lockgate_config::{ListenerProtocol, Model};
use lockgate_routing::PathMatch;
use serde_json::{Value, json};

use super::package::Package;
use crate::arguments::DevOptions;

/// A configuration, and what running it needs.
#[derive(Debug)]
pub(super) struct Plan {
    /// The configuration.
    pub(super) config: PathBuf,
    /// Paths to copy the module to. Empty: it is used where it was built.
    pub(super) copies: Vec<PathBuf>,
    /// Free endpoints on this machine, for HTTP echo upstreams.
    pub(super) echoes: Vec<SocketAddr>,
    /// Free endpoints of TCP listeners, for echo upstreams of bytes.
    pub(super) tcp_echoes: Vec<SocketAddr>,
    /// Listeners with protocol `tcp`.
    pub(super) tcp_listeners: Vec<String>,
    /// A path that is routed through the plugin.
    pub(super) path: String,
}

/// Source of the configuration.
#[derive(Debug)]
pub(super) enum ConfigSource {
    /// An existing file.
    File(PathBuf),
    /// A generated file: this plugin in front of one upstream.
    Generated {
        listen: Option<SocketAddr>,
        upstream: Option<String>,
    },
}

impl ConfigSource {
    /// The source for these options.
    pub(super) fn of(options: &DevOptions, package: &Package) -> Result<Self> {
        if let Some(config) = &options.config {
            let found = config.canonicalize().with_context(|| config.display().to_string())?;
            return Ok(Self::File(found));
        }
        let own = package.folder.join("gateway.json");
        if own.is_file() && options.listen.is_none() && options.upstream.is_none() {
            return Ok(Self::File(own));
        }
        Ok(Self::Generated {
            listen: options.listen,
            upstream: options.upstream.clone(),
        })
    }

    /// The file to watch. A generated configuration follows the folder's own file, if there is one.
    pub(super) fn file(&self, package: &Package) -> PathBuf {
        match self {
            Self::File(file) => file.clone(),
            Self::Generated { .. } => package.folder.join("gateway.json"),
        }
    }

    /// Reads or generates the configuration. The module must have been built.
    pub(super) fn plan(&self, package: &Package) -> Result<Plan> {
        let config = match self {
            Self::File(file) => file.clone(),
            Self::Generated { listen, upstream } => generate(package, *listen, upstream.as_deref())?,
        };
        // Other mistakes are reported when the gateway runs.
        let loaded = lockgate_config::load(&config).map_err(|error| anyhow::anyhow!("{error}"))?;
        plan(config, &loaded.model, package)
    }
}

fn plan(config: PathBuf, model: &Model, package: &Package) -> Result<Plan> {
    let modules = model.plugins.iter().map(|plugin| plugin.module.as_str());
    let mut own: Vec<&str> = modules.filter(|module| package.is_called(module)).collect();
    own.sort_unstable();
    own.dedup();
    let Some(folder) = model.plugin_dir.as_ref().filter(|_| !own.is_empty()) else {
        bail!(
            "{} has no plugin with \"module\": \"{}\"; add one, or run the plugin alone with --listen",
            config.display(),
            package.stem()
        );
    };
    let places = own.iter().map(|module| folder.join(format!("{module}.wasm")));
    let copies = places.filter(|place| *place != package.module).collect();
    let mut tcp_echoes = Vec::new();
    let mut tcp_listeners = Vec::new();
    for listener in &model.listeners {
        if let ListenerProtocol::Tcp(forwarding) = &listener.protocol {
            tcp_listeners.push(listener.name.to_string());
            tcp_echoes.extend(free_loopback_endpoints(model, |name| {
                name == &*model.upstream(forwarding.upstream).name
            }));
        }
    }
    let echoes = free_loopback_endpoints(model, |_| true);
    let echoes = echoes.into_iter().filter(|address| !tcp_echoes.contains(address));
    Ok(Plan {
        copies,
        echoes: echoes.collect(),
        tcp_echoes,
        tcp_listeners,
        path: path(model, &own),
        config,
    })
}

/// Endpoints of upstreams on loopback addresses without a listener.
fn free_loopback_endpoints(model: &Model, is_meant: impl Fn(&str) -> bool) -> Vec<SocketAddr> {
    let upstreams = model.upstreams.iter().filter(|upstream| is_meant(&upstream.name));
    let endpoints = upstreams.flat_map(|upstream| &upstream.settings.endpoints);
    let addresses = endpoints.filter_map(|endpoint| endpoint.address.to_string().parse::<SocketAddr>().ok());
    let mut found: Vec<_> = addresses
        .filter(|address| address.ip().is_loopback() && TcpListener::bind(address).is_ok())
        .collect();
    found.sort_unstable();
    found.dedup();
    found
}

/// A path of a route whose chain uses one of the modules.
fn path(model: &Model, modules: &[&str]) -> String {
    let sees = |route: &&lockgate_config::Route| {
        let mut chain = model.global_chain.iter().chain(&route.chain);
        chain.any(|index| modules.contains(&model.plugin(*index).module.as_str()))
    };
    match model.routes.iter().find(sees).map(|route| &route.matches.path) {
        Some(PathMatch::Exact(path) | PathMatch::Prefix(path)) => path.clone(),
        _ => "/".to_owned(),
    }
}

/// Writes a configuration for the plugin alone into the target folder.
fn generate(package: &Package, listen: Option<SocketAddr>, upstream: Option<&str>) -> Result<PathBuf> {
    let listen = listen.unwrap_or_else(|| free_address(8080));
    let upstream = upstream.map_or_else(|| free_address(9000).to_string(), str::to_owned);
    let mut plugin = json!({ "module": package.stem() });
    if let Some(settings) = settings(package) {
        plugin["config"] = settings;
    }
    let name = package.name.as_str();
    let mut config = json!({
        "listeners": { "web": { "listen": listen } },
        "upstreams": { "upstream": { "endpoints": [ upstream ] } },
        "plugin_dir": package.module.parent(),
        "plugins": { name: plugin },
    });
    if is_for_connections(&package.module) {
        config["listeners"]["web"]["protocol"] = json!("tcp");
        config["listeners"]["web"]["upstream"] = json!("upstream");
        config["listeners"]["web"]["chain"] = json!([name]);
    } else {
        config["global_chain"] = json!([name]);
    }
    let folder = package.target.join("lockgate-dev");
    let file = folder.join(format!("{name}.json"));
    let text = serde_json::to_string_pretty(&config)?;
    fs::create_dir_all(&folder)
        .and_then(|()| fs::write(&file, text))
        .with_context(|| format!("{} cannot be written", file.display()))?;
    Ok(file)
}

/// The plugin's configuration in the folder's gateway.json.
fn settings(package: &Package) -> Option<Value> {
    let text = fs::read(package.folder.join("gateway.json")).ok()?;
    let config: Value = serde_json::from_slice(&text).ok()?;
    let mut plugins = config["plugins"].as_object()?.values();
    let own = plugins.find(|plugin| {
        plugin["module"]
            .as_str()
            .is_some_and(|module| package.is_called(module))
    })?;
    own.get("config").cloned()
}

/// Whether a module has callbacks for connections and none for requests.
fn is_for_connections(module: &Path) -> bool {
    let callbacks = lockgate_modules::inspect(module)
        .map(|seen| seen.callbacks)
        .unwrap_or_default();
    let has = |part: &str| callbacks.iter().any(|name| name.contains(part));
    !has("request") && !has("response") && (has("connection") || has("stream_data") || has("data"))
}

/// A loopback address with this port, or with any other if it is in use.
fn free_address(port: u16) -> SocketAddr {
    let loopback = IpAddr::V4(Ipv4Addr::LOCALHOST);
    let free = |port| {
        let socket = TcpListener::bind((loopback, port))?;
        socket.local_addr()
    };
    free(port)
        .or_else(|_| free(0))
        .unwrap_or_else(|_| SocketAddr::new(loopback, port))
}
