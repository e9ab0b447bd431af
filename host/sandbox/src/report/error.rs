//! How running a plugin fails, and how loading one fails. Each error says whose fault it was by its type.

use std::sync::Arc;

use crate::settings::OnError;

/// A plugin that could not do its part of a request.
#[derive(Clone, Debug, thiserror::Error)]
#[error("plugin {plugin}: {message}")]
pub struct Failure {
    /// The plugin's name.
    pub plugin: Arc<str>,
    /// What went wrong, as a bounded label.
    pub kind: FailureKind,
    /// What the operator wants to happen to the request.
    pub on_error: OnError,
    /// For the log, never for a client: it may name guest functions.
    pub message: String,
}

/// The kinds of [`Failure`].
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum FailureKind {
    /// The guest trapped: unreachable code, a wild pointer, a full stack.
    Trap,
    /// The guest used more CPU time than its budget.
    Deadline,
    /// The guest trapped after it had been refused memory.
    Memory,
    /// The guest ended itself (`proc_exit`).
    Exit,
    /// The VM could not be instantiated, or `vm_start` or `configure` said no.
    Start,
    /// No VM now: it is being backed off from, the pool is empty, or it is busy.
    Unavailable,
    /// The plugin wanted to write more than `limits.header_growth`, `limits.body_growth` or `limits.local_response` allow.
    LimitExceeded,
    /// The request has ended one fresh VM after the other, and is not given to the plugin for a while.
    PoisonRequest,
    /// The VM died of another stream while this one waited in it.
    VmFailed,
}

impl FailureKind {
    /// A label for metrics.
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

/// The engine cannot be set up: the machine's fault, or the cache folder's.
#[derive(Debug, thiserror::Error)]
pub enum EngineError {
    /// WebAssembly cannot run here.
    #[error("the WebAssembly engine cannot be set up: {0}")]
    Engine(String),
    /// The compile cache's folder cannot be used.
    #[error("the compile cache {folder} cannot be used: {reason}")]
    Cache {
        /// The folder as it was configured.
        folder: String,
        /// What is wrong with it.
        reason: String,
    },
    /// The thread that measures budgets cannot be started.
    #[error("the epoch thread cannot be started: {0}")]
    Ticker(std::io::Error),
}

/// A module or a plugin that cannot be loaded: the module's fault, or the configuration's.
#[derive(Debug, thiserror::Error)]
pub enum LoadError {
    /// Not WebAssembly, cut short, or using features that are off.
    #[error("not a valid WebAssembly module: {0}")]
    Invalid(String),
    /// No `proxy_abi_version_*` is exported.
    #[error(
        "not a proxy-wasm module: it exports none of proxy_abi_version_0_2_1, proxy_abi_version_0_2_0, \
         proxy_abi_version_0_1_0{}", seen(.exports)
    )]
    NoAbiVersion {
        /// ABI versions that it exports and that this host does not speak.
        exports: Vec<String>,
    },
    /// Exports of the ABI that have the wrong type.
    #[error("the module exports {}", .0.join("; "))]
    Signatures(Vec<String>),
    /// Imports that this host does not offer, each as `module.name`, or with the wrong type.
    #[error("the module imports functions that this gateway does not have: {}", .0.join(", "))]
    Imports(Vec<String>),
    /// The module needs more memory at its start than it may have.
    #[error("the module's initial memory is {needed} bytes, more than limits.memory, {limit}")]
    Memory {
        /// Bytes that the module declares.
        needed: u64,
        /// Bytes that `limits.memory` allows.
        limit: u64,
    },
    /// `capabilities.host_calls` names something that is no host call.
    #[error("capabilities.host_calls: {name:?} is not a host call{}", hint(.nearest))]
    UnknownHostCall {
        /// As configured.
        name: String,
        /// The nearest that exists.
        nearest: Option<&'static str>,
    },
    /// The engine refused, which is a fault of the host.
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
