//! Settings of the access log.

use std::convert::Infallible;
use std::path::PathBuf;
use std::str::FromStr;

/// Settings of the access log.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AccessLogSettings {
    /// A stream or a file.
    pub path: AccessLogPath,
}

/// A stream of the process, or a file that is appended to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum AccessLogPath {
    /// `"stdout"`
    Stdout,
    /// `"stderr"`
    Stderr,
    /// Anything else; absolute. Its folder existed at load.
    File(PathBuf),
}

impl FromStr for AccessLogPath {
    type Err = Infallible;

    /// Text other than a stream's name is a file's path, relative to the working directory.
    fn from_str(text: &str) -> Result<Self, Infallible> {
        Ok(match text {
            "stdout" => Self::Stdout,
            "stderr" => Self::Stderr,
            file => Self::File(PathBuf::from(file)),
        })
    }
}
