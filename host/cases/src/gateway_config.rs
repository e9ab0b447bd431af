//! The gateway.json of a case: its plugins, its scripted upstreams and one route, with the case's own `gateway` settings merged in.

mod endpoints;
mod plugins;

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use lockgate_json::{Document, Report};
use serde_json::{Map, Value, json};

use crate::assert::escaped;
use crate::cases::{Case, Cases, Script};
use crate::client::LISTENER;
use plugins::{PluginEntry, PluginResolver};

pub(crate) use endpoints::{Endpoint, Version};

/// Name of the upstream of requests that no plugin sends elsewhere.
pub(crate) const UPSTREAM: &str = "upstream";

/// The configuration of a case.
#[derive(Debug)]
pub(crate) struct CaseConfig {
    /// The gateway.json.
    pub(crate) text: String,
    /// Modules by their names in the text.
    pub(crate) modules: BTreeMap<String, PathBuf>,
    /// The plugin whose shared data are compared: the last of the chain that runs the tested module, else the last.
    pub(crate) tested: String,
    /// Endpoints by address.
    pub(crate) endpoints: BTreeMap<String, Endpoint>,
    /// Pairs of JSON pointers: into the text, and into the cases file.
    origins: Vec<(String, String)>,
    /// JSON pointer to the case.
    case: String,
}

/// Generates the configuration of the case at `index`.
///
/// # Errors
/// JSON pointer and text of the first mistake.
pub(crate) fn generate(
    cases: &Cases,
    document: &Document,
    index: usize,
    module_override: Option<&Path>,
) -> Result<CaseConfig, (String, String)> {
    let case = &cases.cases[index];
    let here = format!("/cases/{index}");
    let mut resolver = PluginResolver {
        cases,
        document,
        folder: document.file().parent().unwrap_or(Path::new("")).to_owned(),
        module_override: module_override.map(Path::to_owned),
        modules: BTreeMap::new(),
    };
    let plugins = resolver.plugins(case, &here)?;
    let mut gateway = base(case, document.file(), &plugins);
    merge(&mut gateway, &overlay(cases, case));
    let scripted = scripts(cases, case, &here);
    let named = scripted
        .iter()
        .map(|(name, (_, script))| (name.as_str(), Some(*script)));
    let endpoints = endpoints::upstreams(&mut gateway["upstreams"], named.chain([(UPSTREAM, None)]));
    let Value::Object(gateway) = gateway else {
        return Err((here, "\"gateway\" is not an object".to_owned()));
    };
    let overlay_at = match case.gateway {
        Some(_) => format!("{here}/gateway"),
        None => "/defaults/gateway".to_owned(),
    };
    let tested = plugins
        .iter()
        .rfind(|plugin| Some(&plugin.module) == resolver.tested_module().as_ref())
        .or(plugins.last());
    Ok(CaseConfig {
        tested: tested.map_or_else(String::new, |plugin| plugin.name.clone()),
        text: text(gateway, &plugins),
        origins: origins(&plugins, overlay_at),
        modules: resolver.modules,
        endpoints,
        case: here,
    })
}

/// The configuration without the case's `gateway` settings: one route, or one TCP listener, to one upstream.
fn base(case: &Case, file: &Path, plugins: &[PluginEntry]) -> Value {
    let names: Vec<&str> = plugins.iter().map(|plugin| &*plugin.name).collect();
    if case.connection.is_some() {
        return json!({
            "plugin_dir": plugin_dir(file),
            "listeners": { LISTENER: { "listen": "127.0.0.1:80", "protocol": "tcp", "upstream": UPSTREAM, "chain": names } },
            "upstreams": {},
        });
    }
    json!({
        "plugin_dir": plugin_dir(file),
        "listeners": { LISTENER: { "listen": "127.0.0.1:80", "trailers": ["*"] } },
        "upstreams": {},
        "chains": { LISTENER: names },
        "routes": [ { "name": "test", "match": { "path_prefix": "/" }, "chain": LISTENER, "upstream": UPSTREAM } ],
    })
}

/// The `gateway` settings of the file, with the case's own merged in.
fn overlay(cases: &Cases, case: &Case) -> Value {
    let mut overlay = Value::Object(cases.defaults.gateway.clone().unwrap_or_default());
    if let Some(own) = &case.gateway {
        merge(&mut overlay, &Value::Object(own.clone()));
    }
    overlay
}

/// The number of workers of a case, as it is written.
pub(crate) fn workers(cases: &Cases, case: &Case) -> u64 {
    overlay(cases, case)["workers"].as_u64().unwrap_or(1)
}

/// The configuration as text. Settings of plugins are copied from the cases file as they are.
fn text(mut gateway: Map<String, Value>, plugin_entries: &[PluginEntry]) -> String {
    let mut plugins: Vec<String> = plugin_entries.iter().map(PluginEntry::to_json).collect();
    if let Some(Value::Object(more)) = gateway.remove("plugins") {
        plugins.extend(more.iter().map(|(name, plugin)| format!("{}:{plugin}", json!(name))));
    }
    let mut members: Vec<String> = gateway
        .iter()
        .map(|(name, value)| format!("{}:{value}", json!(name)))
        .collect();
    members.push(format!("\"plugins\":{{{}}}", plugins.join(",")));
    format!("{{{}}}", members.join(","))
}

/// Origins of the text in the cases file, the longest pointers first.
fn origins(plugin_entries: &[PluginEntry], overlay_at: String) -> Vec<(String, String)> {
    let mut origins = Vec::new();
    for entry in plugin_entries {
        let plugin = format!("/plugins/{}", escaped(&entry.name));
        origins.push((format!("{plugin}/config"), entry.config_at.clone()));
        origins.push((format!("{plugin}/module"), "/module".to_owned()));
        origins.push((plugin, entry.settings_at.clone()));
    }
    origins.push((String::new(), overlay_at));
    origins
}

/// An existing folder. Modules are added one by one, so none is looked up in it.
fn plugin_dir(file: &Path) -> PathBuf {
    let file = std::path::absolute(file).unwrap_or(file.to_owned());
    file.parent().map_or(PathBuf::from("/"), Path::to_owned)
}

/// The scripts of a case, each with its JSON pointer.
pub(crate) fn scripts<'a>(cases: &'a Cases, case: &'a Case, here: &str) -> BTreeMap<String, (String, &'a Script)> {
    let at = |here: &str, name: &str| format!("{here}/upstreams/{}", escaped(name));
    let mut scripts: BTreeMap<_, _> = cases
        .defaults
        .upstreams
        .iter()
        .map(|(name, script)| (name.clone(), (at("/defaults", name), script)))
        .collect();
    for (name, script) in &case.upstreams {
        scripts.insert(name.clone(), (at(here, name), script));
    }
    scripts
}

impl CaseConfig {
    /// Translates a report about the text into one about the cases file.
    pub(crate) fn translate(&self, report: &Report, document: &Document) -> Report {
        let diagnostics = report.diagnostics.iter().map(|diagnostic| {
            let pointer = self.pointer(&diagnostic.pointer, document);
            document.diagnostic(
                &pointer,
                diagnostic.message.clone(),
                diagnostic.expected.clone(),
                diagnostic.hint.clone(),
            )
        });
        Report {
            diagnostics: diagnostics.collect(),
        }
    }

    fn pointer(&self, in_text: &str, document: &Document) -> String {
        for (from, to) in &self.origins {
            if let Some(rest) = in_text.strip_prefix(from)
                && (rest.is_empty() || rest.starts_with('/'))
            {
                let in_cases = format!("{to}{rest}");
                return if document.locate(&in_cases).is_some() || document.locate(to).is_some() {
                    in_cases
                } else {
                    self.case.clone()
                };
            }
        }
        self.case.clone()
    }
}

/// Merges objects at any depth. Any other value replaces the one below.
fn merge(below: &mut Value, above: &Value) {
    match (below, above) {
        (Value::Object(below), Value::Object(above)) => {
            for (name, value) in above {
                merge(below.entry(name.clone()).or_insert(Value::Null), value);
            }
        }
        (below, above) => *below = above.clone(),
    }
}
