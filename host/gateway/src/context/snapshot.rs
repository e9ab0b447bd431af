//! The snapshot: configuration, routes, chains, compiled plugins and upstreams, frozen together. A request is answered by one.
//! Made by the control thread, never changed; a worker sees it through its own `view`.

use std::sync::Arc;

use lockgate_config::IncludedFile;
use lockgate_config::model::Model;
use lockgate_routing::RouteTable;
use lockgate_sandbox::Plugin;
use lockgate_tls::ServerTls;
use lockgate_upstream::Upstream;
use rustc_hash::FxHashMap;

/// A plugin that is linked and whose configuration a trial VM has accepted.
///
/// Later snapshots share the `Arc` while nothing about the plugin changes, so its VMs live on.
pub struct LoadedPlugin {
    /// What is run.
    pub plugin: Plugin,
    /// Counts up, from 1, each time that the plugin of this name changes.
    pub version: u64,
    /// Decides whether a later configuration means the same plugin.
    pub identity: PluginIdentity,
}

/// The identity of a plugin: equal identities share VMs.
#[derive(Clone, PartialEq)]
pub struct PluginIdentity {
    /// The plugin as configured.
    pub model: lockgate_config::model::PluginModel,
    /// SHA-256 of the module's bytes, in hex.
    pub sha256: String,
}

/// All that answers a request, numbered.
pub struct Snapshot {
    /// Counts up with every snapshot that went live.
    pub revision: u64,
    /// The configuration as it was written.
    pub text: Arc<str>,
    /// Files that `${file:…}` included in it.
    pub included_files: Vec<IncludedFile>,
    /// The checked configuration.
    pub model: Model,
    /// Finds the route.
    pub routes: RouteTable,
    /// In the order of `model.plugins`.
    pub plugins: Vec<Arc<LoadedPlugin>>,
    /// In the order of `model.upstreams`.
    pub upstreams: Vec<Arc<Upstream>>,
    /// In the order of `model.listeners`.
    pub certificates: Vec<Option<Arc<ServerTls>>>,
    upstream_by_name: FxHashMap<Arc<str>, usize>,
}

impl Snapshot {
    /// A snapshot of these parts. `plugins`, `upstreams` and `certificates` are in the model's order.
    pub fn new(
        revision: u64,
        text: Arc<str>,
        included_files: Vec<IncludedFile>,
        model: Model,
        plugins: Vec<Arc<LoadedPlugin>>,
        upstreams: Vec<Arc<Upstream>>,
        certificates: Vec<Option<Arc<ServerTls>>>,
    ) -> Self {
        let routes = RouteTable::new(model.routes.iter().map(|route| &route.matches));
        let upstream_by_name = upstreams
            .iter()
            .enumerate()
            .map(|(i, u)| (u.name().clone(), i))
            .chain(model.upstreams.iter().enumerate().flat_map(|(index, upstream)| {
                let aliases = upstream.settings.aliases.iter();
                aliases.map(move |alias| (alias.as_str().into(), index))
            }))
            .collect();
        Self {
            revision,
            text,
            included_files,
            model,
            routes,
            plugins,
            upstreams,
            certificates,
            upstream_by_name,
        }
    }

    /// Makes the living endpoints those that this snapshot names: it goes live.
    pub fn publish_upstreams(&self) {
        for (upstream, named) in self.upstreams.iter().zip(&self.model.upstreams) {
            upstream.publish(&named.settings);
        }
    }

    /// The upstream called `name`, or with this alias, with its place.
    pub fn upstream(&self, name: &str) -> Option<(usize, &Arc<Upstream>)> {
        self.upstream_by_name
            .get(name)
            .map(|&index| (index, &self.upstreams[index]))
    }
}
