//! Makes the next snapshot aside from all traffic: reads the configuration, compiles and links plugins, lets each take
//! its configuration in a trial VM. What has not changed is taken over. If anything fails there is no snapshot, only a
//! report; one bad module file holds back that file alone.

mod certificates;
mod lengths;
pub(crate) mod missing_files;

use std::path::Path;
use std::sync::Arc;

use lockgate_config::model::{Model, PluginIndex, PluginModel};
use lockgate_config::{LoadError, Loaded, PartialConfig};
use lockgate_gateway::{LoadedPlugin, PluginIdentity, Snapshot};
use lockgate_json::{Diagnostic, Document, Report};
use lockgate_modules::files::Modules;
use lockgate_modules::usage::Uses;
use lockgate_modules::{plugin_config, selection, trial_vm};
use lockgate_sandbox::{Engine, Module, Plugin, PluginSpec};
use lockgate_upstream::Upstream;

use certificates::certificates;
use lengths::{long_chains, long_tcp_chains};
use missing_files::Awaited;

/// More modules are not named to whoever looks for one.
const SHOWN_NAMES: usize = 12;

/// Makes snapshots, one after the other.
pub(crate) struct Loader {
    modules: Modules,
    awaited: Awaited,
}

/// What a load came to.
pub(crate) struct Outcome {
    /// The next snapshot.
    pub snapshot: Arc<Snapshot>,
    /// What the operator should know of plugins that are new in it, though nothing is wrong.
    pub remarks: Vec<Diagnostic>,
}

impl Loader {
    /// A loader that has seen nothing yet.
    pub(crate) fn new(engine: Engine) -> Self {
        Self {
            modules: Modules::new(engine),
            awaited: Awaited::default(),
        }
    }

    /// What the last configuration, if it was refused, is made of.
    pub(crate) fn awaited(&self) -> &Awaited {
        &self.awaited
    }

    /// The modules as they were at the last load.
    pub(crate) fn modules(&self) -> &Modules {
        &self.modules
    }

    /// The same, to put more in.
    pub(crate) fn modules_mut(&mut self) -> &mut Modules {
        &mut self.modules
    }

    /// Makes a snapshot of modules that are known already, with upstreams that nobody has used. Plugins that are as in `last`
    /// are taken over.
    ///
    /// # Errors
    /// Everything that is wrong, at its place in the file.
    pub(crate) fn stage(&mut self, loaded: Loaded, last: Option<&Snapshot>) -> Result<Arc<Snapshot>, Report> {
        self.assemble(loaded, last, None, Vec::new())
            .map(|outcome| outcome.snapshot)
    }

    /// Makes the first snapshot of the file at `config`. Blocks while it compiles.
    ///
    /// # Errors
    /// Everything that is wrong, at its place in the file.
    pub(crate) fn load(&mut self, config: &Path) -> Result<Outcome, Report> {
        let outcome = self.build(config, None)?;
        self.modules.scan_rest();
        Ok(outcome)
    }

    /// Makes the next snapshot after `current`, or none if it would be no other. Blocks while it compiles.
    ///
    /// # Errors
    /// Everything that is wrong, at its place in the file; `current` is what goes on serving then.
    pub(crate) fn reload(&mut self, config: &Path, current: &Snapshot) -> Result<Option<Outcome>, Report> {
        let next = self.build(config, Some(current));
        self.modules.scan_rest();
        let next = next?;
        let unchanged = next.snapshot.text == current.text
            && next.snapshot.included_files == current.included_files
            && same(&current.plugins, &next.snapshot.plugins);
        Ok((!unchanged).then_some(next))
    }

    /// Makes a snapshot of the file. Of the modules only those that it names are looked at: nobody waits for the others to be compiled
    /// before a mistake is told.
    fn build(&mut self, config: &Path, current: Option<&Snapshot>) -> Result<Outcome, Report> {
        self.awaited = Awaited::default();
        let loaded = match lockgate_config::load(config) {
            Ok(loaded) => loaded,
            Err(LoadError { report, partial: None }) => return Err(report),
            Err(LoadError {
                report,
                partial: Some(partial),
            }) => {
                self.awaited = Awaited::of(&partial.files, partial.plugin_dir.as_deref());
                return Err(self.complete(report, &partial));
            }
        };
        let model = &loaded.model;
        self.awaited = Awaited::of_model(&loaded.files, model);
        let mut diagnostics = Vec::new();
        self.modules.trust(&model.signing_keys, model.requires_signatures);
        let wanted = model.plugins.iter().map(|plugin| &*plugin.module).collect();
        if let Some(folder) = &model.plugin_dir
            && let Err(error) = self.modules.scan(folder, &wanted)
        {
            diagnostics.push(loaded.document.diagnostic(
                "/plugin_dir",
                format!("the folder cannot be read: {error}"),
                Some("a folder of .wasm files".into()),
                None,
            ));
        }
        let outcome = self.assemble(loaded, current, current, diagnostics)?;
        self.awaited = Awaited::default();
        Ok(outcome)
    }

    /// Makes a snapshot of a configuration: plugins that are as in `known` and upstreams that are as in `current` go on.
    fn assemble(
        &mut self,
        loaded: Loaded,
        known: Option<&Snapshot>,
        current: Option<&Snapshot>,
        mut diagnostics: Vec<Diagnostic>,
    ) -> Result<Outcome, Report> {
        let Loaded { model, document, files } = loaded;
        let mut plugins = Vec::with_capacity(model.plugins.len());
        // A folder that cannot be read tells nothing of its modules.
        let readable = if diagnostics.is_empty() { &*model.plugins } else { &[] };
        for (index, plugin) in readable.iter().enumerate() {
            match self.plugin(plugin, Uses::of(&model, PluginIndex(index)), &document, known) {
                Ok(loaded) => plugins.push(loaded),
                Err(told) => diagnostics.extend(told),
            }
        }
        let unknown = |plugin: &PluginModel| plugin_config::unknown_functions(&plugin.pointer, &document);
        diagnostics.extend(model.plugins.iter().flat_map(unknown));
        diagnostics.extend(long_chains(&model, &document));
        diagnostics.extend(long_tcp_chains(&model, &document));
        let certificates = certificates(&model, &document, current, &mut diagnostics);
        if !diagnostics.is_empty() {
            diagnostics.sort_by_key(|diagnostic| (diagnostic.line, diagnostic.column));
            return Err(Report { diagnostics });
        }
        for loaded in &plugins {
            let spec = loaded.plugin.spec();
            self.modules.prove(&spec.module_name, &spec.module);
        }
        let remarks = remarks(&plugins, &document, known);
        let revision = current.map_or(1, |current| current.revision + 1);
        let upstreams = upstreams(&model, current);
        let snapshot = Arc::new(Snapshot::new(
            revision,
            document.text().into(),
            files,
            model,
            plugins,
            upstreams,
            certificates,
        ));
        Ok(Outcome { snapshot, remarks })
    }

    /// Adds to what is wrong with a configuration what is wrong with its plugins: modules that are not there, functions that nobody
    /// has, and configurations, as far as modules' schemas tell.
    fn complete(&mut self, mut report: Report, partial: &PartialConfig) -> Report {
        let document = &partial.document;
        let unknown = |(pointer, _): &(String, String)| plugin_config::unknown_functions(pointer, document);
        report.diagnostics.extend(partial.plugins.iter().flat_map(unknown));
        let folder = partial.plugin_dir.as_deref();
        let wanted = partial.plugins.iter().map(|(_, module)| &**module).collect();
        if folder.is_some_and(|folder| self.modules.scan(folder, &wanted).is_ok()) {
            for (pointer, name) in &partial.plugins {
                let file = self.modules.get(name);
                let reason = match file {
                    None => Some(selection::ABSENT),
                    // What served before may go on.
                    Some(file) => file.error.as_deref().filter(|_| file.proven.is_none()),
                };
                if let Some(newest) = file.and_then(|file| file.newest.as_ref()) {
                    let told = plugin_config::by_schema(pointer, name, &newest.module, document);
                    report.diagnostics.extend(told);
                } else if let Some(reason) = reason.filter(|_| !name.is_empty()) {
                    // One without a name was told already.
                    let told = self.module_diagnostic(pointer, name, document, reason);
                    report.diagnostics.push(told);
                }
            }
        }
        report.diagnostics.sort_by_key(|told| (told.line, told.column));
        report
    }

    /// The plugin as configured: the one that serves already, if nothing about it has changed; else linked and tried.
    /// When only its module's file has changed, and for the worse, the one that serves stays.
    fn plugin(
        &mut self,
        model: &PluginModel,
        uses: Uses,
        document: &Document,
        current: Option<&Snapshot>,
    ) -> Result<Arc<LoadedPlugin>, Vec<Diagnostic>> {
        let serving = current.and_then(|snapshot| snapshot.plugins.iter().find(|known| known.identity.model == *model));
        let module = match selection::choose(&mut self.modules, model) {
            Ok(module) => module,
            Err(reason) => {
                return match serving {
                    Some(serving) => Ok(serving.clone()),
                    None => Err(vec![self.module_diagnostic(
                        &model.pointer,
                        &model.module,
                        document,
                        &reason,
                    )]),
                };
            }
        };
        let identity = PluginIdentity {
            model: model.clone(),
            sha256: module.sha256().to_owned(),
        };
        let refused = |reason: String| vec![plugin_config::by_plugin(model, document, &reason)];
        if let Some(serving) = serving.filter(|serving| serving.identity == identity) {
            // It may stand in another chain than before.
            return uses.suit(&module).map(|()| serving.clone()).map_err(refused);
        }
        let namesake = current.and_then(|snapshot| {
            snapshot
                .plugins
                .iter()
                .find(|known| known.identity.model.name == model.name)
        });
        let version = namesake.map_or(1, |known| known.version + 1);
        let unfit = plugin_config::by_schema(&model.pointer, &model.module, &module, document);
        let suited = match unfit.first() {
            None => uses.suit(&module),
            Some(first) => Err(format!("it does not accept the plugin's configuration: {first}")),
        };
        match suited.and_then(|()| self.link(model, module)) {
            Ok(plugin) => Ok(Arc::new(LoadedPlugin {
                plugin,
                identity,
                version,
            })),
            Err(reason) => match serving {
                Some(serving) => {
                    tracing::error!(plugin = %model.name, module = %model.module, "new module refused, the previous one stays in use: {reason}");
                    self.modules.reject(&model.module, reason);
                    Ok(serving.clone())
                }
                None if !unfit.is_empty() => Err(unfit),
                None => Err(vec![plugin_config::by_plugin(model, document, &reason)]),
            },
        }
    }

    fn link(&self, model: &PluginModel, module: Module) -> Result<Plugin, String> {
        let spec = PluginSpec {
            name: model.name.clone(),
            module_name: model.module.clone(),
            module,
            config: model.config.clone(),
            root_id: model.root_id.clone(),
            vm_id: model.vm_id.clone(),
            vm_config: model.vm_config.clone(),
            env: model.env.clone(),
            limits: model.limits.clone(),
            on_error: model.on_error,
            isolation: model.isolation,
            capabilities: model.capabilities.clone(),
        };
        let plugin = Plugin::link(self.modules.engine(), spec).map_err(|error| error.to_string())?;
        trial_vm::start(&plugin).map_err(|failure| failure.message)?;
        Ok(plugin)
    }

    /// Why the plugin at `plugin` has no module.
    fn module_diagnostic(&self, plugin: &str, module: &str, document: &Document, reason: &str) -> Diagnostic {
        let near = lockgate_json::nearest(module, self.modules.names()).filter(|near| *near != module);
        let hint = near.map(|near| format!("did you mean \"{near}\"?"));
        let hint = hint.or_else(|| (reason == selection::ABSENT).then(|| self.what_is_there()));
        let pointer = format!("{plugin}/module");
        let pointer = document.locate(&pointer).map_or(plugin, |_| &*pointer);
        document.diagnostic(
            pointer,
            format!("module \"{module}\" ({module}.wasm in plugin_dir): {reason}"),
            None,
            hint,
        )
    }

    /// The modules that there are, in words.
    fn what_is_there(&self) -> String {
        let names: Vec<&str> = self.modules.names().collect();
        match names.len() {
            0 => "plugin_dir holds no .wasm file; build the plugin and copy it there".to_owned(),
            1..=SHOWN_NAMES => format!("plugin_dir holds {}", names.join(", ")),
            more => format!(
                "plugin_dir holds {} and {} more",
                names[..SHOWN_NAMES].join(", "),
                more - SHOWN_NAMES
            ),
        }
    }
}

/// What is to be said of plugins that were not there before.
fn remarks(plugins: &[Arc<LoadedPlugin>], document: &Document, known: Option<&Snapshot>) -> Vec<Diagnostic> {
    let is_known = |loaded: &Arc<LoadedPlugin>| {
        known.is_some_and(|snapshot| snapshot.plugins.iter().any(|known| Arc::ptr_eq(known, loaded)))
    };
    let new = plugins.iter().filter(|loaded| !is_known(loaded));
    let of = |loaded: &Arc<LoadedPlugin>| {
        plugin_config::not_granted(&loaded.identity.model, &loaded.plugin.spec().module, document)
    };
    new.flat_map(of).collect()
}

/// Whether these are the very same plugins.
fn same(current: &[Arc<LoadedPlugin>], next: &[Arc<LoadedPlugin>]) -> bool {
    current.len() == next.len()
        && current
            .iter()
            .zip(next)
            .all(|(current, next)| Arc::ptr_eq(current, next))
}

/// Upstreams whose settings did not change go on as they are, with their balance and connections.
fn upstreams(model: &Model, current: Option<&Snapshot>) -> Vec<Arc<Upstream>> {
    let known = |name: &str| {
        let snapshot = current?;
        let (index, upstream) = snapshot.upstream(name)?;
        Some((&snapshot.model.upstreams[index].settings, upstream))
    };
    model
        .upstreams
        .iter()
        .map(|wanted| match known(&wanted.name) {
            Some((settings, upstream)) if *settings == wanted.settings => upstream.clone(),
            _ => Arc::new(Upstream::new(wanted.name.clone(), &wanted.settings)),
        })
        .collect()
}
