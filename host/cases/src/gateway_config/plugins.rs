//! The plugins of a case, with their modules and settings.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use lockgate_json::Document;
use serde_json::{Map, Value, json};

use super::merge;
use crate::cases::{Case, Cases, ChainEntry};

/// A plugin of the generated configuration.
pub(super) struct PluginEntry {
    pub(super) name: String,
    pub(super) module: String,
    /// JSON text, as in the cases file.
    config: Option<String>,
    settings: Map<String, Value>,
    /// JSON pointers into the cases file: to `config`, and to the other settings.
    pub(super) config_at: String,
    pub(super) settings_at: String,
}

/// Resolves the plugins of a case and their modules.
pub(super) struct PluginResolver<'a> {
    pub(super) cases: &'a Cases,
    pub(super) document: &'a Document,
    pub(super) folder: PathBuf,
    /// Module of the command line, instead of the file's.
    pub(super) module_override: Option<PathBuf>,
    pub(super) modules: BTreeMap<String, PathBuf>,
}

impl PluginResolver<'_> {
    /// The plugins of a case, in the order of its chain.
    pub(super) fn plugins(&mut self, case: &Case, here: &str) -> Result<Vec<PluginEntry>, (String, String)> {
        let defaults = &self.cases.defaults;
        let mut settings = defaults.plugin.clone().unwrap_or_default();
        let own = case.plugin.clone().unwrap_or_default();
        let mut merged = Value::Object(std::mem::take(&mut settings));
        merge(&mut merged, &Value::Object(own));
        let (chain, chain_at) = match (&case.chain, &defaults.chain) {
            (Some(chain), _) => (Some(chain), format!("{here}/chain")),
            (None, Some(chain)) if case.config.is_none() => (Some(chain), "/defaults/chain".to_owned()),
            _ => (None, String::new()),
        };
        let Value::Object(settings) = merged else {
            return Err((here.to_owned(), "\"plugin\" is not an object".to_owned()));
        };
        if let Some(chain) = chain {
            let mut plugins: Vec<PluginEntry> = Vec::with_capacity(chain.len());
            for (index, entry) in chain.iter().enumerate() {
                let plugin = self.chain_entry(entry, &format!("{chain_at}/{index}"), &settings, &plugins)?;
                plugins.push(plugin);
            }
            return Ok(plugins);
        }
        let config_at = match case.config {
            Some(_) => format!("{here}/config"),
            None => "/defaults/config".to_owned(),
        };
        let module = self.tested(here)?;
        Ok(vec![PluginEntry {
            name: module.clone(),
            module,
            config: self.document.json(&config_at),
            settings,
            config_at,
            settings_at: match case.plugin {
                Some(_) => format!("{here}/plugin"),
                None => "/defaults/plugin".to_owned(),
            },
        }])
    }

    fn chain_entry(
        &mut self,
        entry: &ChainEntry,
        at: &str,
        settings: &Map<String, Value>,
        before: &[PluginEntry],
    ) -> Result<PluginEntry, (String, String)> {
        let module = match &entry.module {
            Some(path) => self.module(&self.folder.join(path), &format!("{at}/module"))?,
            None => self.tested(at)?,
        };
        let wanted = entry.name.clone().unwrap_or_else(|| module.clone());
        let taken = |name: &str| before.iter().any(|plugin| plugin.name == name);
        let mut name = wanted.clone();
        for number in 2.. {
            if !taken(&name) {
                break;
            }
            name = format!("{wanted}-{number}");
        }
        let mut merged = Value::Object(settings.clone());
        merge(&mut merged, &Value::Object(entry.plugin.clone().unwrap_or_default()));
        Ok(PluginEntry {
            name,
            module,
            config: self.document.json(&format!("{at}/config")),
            settings: merged.as_object().cloned().unwrap_or_default(),
            config_at: format!("{at}/config"),
            settings_at: format!("{at}/plugin"),
        })
    }

    /// Adds the module under test and returns its name.
    fn tested(&mut self, here: &str) -> Result<String, (String, String)> {
        let (path, at) = match (&self.module_override, &self.cases.module) {
            (Some(path), _) => (path.clone(), "/module"),
            (None, Some(path)) => (self.folder.join(path), "/module"),
            (None, None) => {
                let problem = "no module to test: give one on the command line, or as \"module\" in this file";
                return Err((here.to_owned(), problem.to_owned()));
            }
        };
        self.module(&path, at)
    }

    /// Name of the tested module, if a plugin uses it.
    pub(super) fn tested_module(&self) -> Option<String> {
        let path = match (&self.module_override, &self.cases.module) {
            (Some(path), _) => path.clone(),
            (None, Some(path)) => self.folder.join(path),
            (None, None) => return None,
        };
        self.modules
            .iter()
            .find(|(_, known)| **known == path)
            .map(|(name, _)| name.clone())
    }

    /// Adds the module at `path` and returns its name.
    fn module(&mut self, path: &Path, at: &str) -> Result<String, (String, String)> {
        let stem = path
            .file_name()
            .and_then(|name| name.to_str())
            .map(|name| name.trim_end_matches(".wasm"));
        let Some(stem) = stem.filter(|stem| !stem.is_empty()) else {
            return Err((at.to_owned(), format!("{} is not a file", path.display())));
        };
        if !path.is_file() {
            let problem = format!("the file {} does not exist; build the plugin first", path.display());
            return Err((at.to_owned(), problem));
        }
        let mut name = stem.to_owned();
        for number in 2.. {
            match self.modules.get(&name) {
                Some(known) if known != path => name = format!("{stem}-{number}"),
                _ => break,
            }
        }
        self.modules.insert(name.clone(), path.to_owned());
        Ok(name)
    }
}

impl PluginEntry {
    /// The plugin as a member of `plugins`.
    pub(super) fn to_json(&self) -> String {
        let mut members = vec![format!("\"module\":{}", json!(self.module))];
        members.extend(self.config.iter().map(|config| format!("\"config\":{config}")));
        let settings = self
            .settings
            .iter()
            .filter(|(name, _)| *name != "module" && *name != "config");
        members.extend(settings.map(|(name, value)| format!("{}:{value}", json!(name))));
        format!("{}:{{{}}}", json!(self.name), members.join(","))
    }
}
