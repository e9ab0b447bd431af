//! Snapshots without a gateway: a configuration is loaded, compiled and tried as for traffic, and served by an embedded worker.

use std::path::Path;
use std::sync::Arc;

use lockgate_gateway::Snapshot;
use lockgate_json::{Document, Report};
use lockgate_sandbox::EngineError;

use crate::load::Loader;
use crate::start;

/// Compiles modules and links plugins, and keeps them from one configuration to the next.
pub struct Staging {
    loader: Loader,
    last: Option<Arc<Snapshot>>,
}

/// A configuration that is ready to be served.
#[derive(Clone)]
pub struct Prepared {
    snapshot: Arc<Snapshot>,
    document: Document,
}

impl Staging {
    /// Without modules and plugins.
    ///
    /// # Errors
    /// The WebAssembly engine cannot be set up.
    pub fn new() -> Result<Self, EngineError> {
        Ok(Self {
            loader: Loader::new(start::engine()?),
            last: None,
        })
    }

    /// The module called `name` is the file at `path`. Blocks while it is compiled; what is wrong with it is told by
    /// [`Staging::prepare`], where a plugin uses it.
    pub fn module(&mut self, name: &str, path: &Path) {
        self.loader.modules_mut().add(name, path);
    }

    /// Prepares a gateway.json whose text would stand at `path`. Each plugin takes its configuration in a VM aside.
    ///
    /// # Errors
    /// Everything that is wrong with it, at its place in the text.
    pub fn prepare(&mut self, path: &Path, text: String) -> Result<Prepared, Report> {
        let loaded = lockgate_config::load_text(path, text, &|name| std::env::var_os(name))?;
        let document = loaded.document.clone();
        let snapshot = self.loader.stage(loaded, self.last.as_deref())?;
        self.last = Some(snapshot.clone());
        Ok(Prepared { snapshot, document })
    }
}

impl Prepared {
    /// All that answers requests.
    pub fn snapshot(&self) -> &Arc<Snapshot> {
        &self.snapshot
    }

    /// The configuration that it was made of.
    pub fn document(&self) -> &Document {
        &self.document
    }

    /// The `vm_id` of the plugin called `plugin`, by which its shared data are kept.
    pub fn vm_id(&self, plugin: &str) -> Option<&str> {
        let mut plugins = self.snapshot.model.plugins.iter();
        plugins
            .find(|known| known.name == plugin)
            .map(|known| known.vm_id.as_str())
    }
}
