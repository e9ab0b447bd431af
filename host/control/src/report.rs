//! The reports of `/api/plugins`: plain data. Field names and comments are the documentation in docs/admin-api.md.

use std::collections::BTreeMap;

use schemars::JsonSchema;
use serde::Serialize;

/// Every plugin and module.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, JsonSchema)]
pub struct PluginsReport {
    /// Number of the live snapshot.
    pub revision: u64,
    /// Why the last reload was refused; `null` if it was not.
    pub last_reload_error: Option<String>,
    /// Every plugin of the configuration, in its order.
    pub plugins: Vec<PluginReport>,
    /// Every module file of `plugin_dir`, by name.
    pub modules: Vec<ModuleReport>,
}

/// A plugin.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, JsonSchema)]
pub struct PluginReport {
    /// Name of the plugin.
    pub name: String,
    /// Name of its module.
    pub module: String,
    /// SHA-256 of its module, in hex.
    pub sha256: String,
    /// Number as a string; grows with each change of the plugin, from 1.
    pub version: String,
    /// Version in the module's manifest.
    pub module_version: Option<String>,
    /// Description in the module's manifest.
    pub description: Option<String>,
    /// `running`, or the worst state of its VMs: `starting`, `backing_off`, `quarantined`.
    pub state: String,
    /// How its VMs start. `image`: all begin from memory and globals of the trial VM, which was configured once. `configured`: each
    /// VM runs the module's start and configuration.
    pub start: String,
    /// Why each VM is configured; `null` if all begin from the image.
    pub start_reason: Option<String>,
    /// Its VMs, one for each worker that replied.
    pub vms: Vec<PluginVm>,
    /// Why its module file is not used, or message of the last failure.
    pub last_error: Option<String>,
}

/// A VM on one worker.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, JsonSchema)]
pub struct PluginVm {
    /// Number of the worker, from 0.
    pub worker: usize,
    /// `idle`, `starting`, `running`, `backing_off` or `quarantined`.
    pub state: String,
    /// Seconds since its start.
    pub age_seconds: u64,
    /// Bytes of linear memory.
    pub memory_bytes: u64,
    /// Open streams.
    pub streams: usize,
    /// Failures that ended the VM.
    pub traps: u64,
    /// Message of the last failure.
    pub last_error: Option<String>,
}

/// A module file of `plugin_dir`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, JsonSchema)]
pub struct ModuleReport {
    /// File name without `.wasm`.
    pub name: String,
    /// SHA-256 of the usable module, in hex; `null` if the file was never valid.
    pub sha256: Option<String>,
    /// Version in its manifest.
    pub version: Option<String>,
    /// Description in its manifest.
    pub description: Option<String>,
    /// `waiting` for its compilation, `ready`, `refused` or `removed`.
    pub state: String,
    /// Why the file is not used.
    pub error: Option<String>,
}

/// One plugin in detail.
#[derive(Debug, Clone, PartialEq, Serialize, JsonSchema)]
pub struct PluginDetail {
    /// The fields of `/api/plugins`.
    #[serde(flatten)]
    pub plugin: PluginReport,
    /// Time in its callbacks by phase; phases that never ran are absent.
    pub phases: Vec<PhaseReport>,
    /// CPU time.
    pub cpu: CpuReport,
    /// Host calls of its VMs, one entry for each worker that replied.
    pub host_calls: Vec<HostCallsReport>,
    /// Refused host calls since the start, by the metric's `reason`.
    pub refusals: BTreeMap<&'static str, u64>,
    /// Events of its VMs since the start, by the metric's `event`.
    pub events: BTreeMap<&'static str, u64>,
    /// Failures since the start, by the metric's `kind`.
    pub failures: BTreeMap<&'static str, u64>,
    /// Last traps of every VM, the newest first.
    pub last_traps: Vec<PluginTrap>,
}

/// Durations of the callbacks of one phase, on all workers since the start.
#[derive(Debug, Clone, PartialEq, Serialize, JsonSchema)]
pub struct PhaseReport {
    /// Phase, as in the metric's label `phase`.
    pub phase: &'static str,
    /// Number of callbacks.
    pub count: u64,
    /// Sum of their durations.
    pub seconds: f64,
    /// Histogram of the durations; a bucket does not include the lower ones.
    pub buckets: Vec<Bucket>,
}

/// A bucket of a histogram.
#[derive(Debug, Clone, PartialEq, Serialize, JsonSchema)]
pub struct Bucket {
    /// Upper bound; `null` for the last bucket.
    pub upper_bound_seconds: Option<f64>,
    /// Number of callbacks in it.
    pub count: u64,
}

/// CPU time of a plugin since the start.
#[derive(Debug, Clone, PartialEq, Serialize, JsonSchema)]
pub struct CpuReport {
    /// Seconds in its callbacks.
    pub seconds: f64,
    /// Share of the process's CPU time, from 0 to 1.
    pub share_of_process: f64,
}

/// Host calls of one VM.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, JsonSchema)]
pub struct HostCallsReport {
    /// Number of the worker, from 0.
    pub worker: usize,
    /// Number of host calls.
    pub calls: u64,
    /// Bytes copied into the VM's memory.
    pub copied_bytes: u64,
}

/// A trap.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, JsonSchema)]
pub struct PluginTrap {
    /// Time in seconds since 1970.
    pub time: u64,
    /// Number of the worker, from 0.
    pub worker: usize,
    /// Kind, as in the metric's label `kind`.
    pub kind: &'static str,
    /// Callback.
    pub phase: &'static str,
    /// Message.
    pub message: String,
    /// Guest functions, the innermost first.
    pub backtrace: String,
    /// Last host call before the trap.
    pub last_host_call: &'static str,
    /// Request during which it trapped.
    pub request_id: Option<String>,
}
