//! Why the gateway cannot start.

use lockgate_json::Report;

/// Why the gateway could not start.
#[derive(Debug, thiserror::Error)]
pub enum RunError {
    /// The configuration, or a file that it names, is invalid.
    #[error("{0}")]
    Config(Report),
    /// A listener's address cannot be bound.
    #[error("listener \"{listener}\" cannot listen on {address}: {reason}{}", help(.reason))]
    Listen {
        /// The listener's name.
        listener: String,
        /// The address.
        address: std::net::SocketAddr,
        /// The system's error.
        reason: std::io::Error,
    },
    /// Another system call failed.
    #[error("{what}: {reason}")]
    System {
        /// What failed, in words.
        what: String,
        /// The system's error.
        reason: std::io::Error,
    },
    /// The WebAssembly engine cannot be set up.
    #[error(transparent)]
    Engine(#[from] lockgate_sandbox::EngineError),
}

impl RunError {
    pub(crate) fn system(what: impl Into<String>) -> impl FnOnce(std::io::Error) -> Self {
        move |reason| Self::System {
            what: what.into(),
            reason,
        }
    }
}

/// What to do about an address that cannot be bound.
fn help(reason: &std::io::Error) -> &'static str {
    match reason.kind() {
        std::io::ErrorKind::AddrInUse => "\n  help: another process uses this port; `ss -ltnp` shows which one",
        std::io::ErrorKind::AddrNotAvailable => "\n  help: no interface has this address; 0.0.0.0 means all of them",
        std::io::ErrorKind::PermissionDenied => "\n  help: ports below 1024 need root or CAP_NET_BIND_SERVICE",
        _ => "",
    }
}
