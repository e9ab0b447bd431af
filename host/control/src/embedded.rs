//! Snapshots for an embedded worker: a configuration is loaded, compiled and tried as for a gateway. Cases run on it.

use std::path::Path;
use std::sync::Arc;

use lockgate_gateway::Snapshot;
use lockgate_json::{Document, Report};
use lockgate_sandbox::EngineError;

use crate::engine::engine;
use crate::load::Loader;

/// Loads one configuration after the other; modules and plugins that did not change are reused.
pub struct EmbeddedLoader {
    loader: Loader,
    last: Option<Arc<Snapshot>>,
}

/// A snapshot, and the document that it was made of.
#[derive(Clone)]
pub struct PreparedSnapshot {
    snapshot: Arc<Snapshot>,
    document: Document,
}

impl EmbeddedLoader {
    /// A loader without modules.
    ///
    /// # Errors
    /// The WebAssembly engine cannot be set up.
    pub fn new() -> Result<Self, EngineError> {
        Ok(Self {
            loader: Loader::new(engine()?),
            last: None,
        })
    }

    /// Adds the file at `path` as the module `name`. Blocks while it is compiled; [`EmbeddedLoader::prepare`] reports mistakes in it, at
    /// the plugin that uses it.
    pub fn add_module(&mut self, name: &str, path: &Path) {
        self.loader.modules_mut().add(name, path);
    }

    /// Prepares the snapshot of a gateway.json with this text; `path` is the file it stands for. Each plugin is configured in a trial VM.
    ///
    /// # Errors
    /// Every mistake, at its place in the text.
    pub fn prepare(&mut self, path: &Path, text: String) -> Result<PreparedSnapshot, Report> {
        let loaded = lockgate_config::load_text(path, text, &|name| std::env::var_os(name))?;
        let document = loaded.document.clone();
        let snapshot = self.loader.load_text(loaded, self.last.as_deref())?;
        self.last = Some(snapshot.clone());
        Ok(PreparedSnapshot { snapshot, document })
    }
}

impl PreparedSnapshot {
    /// The snapshot.
    pub fn snapshot(&self) -> &Arc<Snapshot> {
        &self.snapshot
    }

    /// The document that it was made of.
    pub fn document(&self) -> &Document {
        &self.document
    }

    /// The `vm_id` of a plugin: the name of its shared data.
    pub fn vm_id(&self, plugin: &str) -> Option<&str> {
        let mut plugins = self.snapshot.model.plugins.iter();
        plugins
            .find(|known| known.name == plugin)
            .map(|known| known.settings.vm_id.as_str())
    }
}
