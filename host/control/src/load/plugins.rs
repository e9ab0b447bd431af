//! The plugins of the next snapshot: each with its module, linked, and started in a trial VM. A plugin that did not change is reused.

use std::sync::Arc;

use lockgate_config::model::PluginModel;
use lockgate_gateway::{LoadedPlugin, PluginIdentity, Snapshot};
use lockgate_json::{Diagnostic, Document};
use lockgate_modules::files::Modules;
use lockgate_modules::usage::Usage;
use lockgate_modules::{plugin_config, selection, trial_vm};
use lockgate_sandbox::{Module, Plugin, PluginSpec};

/// Maximum module names in a hint.
const MAX_SHOWN_NAMES: usize = 12;

/// Loads the plugins of one configuration.
pub(super) struct PluginLoader<'a> {
    pub(super) modules: &'a mut Modules,
    pub(super) document: &'a Document,
    /// The snapshot whose plugins are reused.
    pub(super) current: Option<&'a Snapshot>,
    /// See `Attempt::is_retry`.
    pub(super) is_retry: bool,
}

impl PluginLoader<'_> {
    /// Loads a plugin: the current one if nothing has changed, else a new one. When only its module file has changed, and the new module is
    /// refused, the current plugin stays.
    ///
    /// # Errors
    /// Every mistake, at its place.
    pub(super) fn load(&mut self, model: &PluginModel, usage: Usage) -> Result<Arc<LoadedPlugin>, Vec<Diagnostic>> {
        let plugins = || self.current.iter().flat_map(|snapshot| snapshot.plugins.iter());
        let current = plugins().find(|known| known.identity.model == *model).cloned();
        let namesake = plugins().find(|known| known.identity.model.name == model.name);
        let version = namesake.map_or(1, |known| known.version + 1);
        let module = match selection::select(self.modules, model) {
            Ok(module) => module,
            Err(reason) => {
                let missing = || missing_module(self.modules, &model.pointer, &model.module, self.document, &reason);
                return current.ok_or_else(|| vec![missing()]);
            }
        };
        let identity = PluginIdentity {
            model: model.clone(),
            sha256: module.sha256().to_owned(),
        };
        let refused = |reason: String| vec![plugin_config::start_failure(model, self.document, &reason)];
        if let Some(current) = current.as_ref().filter(|current| current.identity == identity) {
            // The upstreams that it names may be gone.
            if plugin_config::names_upstreams(&module) {
                let mistakes = plugin_config::check_schema(&model.pointer, &model.module, &module, self.document);
                if !mistakes.is_empty() {
                    return Err(mistakes);
                }
            }
            // It may be in other chains than before.
            return usage.check(&module).map(|()| current.clone()).map_err(refused);
        }
        let mistakes = plugin_config::check_schema(&model.pointer, &model.module, &module, self.document);
        let checked = match mistakes.first() {
            None => usage.check(&module),
            Some(first) => Err(format!("it does not accept the plugin's configuration: {first}")),
        };
        match checked.and_then(|()| start(self.modules, model, module)) {
            Ok(plugin) => Ok(Arc::new(LoadedPlugin {
                plugin,
                identity,
                version,
            })),
            Err(reason) => match current {
                Some(current) => {
                    let last = self.modules.get(&model.module).and_then(|file| file.error.as_ref());
                    if !self.is_retry || last != Some(&reason) {
                        tracing::error!(plugin = %model.name, module = %model.module, "new module refused, the previous one stays in use: {reason}");
                        self.modules.refuse(&model.module, reason);
                    }
                    Ok(current)
                }
                None if !mistakes.is_empty() => Err(mistakes),
                None => Err(refused(reason)),
            },
        }
    }
}

/// Links a plugin, and starts it in a trial VM.
fn start(modules: &Modules, model: &PluginModel, module: Module) -> Result<Plugin, String> {
    let spec = PluginSpec {
        name: model.name.clone(),
        module_name: model.module.clone(),
        module,
        settings: model.settings.clone(),
    };
    let plugin = Plugin::link(modules.engine(), spec).map_err(|error| error.to_string())?;
    trial_vm::start(&plugin).map_err(|failure| failure.message)?;
    Ok(plugin)
}

/// The diagnostic of a plugin, at `plugin`, that has no module.
pub(super) fn missing_module(
    modules: &Modules,
    plugin: &str,
    module: &str,
    document: &Document,
    reason: &str,
) -> Diagnostic {
    let near = lockgate_json::nearest(module, modules.names()).filter(|near| *near != module);
    let hint = near.map(|near| format!("did you mean \"{near}\"?"));
    let hint = hint.or_else(|| (reason == selection::NO_FILE).then(|| available_modules(modules)));
    let pointer = format!("{plugin}/module");
    let pointer = document.locate(&pointer).map_or(plugin, |_| &*pointer);
    document.diagnostic(
        pointer,
        format!("module \"{module}\" ({module}.wasm in plugin_dir): {reason}"),
        None,
        hint,
    )
}

/// The modules of the folder, in words.
fn available_modules(modules: &Modules) -> String {
    let names: Vec<&str> = modules.names().collect();
    match names.len() {
        0 => "plugin_dir holds no .wasm file; build the plugin and copy it there".to_owned(),
        1..=MAX_SHOWN_NAMES => format!("plugin_dir holds {}", names.join(", ")),
        more => format!(
            "plugin_dir holds {} and {} more",
            names[..MAX_SHOWN_NAMES].join(", "),
            more - MAX_SHOWN_NAMES
        ),
    }
}
