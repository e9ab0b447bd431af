//! Chains in an order that defeats a plugin: a cache before what guards its responses, access rules for consumers that nobody identifies, the
//! same plugin twice.

use lockgate_config::model::PluginIndex;
use lockgate_gateway::{LoadedPlugin, Snapshot};
use lockgate_json::{Diagnostic, Document};
use serde_json::Value;

use super::escaped;

pub(super) fn warnings(snapshot: &Snapshot, document: &Document) -> Vec<Diagnostic> {
    let model = &snapshot.model;
    let global = Chain {
        snapshot,
        document,
        pointer: "/global_chain".to_owned(),
        plugins: model.global_chain.clone(),
        before: 0,
    };
    let routes = model.routes.iter().enumerate().map(|(index, route)| Chain {
        snapshot,
        document,
        pointer: chain_pointer(document, index),
        plugins: model.global_chain.iter().chain(&route.chain).copied().collect(),
        before: model.global_chain.len(),
    });
    let all: Vec<Chain<'_>> = [global].into_iter().chain(routes).collect();
    all.iter().flat_map(Chain::warnings).collect()
}

/// Where the chain of a route is written: its list, or the named chain.
fn chain_pointer(document: &Document, route: usize) -> String {
    let here = format!("/routes/{route}/chain");
    let written = document.json(&here).and_then(|text| serde_json::from_str(&text).ok());
    match written {
        Some(Value::String(name)) => format!("/chains/{}", escaped(&name)),
        _ => here,
    }
}

/// The plugins that a request passes.
struct Chain<'a> {
    snapshot: &'a Snapshot,
    document: &'a Document,
    pointer: String,
    plugins: Vec<PluginIndex>,
    /// How many of them are the global chain's, which has its own warnings.
    before: usize,
}

impl Chain<'_> {
    fn warnings(&self) -> Vec<Diagnostic> {
        let own = self.before..self.plugins.len();
        own.flat_map(|at| [self.is_twice(at), self.is_behind_cache(at), self.lacks_consumer(at)])
            .flatten()
            .collect()
    }

    fn plugin(&self, at: usize) -> &LoadedPlugin {
        &self.snapshot.plugins[self.plugins[at].0]
    }

    fn name(&self, at: usize) -> &str {
        &self.plugin(at).identity.model.name
    }

    fn warning(&self, text: String, hint: &str) -> Diagnostic {
        self.document
            .diagnostic(&self.pointer, text, None, Some(hint.to_owned()))
    }

    fn is_twice(&self, at: usize) -> Option<Diagnostic> {
        let first = self.plugins[..at]
            .iter()
            .position(|plugin| *plugin == self.plugins[at])?;
        let places = match first < self.before {
            true => "in this chain and in global_chain, which runs before it",
            false => "twice in this chain",
        };
        Some(self.warning(
            format!(
                "plugin \"{}\" stands {places}: every request passes it twice",
                self.name(at)
            ),
            "remove one of the two, unless the plugin is meant to run twice",
        ))
    }

    fn is_behind_cache(&self, at: usize) -> Option<Diagnostic> {
        let guard = self.plugin(at);
        if !(is_acl(guard) || declares_consumer(guard)) {
            return None;
        }
        let cache = (0..at).find(|&earlier| caches(self.plugin(earlier)))?;
        Some(self.warning(
            format!(
                "plugin \"{}\" answers from the cache before \"{}\" has seen the request: whoever asks gets what is stored",
                self.name(cache),
                self.name(at)
            ),
            "put the cache behind the plugins that control access",
        ))
    }

    fn lacks_consumer(&self, at: usize) -> Option<Diagnostic> {
        let acl = self.plugin(at);
        let pointer = format!("{}/config", acl.identity.model.pointer);
        if !is_acl(acl) || !names_consumers(self.document, &pointer) {
            return None;
        }
        let is_known = (0..at).any(|earlier| may_set_consumer(self.plugin(earlier)));
        (!is_known).then(|| {
            self.warning(
                format!(
                    "plugin \"{}\" has rules by consumer or group, and no plugin before it identifies consumers: these rules match \
                     nobody",
                    self.name(at)
                ),
                "put a plugin like auth before it",
            )
        })
    }
}

fn is_acl(plugin: &LoadedPlugin) -> bool {
    let manifest = plugin.plugin.spec().module.manifest();
    manifest.is_some_and(|manifest| manifest.name.as_deref() == Some("acl"))
}

/// Whether a plugin uses the response cache.
fn caches(plugin: &LoadedPlugin) -> bool {
    declares(plugin, "foreign_functions", |name| name == "lockgate.cache")
}

/// Whether a plugin says that it sets the consumer.
fn declares_consumer(plugin: &LoadedPlugin) -> bool {
    declares(plugin, "write_properties", |name| name.starts_with("lockgate.consumer"))
}

/// Whether a plugin may set the consumer. Of a module without a manifest, nothing is known.
fn may_set_consumer(plugin: &LoadedPlugin) -> bool {
    plugin.plugin.spec().module.manifest().is_none() || declares_consumer(plugin)
}

/// Whether a plugin's manifest asks for such a capability.
fn declares(plugin: &LoadedPlugin, capability: &str, is_wanted: impl Fn(&str) -> bool) -> bool {
    let manifest = plugin.plugin.spec().module.manifest();
    let list = manifest.and_then(|manifest| manifest.capabilities.get(capability)?.as_array());
    list.is_some_and(|names| names.iter().filter_map(Value::as_str).any(is_wanted))
}

/// Whether a rule of an acl's configuration has a condition on the consumer.
fn names_consumers(document: &Document, pointer: &str) -> bool {
    let config = document.json(pointer).and_then(|text| serde_json::from_str(&text).ok());
    let config: Value = config.unwrap_or_default();
    let lists = ["deny", "allow"].iter().filter_map(|list| config.get(list)?.as_array());
    let has = |rule: &Value, key| rule.get(key).is_some_and(|value: &Value| !value.is_null());
    lists
        .flatten()
        .any(|rule| has(rule, "groups") || has(rule, "consumers"))
}
