//! A plugin: a module with a name, a configuration and limits, its imports resolved. A running plugin is a VM.

mod poison_requests;
mod volatile;

use std::any::Any;
use std::sync::Arc;

use crate::module::{Hooks, Module};
use crate::settings::PluginSettings;

pub(crate) use self::poison_requests::{Fingerprint, PoisonRequests};

/// What makes a plugin out of a module.
#[derive(Clone)]
pub struct PluginSpec {
    /// Unique among the plugins of a configuration.
    pub name: String,
    /// The module's name, for logs.
    pub module_name: String,
    /// The code.
    pub module: Module,
    /// Configuration, limits and capabilities.
    pub settings: PluginSettings,
}

/// A linked plugin, for any worker.
#[derive(Clone)]
pub struct Plugin(Arc<Inner>);

struct Inner {
    name: Arc<str>,
    spec: PluginSpec,
    linked: Linked,
}

/// The result of linking. It is opaque here because it holds the state type of a VM, which is defined on a higher floor.
pub(crate) type Linked = Box<dyn Any + Send + Sync>;

impl Plugin {
    pub(crate) fn new(spec: PluginSpec, linked: Linked) -> Self {
        Self(Arc::new(Inner {
            name: spec.name.as_str().into(),
            spec,
            linked,
        }))
    }

    /// The plugin's name.
    #[must_use]
    pub fn name(&self) -> &Arc<str> {
        &self.0.name
    }

    /// Its settings and module.
    #[must_use]
    pub fn spec(&self) -> &PluginSpec {
        &self.0.spec
    }

    /// Its configuration, limits and capabilities.
    #[must_use]
    pub fn settings(&self) -> &PluginSettings {
        &self.0.spec.settings
    }

    /// The callbacks that it has.
    #[must_use]
    pub fn hooks(&self) -> Hooks {
        self.0.spec.module.hooks()
    }

    /// Whether both are the same linked plugin.
    #[must_use]
    pub fn same(&self, other: &Plugin) -> bool {
        Arc::ptr_eq(&self.0, &other.0)
    }

    pub(crate) fn linked(&self) -> &(dyn Any + Send + Sync) {
        &*self.0.linked
    }
}

impl std::fmt::Debug for Plugin {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_tuple("Plugin").field(&self.name()).finish()
    }
}
