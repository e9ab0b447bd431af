//! Errors of running and loading plugins. The type of an error says whose fault it is.

use std::sync::Arc;

use crate::settings::OnError;

/// A plugin's failure in a request.
#[derive(Clone, Debug, thiserror::Error)]
#[error("plugin {plugin}: {message}")]
pub struct Failure {
    /// The plugin's name.
    pub plugin: Arc<str>,
    /// The kind of failure, as a bounded label.
    pub kind: FailureKind,
    /// What the configuration wants to happen to the request.
    pub on_error: OnError,
    /// For the log, not for clients: it may name guest functions.
    pub message: String,
}

/// The kinds of [`Failure`].
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum FailureKind {
    /// The guest trapped: unreachable code, a wild pointer, a stack overflow.
    Trap,
    /// The guest exceeded its CPU time.
    Deadline,
    /// The guest trapped after a refused request for memory.
    Memory,
    /// The guest called `proc_exit`.
    Exit,
    /// The VM could not be instantiated, or `vm_start` or `configure` returned false.
    Start,
    /// There is no usable VM now: it backs off, the pool is exhausted, or it is busy.
    Unavailable,
    /// The plugin exceeded `limits.header_growth`, `limits.body_growth` or `limits.local_response`, or what `limits.memory` leaves
    /// for what the host holds for it.
    LimitExceeded,
    /// The host has refused what the plugin did to the request: a local response or a reset, or a write that leaves what the client
    /// has sent in place.
    Refused,
    /// The request made one VM after another trap, and is blocked from the plugin for a while.
    PoisonRequest,
    /// The VM failed in another stream while this one was paused in it.
    VmFailed,
}

impl FailureKind {
    /// The value of the label `kind`.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Trap => "trap",
            Self::Deadline => "deadline",
            Self::Memory => "memory",
            Self::Exit => "exit",
            Self::Start => "start",
            Self::Unavailable => "unavailable",
            Self::LimitExceeded => "limit_exceeded",
            Self::Refused => "refused",
            Self::PoisonRequest => "poison_request",
            Self::VmFailed => "vm_failed",
        }
    }
}

impl std::fmt::Display for FailureKind {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(self.as_str())
    }
}

/// The engine cannot be set up: a fault of the machine or of the cache folder.
#[derive(Debug, thiserror::Error)]
pub enum EngineError {
    /// This machine cannot run WebAssembly.
    #[error("the WebAssembly engine cannot be set up: {0}")]
    Engine(String),
    /// The compile cache's folder cannot be used.
    #[error("the compile cache {folder} cannot be used: {reason}")]
    Cache {
        /// The configured folder.
        folder: String,
        /// The reason.
        reason: String,
    },
    /// The thread that ends epochs cannot be started.
    #[error("the epoch thread cannot be started: {0}")]
    Ticker(std::io::Error),
}

/// A module or plugin cannot be loaded: a fault of the module or of the configuration.
#[derive(Debug, thiserror::Error)]
pub enum LoadError {
    /// Not WebAssembly, truncated, or with features that are disabled.
    #[error("not a valid WebAssembly module: {0}")]
    Invalid(String),
    /// No `proxy_abi_version_*` is exported.
    #[error(
        "not a proxy-wasm module: it exports none of proxy_abi_version_0_2_1, proxy_abi_version_0_2_0, \
         proxy_abi_version_0_1_0{}", seen(.exports)
    )]
    NoAbiVersion {
        /// Unsupported ABI versions that it exports.
        exports: Vec<String>,
    },
    /// Exports of the ABI that have the wrong type.
    #[error("the module exports {}", .0.join("; "))]
    Signatures(Vec<String>),
    /// Imports that are not available, or that have the wrong type, as `module.name`.
    #[error("the module imports functions that this gateway does not have: {}", .0.join(", "))]
    Imports(Vec<String>),
    /// The initial memory is above the limit.
    #[error("the module's initial memory is {needed} bytes, more than limits.memory, {limit}")]
    Memory {
        /// Bytes that the module declares.
        needed: u64,
        /// Bytes that `limits.memory` allows.
        limit: u64,
    },
    /// `capabilities.host_calls` has an unknown name.
    #[error("capabilities.host_calls: {name:?} is not a host call{}", hint(.nearest))]
    UnknownHostCall {
        /// The configured name.
        name: String,
        /// The most similar host call.
        nearest: Option<&'static str>,
    },
    /// The engine failed, which is a fault of the host.
    #[error("the module cannot be prepared: {0}")]
    Host(String),
}

fn seen(exports: &[String]) -> String {
    if exports.is_empty() {
        String::new()
    } else {
        format!(" (it exports {})", exports.join(", "))
    }
}

fn hint(nearest: &Option<&'static str>) -> String {
    nearest.map_or_else(String::new, |name| format!("; did you mean {name:?}?"))
}
