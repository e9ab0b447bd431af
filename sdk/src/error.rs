//! What can go wrong when a plugin asks something of its host, and when it is configured.

use std::fmt;
use std::str::FromStr;

use crate::abi::Status;
use crate::abi::grpc_status::GrpcStatus;
use crate::text::push_number;

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
    /// A callout had no answer: refused, reset or timed out; in the host's words.
    NoResponse(String),
    /// A callout was answered with a status that is no success.
    UnexpectedStatus(u16),
    /// A gRPC call was answered with another status than `OK`, or not at all; or a stream has ended so.
    Grpc {
        /// The status, like [`GrpcStatus::UNAVAILABLE`].
        status: GrpcStatus,
        /// What came with it; may be empty.
        message: String,
    },
    /// A header or query parameter, by its name, has a value of another type.
    BadValue(String),
    /// A body has more than this many bytes.
    TooLarge(usize),
    /// Headers can no longer be changed: this host has sent them on before the body came. See [`Body`](crate::Body).
    HeadersSent,
    /// The plugin's own reason.
    Plugin(String),
}

impl Error {
    pub(crate) fn host(call: &'static str) -> impl FnOnce(Status) -> Error {
        move |status| Error::Host { call, status }
    }

    /// A value as another type, by the name of what has it.
    pub(crate) fn parsed<T: FromStr>(name: &str, value: Option<&str>) -> Result<Option<T>> {
        let parsed = value.map(|text| text.trim().parse()).transpose();
        parsed.map_err(|_| Error::BadValue(name.to_owned()))
    }
}

impl Error {
    /// Appends the error's text. It is put together without the machinery of formatting, which would be the largest
    /// part of a small module.
    pub(crate) fn describe(&self, line: &mut String) {
        // Before, the number, behind: one way for all, as every way is code.
        let (before, text, value, after) = match self {
            Error::Host { call, status } => match status {
                Status::Other(code) => (*call, " answered the unknown status ", Some(u64::from(*code)), ""),
                status => (*call, " answered ", None, status.name()),
            },
            Error::Unsupported(function) => ("this host does not offer ", *function, None, ""),
            Error::Malformed(call) => (*call, " answered in an unknown form", None, ""),
            Error::NoResponse(reason) => ("a callout had no answer: ", &**reason, None, ""),
            Error::UnexpectedStatus(status) => (
                "a callout was answered with the status ",
                "",
                Some(u64::from(*status)),
                "",
            ),
            Error::Grpc { status, message } => (
                "a gRPC call was answered with the status ",
                "",
                Some(u64::from(status.0)),
                &**message,
            ),
            Error::BadValue(name) => (&**name, " has a value that is not as it must be", None, ""),
            Error::TooLarge(limit) => ("the body has more than ", "", Some(*limit as u64), " bytes"),
            Error::HeadersSent => (
                "headers cannot be changed any more: this host has sent them on",
                "",
                None,
                "",
            ),
            Error::Plugin(message) => (&**message, "", None, ""),
        };
        let mut digits = String::new();
        if let Some(value) = value {
            push_number(&mut digits, value);
        }
        let colon = if matches!(self, Error::Grpc { .. }) { ": " } else { "" };
        for part in [before, text, &digits, colon, after] {
            line.push_str(part);
        }
    }
}

impl fmt::Display for Error {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut line = String::new();
        self.describe(&mut line);
        out.write_str(&line)
    }
}

impl std::error::Error for Error {}

/// Why a configuration is refused. The host shows the text to the operator, and Lockgate the place in its own
/// configuration file, too.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ConfigError {
    pointer: String,
    message: String,
}

impl ConfigError {
    /// A fault of the configuration as a whole.
    pub fn new(message: impl Into<String>) -> ConfigError {
        ConfigError {
            pointer: String::new(),
            message: message.into(),
        }
    }

    /// A fault at one place, by its JSON pointer (RFC 6901), like `/consumers/0/keys/1`.
    pub fn at(pointer: impl Into<String>, message: impl Into<String>) -> ConfigError {
        ConfigError {
            pointer: pointer.into(),
            message: message.into(),
        }
    }

    /// The same fault, seen from the object that has it in the member `name`.
    pub fn inside(mut self, name: &str) -> ConfigError {
        let mut pointer = "/".to_owned();
        let mut bytes = [0; 4];
        for character in name.chars() {
            pointer.push_str(match character {
                '~' => "~0",
                '/' => "~1",
                other => other.encode_utf8(&mut bytes),
            });
        }
        self.pointer = pointer + &self.pointer;
        self
    }

    /// The same fault, seen from the array that has it in the item at `index`.
    pub fn inside_index(mut self, index: usize) -> ConfigError {
        let mut pointer = "/".to_owned();
        push_number(&mut pointer, index as u64);
        self.pointer = pointer + &self.pointer;
        self
    }

    /// JSON pointer of the place; empty for the configuration as a whole.
    pub fn pointer(&self) -> &str {
        &self.pointer
    }

    /// What the fault is.
    pub fn message(&self) -> &str {
        &self.message
    }

    /// Without what was found: nobody may see it.
    pub(crate) fn redacted(mut self) -> ConfigError {
        self.message = match self.message.split_once(", expected ") {
            Some((_, expected)) => ["found a secret that is not shown, expected ", expected].concat(),
            None => "found a secret, which is not shown, and not what was expected".to_owned(),
        };
        self
    }
}

impl ConfigError {
    /// Appends the error's text.
    pub(crate) fn describe(&self, line: &mut String) {
        if !self.pointer.is_empty() {
            line.push_str("at ");
            line.push_str(&self.pointer);
            line.push_str(": ");
        }
        line.push_str(&self.message);
    }
}

impl fmt::Display for ConfigError {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut line = String::new();
        self.describe(&mut line);
        out.write_str(&line)
    }
}

impl std::error::Error for ConfigError {}

impl From<Error> for ConfigError {
    fn from(error: Error) -> ConfigError {
        let mut message = String::new();
        error.describe(&mut message);
        ConfigError::new(message)
    }
}
