//! What can go wrong when a plugin asks something of its host, and when it is configured.

use std::fmt;

use crate::wire::Status;

/// A result of the SDK's calls.
pub type Result<T, E = Error> = std::result::Result<T, E>;

/// Why a call to the host failed. Nothing in the SDK panics over one; a hook that returns it answers 500 in place of
/// the request, and the text is logged.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub enum Error {
    /// The host answered a call with an unexpected status.
    Host {
        /// The call, by its name in the ABI.
        call: &'static str,
        /// What the host answered.
        status: Status,
    },
    /// The host has no function of this name: it is not Lockgate, or an older one.
    Unsupported(&'static str),
    /// The host's answer has another shape than its contract says.
    Malformed(&'static str),
    /// The plugin's own reason.
    Plugin(String),
}

impl Error {
    pub(crate) fn host(call: &'static str) -> impl FnOnce(Status) -> Error {
        move |status| Error::Host { call, status }
    }
}

impl fmt::Display for Error {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Error::Host {
                call,
                status: Status::Other(code),
            } => write!(out, "{call} answered the unknown status {code}"),
            Error::Host { call, status } => write!(out, "{call} answered {}", status.name()),
            Error::Unsupported(function) => write!(out, "this host does not offer {function}"),
            Error::Malformed(call) => write!(out, "{call} answered in an unknown form"),
            Error::Plugin(message) => out.write_str(message),
        }
    }
}

impl std::error::Error for Error {}

/// Why a configuration is refused. The host shows the text to the operator.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ConfigError {
    path: String,
    message: String,
}

impl ConfigError {
    /// A fault of the configuration as a whole.
    pub fn new(message: impl Into<String>) -> ConfigError {
        ConfigError {
            path: String::new(),
            message: message.into(),
        }
    }

    /// A fault at one place, written like `consumers[0].keys[1]`.
    pub fn at(path: impl Into<String>, message: impl Into<String>) -> ConfigError {
        ConfigError {
            path: path.into(),
            message: message.into(),
        }
    }

    /// Where the fault is; empty for the configuration as a whole.
    pub fn path(&self) -> &str {
        &self.path
    }

    /// What the fault is.
    pub fn message(&self) -> &str {
        &self.message
    }
}

impl fmt::Display for ConfigError {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.path.is_empty() {
            out.write_str(&self.message)
        } else {
            write!(out, "at {}: {}", self.path, self.message)
        }
    }
}

impl std::error::Error for ConfigError {}

impl From<Error> for ConfigError {
    fn from(error: Error) -> ConfigError {
        ConfigError::new(error.to_string())
    }
}
