//! Loading: makes the next snapshot of a configuration. It reads the file, compiles and links plugins, and starts each new one in a trial VM.
//! Unchanged plugins, upstreams and certificates are reused. A mistake makes a report instead of a snapshot; an invalid module file alone is
//! refused alone.

mod certificates;
mod chain_length;
mod plugins;
mod refused_files;
mod upstream_tls;

use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use lockgate_config::model::{Model, PluginIndex, PluginModel};
use lockgate_config::{LoadError, Loaded, PartialConfig};
use lockgate_gateway::{LoadedPlugin, Snapshot};
use lockgate_json::{Diagnostic, Document, Report};
use lockgate_modules::files::{ModuleFile, Modules};
use lockgate_modules::usage::Usage;
use lockgate_modules::{capabilities, plugin_config, selection};
use lockgate_sandbox::Engine;
use lockgate_upstream::{Groups, Upstream};

use certificates::{Certificates, RefusedCertificates};
use chain_length::{long_route_chains, long_tcp_chains};
use plugins::{PluginLoader, missing_module};
use refused_files::RefusedFiles;
use upstream_tls::{UpstreamTls, UpstreamTlsLoader, security};

use crate::watch::HalfWritten;

/// Makes snapshots, one after the other.
pub(crate) struct Loader {
    modules: Modules,
    refused_files: RefusedFiles,
    /// The configuration that was loaded last. It stands for a file that is being written.
    accepted: Option<Loaded>,
    refused_certificates: RefusedCertificates,
    /// The living endpoints of upstreams.
    groups: Groups,
    /// TLS towards the upstreams of the last snapshot.
    upstream_tls: UpstreamTls,
    refused_upstream_tls: RefusedCertificates,
}

/// The circumstances of a load.
#[derive(Clone, Debug, Default)]
pub(crate) struct Attempt {
    /// These files keep their last content.
    pub(crate) half_written: HalfWritten,
    /// No file has changed since the last attempt: a reason that was reported then is not reported again.
    pub(crate) is_retry: bool,
}

/// A loaded snapshot.
pub(crate) struct LoadedSnapshot {
    /// The snapshot.
    pub snapshot: Arc<Snapshot>,
    /// Remarks on its new plugins: nothing is wrong, but the operator should know.
    pub remarks: Vec<Diagnostic>,
    /// Its file, for the places of further diagnostics.
    pub document: Document,
}

impl Loader {
    /// A loader without modules.
    pub(crate) fn new(engine: Engine) -> Self {
        Self {
            modules: Modules::new(engine),
            refused_files: RefusedFiles::default(),
            accepted: None,
            refused_certificates: RefusedCertificates::default(),
            groups: Groups::default(),
            upstream_tls: UpstreamTls::default(),
            refused_upstream_tls: RefusedCertificates::default(),
        }
    }

    /// The living endpoints of all upstreams.
    pub(crate) fn groups(&self) -> &Groups {
        &self.groups
    }

    /// Number of modules and certificates so far that were refused alone, while the rest of their load took effect.
    pub(crate) fn refused_alone(&self) -> u64 {
        self.modules.refused_count() + self.refused_certificates.count + self.refused_upstream_tls.count
    }

    /// Whether a module or a certificate is refused alone now.
    pub(crate) fn refuses_alone(&self) -> bool {
        let refused = |(_, file): (&str, &ModuleFile)| file.error.is_some() && !file.removed;
        self.modules.iter().any(refused)
            || !self.refused_certificates.reasons.is_empty()
            || !self.refused_upstream_tls.reasons.is_empty()
    }

    /// The files of the last configuration, if it was refused.
    pub(crate) fn refused_files(&self) -> &RefusedFiles {
        &self.refused_files
    }

    /// The modules as they were at the last load.
    pub(crate) fn modules(&self) -> &Modules {
        &self.modules
    }

    /// The modules, for adding more.
    pub(crate) fn modules_mut(&mut self) -> &mut Modules {
        &mut self.modules
    }

    /// Makes a snapshot with the known modules and new upstreams. Plugins that are unchanged since `last` are reused.
    ///
    /// # Errors
    /// Every mistake, at its place in the file.
    pub(crate) fn load_text(&mut self, loaded: Loaded, last: Option<&Snapshot>) -> Result<Arc<Snapshot>, Report> {
        // Living endpoints, too: cases know nothing of each other.
        self.groups = Groups::default();
        self.assemble(loaded, last, None, Vec::new(), &Attempt::default())
            .map(|loaded| loaded.snapshot)
    }

    /// Makes the first snapshot of the file at `config`. Blocks while it compiles the modules that the file names; the others are left to
    /// [`Modules::next_rest`].
    ///
    /// # Errors
    /// Every mistake, at its place in the file.
    pub(crate) fn load(&mut self, config: &Path) -> Result<LoadedSnapshot, Report> {
        self.build(config, None, &Attempt::default())
    }

    /// Makes the next snapshot after `current`; none if nothing has changed. Blocks while it compiles, as [`Loader::load`]. Files that are
    /// being written keep their last content.
    ///
    /// # Errors
    /// Every mistake, at its place in the file; `current` stays in use then.
    pub(crate) fn reload(
        &mut self,
        config: &Path,
        current: &Snapshot,
        attempt: &Attempt,
    ) -> Result<Option<LoadedSnapshot>, Report> {
        let next = self.build(config, Some(current), attempt)?;
        let unchanged = next.snapshot.text == current.text
            && next.snapshot.included_files == current.included_files
            && are_same(&current.plugins, &next.snapshot.plugins);
        Ok((!unchanged).then_some(next))
    }

    /// Makes a snapshot of the file. Only the modules that it names are compiled, so that mistakes are reported before unused modules are
    /// compiled.
    fn build(
        &mut self,
        config: &Path,
        current: Option<&Snapshot>,
        attempt: &Attempt,
    ) -> Result<LoadedSnapshot, Report> {
        let loaded = match self.read(config, attempt) {
            Ok(loaded) => {
                self.refused_files = RefusedFiles::default();
                loaded
            }
            Err(LoadError { report, partial: None }) => {
                self.refused_files = RefusedFiles::default();
                return Err(report);
            }
            Err(LoadError {
                report,
                partial: Some(partial),
            }) => {
                self.refused_files = RefusedFiles::of_partial(&partial.files, partial.plugin_dir.as_deref());
                return Err(self.add_plugin_mistakes(report, &partial, attempt));
            }
        };
        let model = &loaded.model;
        self.refused_files = RefusedFiles::of_model(&loaded.files, model);
        let mut diagnostics = Vec::new();
        self.modules
            .set_signing_keys(&model.signing_keys, model.requires_signatures);
        let wanted = model.plugins.iter().map(|plugin| &*plugin.module).collect();
        if let Some(folder) = &model.plugin_dir
            && let Err(error) = self
                .modules
                .scan(folder, &wanted, &|path| attempt.half_written.contains(path))
        {
            diagnostics.push(loaded.document.diagnostic(
                "/plugin_dir",
                format!("the folder cannot be read: {error}"),
                Some("a folder of .wasm files".into()),
                None,
            ));
        }
        let accepted = loaded.clone();
        let loaded = self.assemble(loaded, current, current, diagnostics, attempt)?;
        self.refused_files = RefusedFiles::default();
        self.accepted = Some(accepted);
        Ok(loaded)
    }

    /// Reads the configuration; while it, or a file that it includes, is being written, the last one stands for it.
    fn read(&self, config: &Path, attempt: &Attempt) -> Result<Loaded, LoadError> {
        if let Some(accepted) = &self.accepted {
            let included = accepted.files.iter().map(|file| &*file.path);
            let refused = self.refused_files.files.iter().map(PathBuf::as_path);
            let mut files = std::iter::once(config).chain(included).chain(refused);
            if files.any(|file| attempt.half_written.contains(file)) {
                return Ok(accepted.clone());
            }
        }
        lockgate_config::load(config)
    }

    /// Makes a snapshot of a configuration. Unchanged plugins of `known`, and unchanged upstreams and certificates of `current`, are reused.
    fn assemble(
        &mut self,
        loaded: Loaded,
        known: Option<&Snapshot>,
        current: Option<&Snapshot>,
        mut diagnostics: Vec<Diagnostic>,
        attempt: &Attempt,
    ) -> Result<LoadedSnapshot, Report> {
        let Loaded { model, document, files } = loaded;
        let mut plugins = Vec::with_capacity(model.plugins.len());
        // Nothing is known of the modules in a folder that cannot be read.
        let loadable = if diagnostics.is_empty() { &*model.plugins } else { &[] };
        let mut loader = PluginLoader {
            modules: &mut self.modules,
            document: &document,
            current: known,
            is_retry: attempt.is_retry,
        };
        for (index, plugin) in loadable.iter().enumerate() {
            match loader.load(plugin, Usage::of(&model, PluginIndex(index))) {
                Ok(loaded) => plugins.push(loaded),
                Err(mistakes) => diagnostics.extend(mistakes),
            }
        }
        let unknown = |plugin: &PluginModel| capabilities::unknown_functions(&plugin.pointer, &document);
        diagnostics.extend(model.plugins.iter().flat_map(unknown));
        diagnostics.extend(long_route_chains(&model, &document));
        diagnostics.extend(long_tcp_chains(&model, &document));
        let mut certificates = Certificates {
            current,
            attempt,
            document: &document,
            diagnostics: &mut diagnostics,
            refused: &mut self.refused_certificates,
        };
        let certificates = certificates.of(&model);
        let mut upstream_tls = UpstreamTlsLoader {
            current: &self.upstream_tls,
            attempt,
            document: &document,
            diagnostics: &mut diagnostics,
            refused: &mut self.refused_upstream_tls,
        };
        let upstream_tls = upstream_tls.of(&model);
        if !diagnostics.is_empty() {
            diagnostics.sort_by_key(|diagnostic| (diagnostic.line, diagnostic.column));
            return Err(Report { diagnostics });
        }
        for loaded in &plugins {
            let spec = loaded.plugin.spec();
            self.modules.set_last_good(&spec.module_name, &spec.module);
        }
        let remarks = remarks(&plugins, &document, known);
        let revision = current.map_or(1, |current| current.revision + 1);
        let upstreams = upstreams(&model, current, &self.groups, &upstream_tls);
        self.upstream_tls = upstream_tls;
        let snapshot = Arc::new(Snapshot::new(
            revision,
            document.text().into(),
            files,
            model,
            plugins,
            upstreams,
            certificates,
        ));
        Ok(LoadedSnapshot {
            snapshot,
            remarks,
            document,
        })
    }

    /// Adds the mistakes in plugins to the report of a refused configuration: missing modules, unknown functions, and configurations by their
    /// modules' schemas.
    fn add_plugin_mistakes(&mut self, mut report: Report, partial: &PartialConfig, attempt: &Attempt) -> Report {
        let document = &partial.document;
        let unknown = |(pointer, _): &(String, String)| capabilities::unknown_functions(pointer, document);
        report.diagnostics.extend(partial.plugins.iter().flat_map(unknown));
        let folder = partial.plugin_dir.as_deref();
        let wanted = partial.plugins.iter().map(|(_, module)| &**module).collect();
        let is_listed = match folder.map(|folder| {
            self.modules
                .scan(folder, &wanted, &|path| attempt.half_written.contains(path))
        }) {
            Some(Ok(())) => true,
            // Without the folder there is no file in it.
            Some(Err(error)) => error.kind() == io::ErrorKind::NotFound,
            None => false,
        };
        if is_listed {
            for (pointer, name) in &partial.plugins {
                let file = self.modules.get(name);
                let reason = match file {
                    None => Some(selection::NO_FILE),
                    // The last good module stays in use.
                    Some(file) => file.error.as_deref().filter(|_| file.last_good.is_none()),
                };
                if let Some(latest) = file.and_then(|file| file.latest.as_ref()) {
                    let mistakes = plugin_config::check_schema(pointer, name, &latest.module, document);
                    report.diagnostics.extend(mistakes);
                } else if let Some(reason) = reason.filter(|_| !name.is_empty()) {
                    // An empty name was reported already.
                    let missing = missing_module(&self.modules, pointer, name, document, reason);
                    report.diagnostics.push(missing);
                }
            }
        }
        report.diagnostics.sort_by_key(|mistake| (mistake.line, mistake.column));
        report
    }
}

/// Remarks on the plugins that are not in `known`.
fn remarks(plugins: &[Arc<LoadedPlugin>], document: &Document, known: Option<&Snapshot>) -> Vec<Diagnostic> {
    let is_known = |loaded: &Arc<LoadedPlugin>| {
        known.is_some_and(|snapshot| snapshot.plugins.iter().any(|known| Arc::ptr_eq(known, loaded)))
    };
    let new = plugins.iter().filter(|loaded| !is_known(loaded));
    let of = |loaded: &Arc<LoadedPlugin>| {
        capabilities::not_granted(&loaded.identity.model, &loaded.plugin.spec().module, document)
    };
    new.flat_map(of).collect()
}

/// Whether these are the same loaded plugins.
fn are_same(current: &[Arc<LoadedPlugin>], next: &[Arc<LoadedPlugin>]) -> bool {
    current.len() == next.len()
        && current
            .iter()
            .zip(next)
            .all(|(current, next)| Arc::ptr_eq(current, next))
}

/// The upstreams, with the living groups of their names. One whose settings did not change is reused.
fn upstreams(model: &Model, current: Option<&Snapshot>, groups: &Groups, tls: &UpstreamTls) -> Vec<Arc<Upstream>> {
    let known = |name: &str| {
        let snapshot = current?;
        let (index, upstream) = snapshot.upstream(name)?;
        Some((&snapshot.model.upstreams[index].settings, upstream))
    };
    model
        .upstreams
        .iter()
        .map(|wanted| {
            let security = security(tls, &wanted.name);
            match known(&wanted.name) {
                Some((settings, upstream)) if *settings == wanted.settings && *upstream.security() == security => {
                    upstream.clone()
                }
                _ => Arc::new(Upstream::secured(groups, &wanted.name, &wanted.settings, security)),
            }
        })
        .collect()
}

#[cfg(test)]
mod tests;
