//! Settings of a plugin: configuration, limits, isolation, handling of failures, capabilities.
//!
//! They are read from JSON by the crate `config`.

mod node;

use std::fmt;
use std::sync::Arc;

use lockgate_units::{Period, Size};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

pub use self::node::{Locality, NodeSettings, NodeValue};
use crate::calls::CallSet;

/// Everything that makes a plugin what it is, besides its name and its module.
#[derive(Clone, Default, PartialEq)]
pub struct PluginSettings {
    /// Configuration that the plugin reads in `proxy_on_configure`.
    pub config: Vec<u8>,
    /// Root context to use: the property `plugin_root_id`.
    pub root_id: String,
    /// Namespace of shared data and queues.
    pub vm_id: String,
    /// Configuration that the plugin reads in `proxy_on_vm_start`.
    pub vm_config: Vec<u8>,
    /// Environment variables, which the module reads through WASI.
    pub env: Vec<(String, String)>,
    /// Limits.
    pub limits: Limits,
    /// Handling of a request whose plugin failed.
    pub on_error: OnError,
    /// Which streams share a VM.
    pub isolation: Isolation,
    /// Allow-lists.
    pub capabilities: Capabilities,
    /// The node that its properties describe, the same for all plugins.
    pub node: Arc<NodeSettings>,
}

impl fmt::Debug for PluginSettings {
    /// Without `config`, `vm_config` and `env`, which may hold secrets.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("PluginSettings")
            .field("root_id", &self.root_id)
            .field("vm_id", &self.vm_id)
            .field("limits", &self.limits)
            .field("on_error", &self.on_error)
            .field("isolation", &self.isolation)
            .field("capabilities", &self.capabilities)
            .finish_non_exhaustive()
    }
}

/// Limits of a plugin.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct Limits {
    /// Maximum CPU time of one callback. A callback that exceeds it is stopped and counts as a failure. A body callback has it once for
    /// each 64 KiB of the body that it is shown: with the defaults, 320 ms for 1 MiB.
    pub deadline: Period,
    /// Maximum CPU time of all callbacks of one request together. When it is exceeded, the plugin counts as failed for this request.
    /// Its VM stays in use.
    pub request_deadline: Period,
    /// Maximum CPU time of a VM's start: initialisation, `vm_start` and `configure` together.
    pub start_deadline: Period,
    /// Maximum linear memory of one VM. A `memory.grow` beyond it fails.
    pub memory: Size,
    /// Linear memory above which a VM is replaced: new requests get a new VM, and the old one ends with its last request. State in
    /// the VM's memory is lost. Absent: three quarters of `memory`.
    pub soft_memory: Option<Size>,
    /// Maximum body bytes buffered while the plugin pauses, per stream and direction. Larger request bodies get a 413, larger response
    /// bodies a 502.
    pub body: Size,
    /// Maximum number of callouts in progress, per VM.
    pub callouts: u32,
    /// Maximum number of callouts in progress, per request.
    pub callouts_per_request: u32,
    /// Maximum log lines per second, per VM. Further lines are dropped, and their number is logged.
    pub log_lines: u32,
    /// Maximum log bytes per second, per VM. Further lines are dropped, and their number is logged.
    pub log_bytes: Size,
    /// Minimum tick period of a VM. A shorter period is raised to this one.
    pub tick: Period,
    /// Maximum bytes of header names and values written in one request, by all plugins together. A plugin whose write exceeds it
    /// counts as failed for this request.
    pub header_growth: Size,
    /// Maximum size of a body that the plugin enlarges. A plugin whose write exceeds it counts as failed for this request.
    pub body_growth: Size,
    /// Maximum body size of a local response. A plugin that exceeds it counts as failed for this request.
    pub local_response: Size,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            deadline: Period::millis(20),
            request_deadline: Period::seconds(1),
            start_deadline: Period::seconds(2),
            memory: Size::mib(64),
            soft_memory: None,
            body: Size::mib(1),
            callouts: 256,
            callouts_per_request: 64,
            log_lines: 500,
            log_bytes: Size::kib(256),
            tick: Period::millis(10),
            header_growth: Size::kib(256),
            body_growth: Size::mib(16),
            local_response: Size::mib(1),
        }
    }
}

impl Limits {
    /// The soft memory limit in bytes, configured or default. At most `memory`.
    #[must_use]
    pub fn soft_bytes(&self) -> usize {
        let hard = self.memory.as_usize();
        self.soft_memory.map_or(hard / 4 * 3, |soft| soft.as_usize().min(hard))
    }
}

/// Handling of a request whose plugin failed.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum OnError {
    /// The request gets a 503.
    #[default]
    Deny,
    /// The request continues without the plugin.
    Bypass,
}

/// Which streams share a VM.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Isolation {
    /// All streams of a worker share one VM, each with its own context.
    #[default]
    Shared,
    /// Every stream has its own VM. No state can leak between requests. It costs some microseconds per request.
    Stream,
}

/// Allow-lists of a plugin. An absent list restricts nothing; an empty list allows nothing.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct Capabilities {
    /// Host calls that the plugin may make, by ABI name with or without `proxy_`: `"get_header_map_value"`. Logging and the clock are
    /// always allowed. A refused call returns the status of something absent, is counted, and is logged once.
    pub host_calls: Option<Vec<String>>,
    /// Upstreams that HTTP and gRPC callouts may go to.
    pub upstreams: Option<Vec<String>>,
    /// Headers and trailers that the plugin may read and change, in lower case, pseudo-headers included. `"x-*"` allows all names with
    /// this prefix.
    pub headers: Option<Vec<String>>,
    /// Headers and trailers that the plugin may change, a subset of `headers`. `"x-*"` allows all names with this prefix.
    pub write_headers: Option<Vec<String>>,
    /// Properties that the plugin may set, by dotted name: `"lockgate.upstream"`. `"auth.*"` allows all names with this prefix.
    pub write_properties: Option<Vec<String>>,
    /// Foreign functions that the plugin may call. `"lockgate.*"` allows all names with this prefix.
    pub foreign_functions: Option<Vec<String>>,
}

impl Capabilities {
    /// Checks the name of a host call, with or without `proxy_`.
    ///
    /// # Errors
    /// There is no such host call; the most similar one.
    pub fn check_host_call(name: &str) -> Result<(), Option<&'static str>> {
        CallSet::parse(std::slice::from_ref(&name.to_owned()))
            .map(drop)
            .map_err(|(_, nearest)| nearest)
    }
}

/// Whether a name is on an allow-list, whose entries may end in `*`. An absent list allows all names.
pub(crate) fn is_allowed(list: Option<&[String]>, name: &str) -> bool {
    let fits = |entry: &String| match entry.strip_suffix('*') {
        Some(start) => name.starts_with(start),
        None => entry == name,
    };
    list.is_none_or(|list| list.iter().any(fits))
}
