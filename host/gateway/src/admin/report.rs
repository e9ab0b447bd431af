//! What `/api/plugins` answers. Plain data: whoever knows what is live fills it in.

use serde::Serialize;

/// The answer of `/api/plugins`.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
pub struct PluginsReport {
    /// The number of the snapshot that serves.
    pub revision: u64,
    /// Why the last reload was refused; none when it was not.
    pub refused: Option<String>,
    /// Every plugin of the configuration, in its order.
    pub plugins: Vec<PluginReport>,
    /// Every module of the plugin folder, by name.
    pub modules: Vec<ModuleReport>,
}

/// A plugin: a module with a configuration and a name.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct PluginReport {
    /// Its name.
    pub name: String,
    /// The module's name.
    pub module: String,
    /// SHA-256 of the module that it runs, in hex.
    pub sha256: String,
    /// Counts up, from 1, each time that the plugin changes.
    pub version: String,
    /// What the module says of its own version.
    pub module_version: Option<String>,
    /// What the module says that it does.
    pub description: Option<String>,
    /// `running` when every VM is, else the state of the worst.
    pub state: String,
    /// One VM for each worker.
    pub vms: Vec<VmLine>,
    /// The latest failure's message.
    pub last_error: Option<String>,
}

/// A VM on one worker.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct VmLine {
    /// The worker's number, from 0.
    pub worker: usize,
    /// What it is doing.
    pub state: String,
    /// Since its instance was started.
    pub age_seconds: u64,
    /// Linear memory.
    pub memory_bytes: u64,
    /// Requests that are in it.
    pub streams: usize,
    /// Failures that ended an instance.
    pub traps: u64,
    /// The latest failure's message.
    pub last_error: Option<String>,
}

/// A file of the plugin folder.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct ModuleReport {
    /// The file's stem.
    pub name: String,
    /// SHA-256 of what serves, in hex; none when nothing of it ever could.
    pub sha256: Option<String>,
    /// What it says of its own version.
    pub version: Option<String>,
    /// What it says that it does.
    pub description: Option<String>,
    /// `ready`, `refused` or `removed`.
    pub state: String,
    /// Why the file's content is not used.
    pub error: Option<String>,
}
