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
    /// A callout had no answer: refused, reset or timed out; in the host's words.
    NoAnswer(String),
    /// A callout was answered with a status that is no success.
    Answered(u16),
    /// A body has more than this many bytes.
    TooLarge(usize),
    /// Headers can no longer be changed: this host has sent them on before the body came. See [`Body`](crate::Body).
    HeadGone,
    /// The plugin's own reason.
    Plugin(String),
}

impl Error {
    pub(crate) fn host(call: &'static str) -> impl FnOnce(Status) -> Error {
        move |status| Error::Host { call, status }
    }
}

impl Error {
    /// Appends the error's text. It is put together without the machinery of formatting, which would be the largest
    /// part of a small module.
    pub(crate) fn describe(&self, line: &mut String) {
        match self {
            Error::Host { call, status } => {
                line.push_str(call);
                line.push_str(" answered ");
                match status {
                    Status::Other(code) => {
                        line.push_str("the unknown status ");
                        number(line, u64::from(*code));
                    }
                    status => line.push_str(status.name()),
                }
            }
            Error::Unsupported(function) => {
                line.push_str("this host does not offer ");
                line.push_str(function);
            }
            Error::Malformed(call) => {
                line.push_str(call);
                line.push_str(" answered in an unknown form");
            }
            Error::NoAnswer(reason) => {
                line.push_str("a callout had no answer: ");
                line.push_str(reason);
            }
            Error::Answered(status) => {
                line.push_str("a callout was answered with the status ");
                number(line, u64::from(*status));
            }
            Error::TooLarge(limit) => {
                line.push_str("the body has more than ");
                number(line, *limit as u64);
                line.push_str(" bytes");
            }
            Error::HeadGone => line.push_str("headers cannot be changed any more: this host has sent them on"),
            Error::Plugin(message) => line.push_str(message),
        }
    }
}

/// Appends a number in decimal.
pub(crate) fn number(line: &mut String, mut value: u64) {
    let mut digits = [0; 20];
    let mut count = 0;
    loop {
        digits[count] = b'0' + (value % 10) as u8;
        count += 1;
        value /= 10;
        if value == 0 || count == digits.len() {
            break;
        }
    }
    line.extend(digits[..count].iter().rev().map(|digit| char::from(*digit)));
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
        let name = name.replace('~', "~0").replace('/', "~1");
        self.pointer = ["/", &name, &self.pointer].concat();
        self
    }

    /// The same fault, seen from the array that has it in the item at `index`.
    pub fn inside_index(mut self, index: usize) -> ConfigError {
        let mut pointer = "/".to_owned();
        number(&mut pointer, index as u64);
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
    pub(crate) fn hushed(mut self) -> ConfigError {
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
