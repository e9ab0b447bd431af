//! What is served: the folder's own gateway.json, another one, or one made for the plugin alone; and where nobody stands behind it.

use std::fs;
use std::net::{IpAddr, Ipv4Addr, SocketAddr, TcpListener};
use std::path::{Path, PathBuf};

use anyhow::{Context, Result, bail};
use lockgate_config::{ListenerProtocol, Model};
use lockgate_routing::PathMatch;
use serde_json::{Value, json};

use super::package::Package;
use crate::arguments::DevOptions;

/// A configuration to serve, and what goes with it.
#[derive(Debug)]
pub(super) struct Plan {
    /// The configuration.
    pub(super) config: PathBuf,
    /// Where the module must lie to be served; none: where it was built.
    pub(super) copies: Vec<PathBuf>,
    /// Endpoints on this machine that nobody listens on, for HTTP.
    pub(super) echoes: Vec<SocketAddr>,
    /// The same, for connections of any bytes.
    pub(super) tcp_echoes: Vec<SocketAddr>,
    /// Listeners for any bytes.
    pub(super) tcp_listeners: Vec<String>,
    /// A path that is routed through the plugin.
    pub(super) path: String,
}

/// Where the configuration comes from.
#[derive(Debug)]
pub(super) enum Source {
    /// A file that somebody wrote.
    File(PathBuf),
    /// This plugin, in front of one upstream.
    Made {
        listen: Option<SocketAddr>,
        upstream: Option<String>,
    },
}

impl Source {
    /// What the options and the folder say.
    pub(super) fn of(options: &DevOptions, package: &Package) -> Result<Self> {
        if let Some(config) = &options.config {
            let found = config.canonicalize().with_context(|| config.display().to_string())?;
            return Ok(Self::File(found));
        }
        let own = package.folder.join("gateway.json");
        if own.is_file() && options.listen.is_none() && options.upstream.is_none() {
            return Ok(Self::File(own));
        }
        Ok(Self::Made {
            listen: options.listen,
            upstream: options.upstream.clone(),
        })
    }

    /// The file that changes when the configuration does. A made one follows the folder's own, if there is one.
    pub(super) fn file(&self, package: &Package) -> PathBuf {
        match self {
            Self::File(file) => file.clone(),
            Self::Made { .. } => package.folder.join("gateway.json"),
        }
    }

    /// Reads the configuration, or makes it. The module has been built.
    pub(super) fn plan(&self, package: &Package) -> Result<Plan> {
        let config = match self {
            Self::File(file) => file.clone(),
            Self::Made { listen, upstream } => make(package, *listen, upstream.as_deref())?,
        };
        // What is wrong with it in a way that running would find is told by running it.
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
            tcp_echoes.extend(unattended(model, |name| {
                name == &*model.upstream(forwarding.upstream).name
            }));
        }
    }
    let echoes = unattended(model, |_| true);
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

/// Endpoints of some upstreams on this machine's loopback that can be listened on: nobody does.
fn unattended(model: &Model, is_meant: impl Fn(&str) -> bool) -> Vec<SocketAddr> {
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

/// A path that a route takes through one of the modules.
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

/// A configuration for the plugin alone, beside what is built of it.
fn make(package: &Package, listen: Option<SocketAddr>, upstream: Option<&str>) -> Result<PathBuf> {
    let listen = listen.unwrap_or_else(|| usual(8080));
    let upstream = upstream.map_or_else(|| usual(9000).to_string(), str::to_owned);
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

/// What the folder's gateway.json configures the plugin with.
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

/// Whether a module looks at connections and not at requests.
fn is_for_connections(module: &Path) -> bool {
    let callbacks = lockgate_modules::inspect(module)
        .map(|seen| seen.callbacks)
        .unwrap_or_default();
    let has = |part: &str| callbacks.iter().any(|name| name.contains(part));
    !has("request") && !has("response") && (has("connection") || has("stream_data") || has("data"))
}

/// A port of this machine, or any other if that is taken.
fn usual(port: u16) -> SocketAddr {
    let loopback = IpAddr::V4(Ipv4Addr::LOCALHOST);
    let free = |port| {
        let socket = TcpListener::bind((loopback, port))?;
        socket.local_addr()
    };
    free(port)
        .or_else(|_| free(0))
        .unwrap_or_else(|_| SocketAddr::new(loopback, port))
}
