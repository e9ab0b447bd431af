//! The errors of host calls, and of configurations.

use std::any::Any;
use std::fmt;
use std::str::FromStr;

use crate::abi::Status;
use crate::abi::grpc_status::GrpcStatus;
use crate::text::push_number;

/// The result of the SDK's calls.
pub type Result<T, E = Error> = std::result::Result<T, E>;

/// An error of a host call, a callout, or the plugin itself. If a hook returns it, the client gets a 500 and the log
/// the error's text.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub enum Error {
    /// The host returned an unexpected status.
    Host {
        /// The call, by its name in the ABI.
        call: &'static str,
        /// The status.
        status: Status,
    },
    /// The host has no foreign function of this name: it is not Lockgate, or an older version.
    Unsupported(&'static str),
    /// The named result of the host or of an upstream is malformed.
    Malformed(&'static str),
    /// A callout got no response: refused, reset or timed out. The text is the host's.
    NoResponse(String),
    /// A callout got a response with this status, which is not 2xx.
    UnexpectedStatus(u16),
    /// A gRPC call or stream ended with another status than `OK`, also where there was no response.
    Grpc {
        /// The status, like [`GrpcStatus::UNAVAILABLE`].
        status: GrpcStatus,
        /// The message that came with the status; may be empty.
        message: String,
    },
    /// The header or query parameter of this name has a value of another type.
    BadValue(String),
    /// A body has more than this number of bytes.
    TooLarge(usize),
    /// The headers can no longer be changed: this host sent them on before the body came. See [`Body`](crate::Body).
    HeadersSent,
    /// The host's store is full: the value was not written. The text names what is full.
    Full(&'static str),
    /// A reply: a hook that returns it replies so. See [`reply`](crate::reply).
    Reply(ReplyError),
    /// An error of the plugin's own, or of another library. `?` makes one of every error.
    Plugin(String),
}

/// A reply that is an error. Behind a pointer with its own functions, so that modules without one do not contain them.
pub struct ReplyError(pub(crate) Box<dyn AnyReply>);

/// What an error needs of a reply.
pub(crate) trait AnyReply: fmt::Debug {
    fn as_any(&self) -> &dyn Any;
    fn copy(&self) -> Box<dyn AnyReply>;
    fn is_same(&self, other: &dyn Any) -> bool;
    fn send(&self) -> Result<()>;
}

impl ReplyError {
    pub(crate) fn send(&self) -> Result<()> {
        self.0.send()
    }
}

impl Clone for ReplyError {
    fn clone(&self) -> ReplyError {
        ReplyError(self.0.copy())
    }
}

impl PartialEq for ReplyError {
    fn eq(&self, other: &ReplyError) -> bool {
        self.0.is_same(other.0.as_any())
    }
}

impl Eq for ReplyError {}

impl fmt::Debug for ReplyError {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(out)
    }
}

impl Error {
    pub(crate) fn host(call: &'static str) -> impl FnOnce(Status) -> Error {
        move |status| Error::Host { call, status }
    }

    /// A value as another type; `name` is that of the header or parameter, for the error.
    pub(crate) fn parsed<T: FromStr>(name: &str, value: Option<&str>) -> Result<Option<T>> {
        let parsed = value.map(|text| text.trim().parse()).transpose();
        parsed.map_err(|_| Error::BadValue(name.to_owned()))
    }
}

impl Error {
    /// Appends the error's text. It does without `core::fmt`, which would be the largest part of a small module.
    pub(crate) fn describe(&self, line: &mut String) {
        // Every error has the same parts: a text before the number, the number, a text after it. One path keeps the
        // module small.
        let (before, text, value, after) = match self {
            Error::Host { call, status } => match status {
                Status::Other(code) => (*call, " returned the unknown status ", Some(u64::from(*code)), ""),
                status => (*call, " returned ", None, status.name()),
            },
            Error::Unsupported(function) => ("this host has no function ", *function, None, ""),
            Error::Malformed(call) => (*call, " is malformed", None, ""),
            Error::NoResponse(reason) => ("a callout got no response: ", &**reason, None, ""),
            Error::UnexpectedStatus(status) => (
                "a callout got a response with the status ",
                "",
                Some(u64::from(*status)),
                "",
            ),
            Error::Grpc { status, message } => (
                "a gRPC call ended with the status ",
                "",
                Some(u64::from(status.0)),
                &**message,
            ),
            Error::BadValue(name) => (&**name, " has a value of the wrong type", None, ""),
            Error::TooLarge(limit) => ("the body has more than ", "", Some(*limit as u64), " bytes"),
            Error::HeadersSent => (
                "the headers can no longer be changed: this host has sent them on",
                "",
                None,
                "",
            ),
            Error::Full(store) => (*store, " is full", None, ""),
            Error::Reply(_) => ("a reply", "", None, ""),
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

/// Every error of the standard library and of other crates becomes [`Error::Plugin`] with its text and its causes, so
/// that `?` works on all of them. Therefore [`Error`] itself is no `std::error::Error`.
impl<E: std::error::Error> From<E> for Error {
    fn from(error: E) -> Error {
        Error::Plugin(with_causes(&error))
    }
}

impl From<ConfigError> for Error {
    fn from(error: ConfigError) -> Error {
        Error::Plugin(error.to_string())
    }
}

fn with_causes(error: &dyn std::error::Error) -> String {
    let mut text = error.to_string();
    let mut cause = error.source();
    while let Some(error) = cause {
        text.push_str(": ");
        text.push_str(&error.to_string());
        cause = error.source();
    }
    text
}

/// An error in a configuration. The host logs its text; Lockgate also shows the place in its own configuration file.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ConfigError {
    pointer: String,
    message: String,
}

impl ConfigError {
    /// An error of the configuration as a whole.
    pub fn new(message: impl Into<String>) -> ConfigError {
        ConfigError {
            pointer: String::new(),
            message: message.into(),
        }
    }

    /// An error at one place, given as a JSON pointer (RFC 6901), like `/consumers/0/keys/1`.
    pub fn at(pointer: impl Into<String>, message: impl Into<String>) -> ConfigError {
        ConfigError {
            pointer: pointer.into(),
            message: message.into(),
        }
    }

    /// The same error, located from the object whose member `name` has it.
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

    /// The same error, located from the array whose item `index` has it.
    pub fn inside_index(mut self, index: usize) -> ConfigError {
        let mut pointer = "/".to_owned();
        push_number(&mut pointer, index as u64);
        self.pointer = pointer + &self.pointer;
        self
    }

    /// The JSON pointer of the place; empty for the configuration as a whole.
    pub fn pointer(&self) -> &str {
        &self.pointer
    }

    /// The message, without the place.
    pub fn message(&self) -> &str {
        &self.message
    }

    /// The same error without the value that was found, which is a secret.
    pub(crate) fn redacted(mut self) -> ConfigError {
        self.message = match self.message.split_once(", expected ") {
            Some((_, expected)) => ["found a secret, which is not shown, expected ", expected].concat(),
            None => "found a secret, which is not shown, that is not accepted".to_owned(),
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

/// Every error of the standard library and of other crates becomes an error of the configuration as a whole.
impl<E: std::error::Error> From<E> for ConfigError {
    fn from(error: E) -> ConfigError {
        ConfigError::new(with_causes(&error))
    }
}

impl From<Error> for ConfigError {
    fn from(error: Error) -> ConfigError {
        let mut message = String::new();
        error.describe(&mut message);
        ConfigError::new(message)
    }
}
