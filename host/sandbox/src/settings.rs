//! The knobs of a plugin that the sandbox obeys: limits, isolation, what a failure costs, what it may call.
//!
//! Declared here, read from JSON by whoever owns the configuration file. Nothing here opens a file.

use lockgate_units::{Period, Size};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::calls::CallSet;

/// What a plugin may use up.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct Limits {
    /// CPU time of one callback. A callback that goes past it is stopped and counts as a failure.
    pub deadline: Period,
    /// CPU time of all callbacks of one request together. Past it the plugin is through with this request, as if it had failed;
    /// its VM lives on.
    pub request_deadline: Period,
    /// CPU time of starting: initialisation, `vm_start` and `configure` together.
    pub start_deadline: Period,
    /// Linear memory of one VM. A guest that asks for more is refused by its `memory.grow`.
    pub memory: Size,
    /// Linear memory past which a VM is relieved: new requests get a fresh one, and the old one goes when its last request has
    /// ended. Absent, three quarters of `memory`. What a plugin keeps in its memory is lost with the VM.
    pub soft_memory: Option<Size>,
    /// Body bytes kept while the plugin pauses, per stream and direction. Past it, a request is answered 413, a response 502.
    pub body: Size,
    /// HTTP callouts of one VM that may be under way at a time.
    pub callouts: u32,
    /// The same for one request.
    pub callouts_per_request: u32,
    /// Log lines that one VM may write per second; what goes past is dropped, and the number of dropped lines told.
    pub log_lines: u32,
    /// Bytes of log that one VM may write per second; the same happens to what goes past.
    pub log_bytes: Size,
    /// Shortest period of the VM's timer; a shorter one is made this long.
    pub tick: Period,
    /// Bytes of names and values that may be written into the header maps of one request, by all plugins together, before this
    /// one writes no more. A plugin that wants more is through with the request, as if it had failed.
    pub header_growth: Size,
    /// Bytes up to which a body may be made larger by the plugin; the same happens when it wants more.
    pub body_growth: Size,
    /// Bytes of the body of an answer that the plugin gives itself; the same happens when it wants more.
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
    /// The soft limit on memory in bytes, whether it is written down or not; never above the hard one.
    #[must_use]
    pub fn soft_bytes(&self) -> usize {
        let hard = self.memory.as_usize();
        self.soft_memory.map_or(hard / 4 * 3, |soft| soft.as_usize().min(hard))
    }
}

/// What happens to a request whose plugin failed.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum OnError {
    /// The request is answered 503.
    #[default]
    Deny,
    /// The request goes on as if the plugin were not there.
    Bypass,
}

/// Who shares a VM.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Isolation {
    /// All streams of a worker run in one VM, each in a context of its own.
    #[default]
    Shared,
    /// Every stream gets a fresh VM: nothing can leak from one request to the next. Costs some microseconds a request.
    Stream,
}

/// Allow-lists. What is absent is not restricted; an empty list allows nothing.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct Capabilities {
    /// Host calls by their ABI name, with or without `proxy_`, as in `"get_header_map_value"`. Logging and the clock are always
    /// allowed. A refused call answers as if the thing were absent, is counted, and is logged once.
    pub host_calls: Option<Vec<String>>,
    /// Upstreams that `http_call` may go to.
    pub upstreams: Option<Vec<String>>,
    /// Headers and trailers that may be seen and changed, in lower case, pseudo-headers included; `"x-*"` stands for all
    /// that start so.
    pub headers: Option<Vec<String>>,
    /// Of those, the ones that may be changed; written alike.
    pub write_headers: Option<Vec<String>>,
    /// Properties that may be set, by their dotted names, as in `"lockgate.upstream"`; `"auth.*"` stands for all that start so.
    pub write_properties: Option<Vec<String>>,
    /// Functions of `call_foreign_function` that may be called; `"lockgate.*"` stands for all that start so.
    pub foreign_functions: Option<Vec<String>>,
}

impl Capabilities {
    /// Checks the name of a host call, with or without `proxy_`.
    ///
    /// # Errors
    /// There is none of that name; with the nearest that there is.
    pub fn check_host_call(name: &str) -> Result<(), Option<&'static str>> {
        CallSet::parse(std::slice::from_ref(&name.to_owned()))
            .map(drop)
            .map_err(|(_, nearest)| nearest)
    }
}

/// Whether a name is on an allow-list, whose entries may end in `*`; without a list every name is.
pub(crate) fn is_allowed(list: Option<&[String]>, name: &str) -> bool {
    let fits = |entry: &String| match entry.strip_suffix('*') {
        Some(start) => name.starts_with(start),
        None => entry == name,
    };
    list.is_none_or(|list| list.iter().any(fits))
}
