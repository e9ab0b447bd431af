//! What `/api/plugins` answers. Plain data: whoever knows what is live fills it in.

use std::collections::BTreeMap;

use serde::Serialize;

/// The answer of `/api/plugins`.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
pub struct PluginsReport {
    /// The number of the snapshot that serves.
    pub revision: u64,
    /// Why the last reload was refused; none if it was not.
    pub last_reload_error: Option<String>,
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
    pub vms: Vec<PluginVm>,
    /// The latest failure's message.
    pub last_error: Option<String>,
}

/// A VM on one worker.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct PluginVm {
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

/// The answer of `/api/plugins/NAME`: one plugin, seen from inside.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct PluginDetail {
    /// What `/api/plugins` tells of it.
    #[serde(flatten)]
    pub plugin: PluginReport,
    /// Time in its callbacks, by phase; phases that never ran are left out.
    pub phases: Vec<PhaseReport>,
    /// What it took of the process.
    pub cpu: CpuReport,
    /// What its VMs had the host do, one for each worker.
    pub host_calls: Vec<HostCallsReport>,
    /// What it was refused since the start, by what was in the way.
    pub refusals: BTreeMap<&'static str, u64>,
    /// Turns in the life of its VMs since the start.
    pub events: BTreeMap<&'static str, u64>,
    /// Failures since the start, by kind.
    pub failures: BTreeMap<&'static str, u64>,
    /// The latest traps of every VM, the latest first.
    pub last_traps: Vec<PluginTrap>,
}

/// How long callbacks of one phase took, on all workers since the start.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct PhaseReport {
    /// The phase, as the metrics' label has it.
    pub phase: &'static str,
    /// Callbacks.
    pub count: u64,
    /// All of their time.
    pub seconds: f64,
    /// How many took at most so long; each bucket for itself.
    pub buckets: Vec<Bucket>,
}

/// A bucket of a histogram.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Bucket {
    /// The bucket's upper bound; none for the last.
    pub upper_bound_seconds: Option<f64>,
    /// Callbacks that fell into it.
    pub count: u64,
}

/// What a plugin took of the process since the start.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct CpuReport {
    /// Time in its callbacks.
    pub seconds: f64,
    /// The same as a share of the process's CPU time.
    pub share_of_process: f64,
}

/// What one VM had the host do.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct HostCallsReport {
    /// The worker's number, from 0.
    pub worker: usize,
    /// Host calls.
    pub calls: u64,
    /// Bytes that the host copied into guests' memory.
    pub copied_bytes: u64,
}

/// How an instance died.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct PluginTrap {
    /// Seconds since 1970.
    pub time: u64,
    /// The worker's number, from 0.
    pub worker: usize,
    /// What kind of failure it was.
    pub kind: &'static str,
    /// In which callback.
    pub phase: &'static str,
    /// What went wrong, in a sentence.
    pub message: String,
    /// Guest functions, the innermost first.
    pub backtrace: String,
    /// The last host call before.
    pub last_host_call: &'static str,
    /// The request that the guest was working for.
    pub request_id: Option<String>,
}
