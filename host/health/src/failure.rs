//! [`ProbeFailure`]: why a probe failed.

use std::fmt;
use std::io;
use std::time::Duration;

use http::StatusCode;
use lockgate_client::{AttemptError, BodyFailure, ConnectError, ConnectionError, ExchangeError};

/// Why a probe failed. The text is for operators: it is in the log and in the admin API.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ProbeFailure {
    /// No connection was made.
    #[error("{0}")]
    Connect(String),
    /// The probe took longer than its time limit.
    #[error("timeout after {}", Milliseconds(.0))]
    Timeout(Duration),
    /// The connection broke, or what came is not a response.
    #[error("{0}")]
    Broken(String),
    /// The response has another status.
    #[error("status {}, expected {expected}", .found.as_u16())]
    Status {
        /// The status of the response.
        found: StatusCode,
        /// What it should be, in words.
        expected: String,
    },
    /// The service says that it does not serve, or the call failed.
    #[error("{0}, expected SERVING")]
    Grpc(String),
}

impl ProbeFailure {
    /// The kinds, as values of a metric's label.
    pub const KINDS: [&'static str; 4] = ["connect", "timeout", "broken", "response"];

    /// What kind of failure it is: one of [`ProbeFailure::KINDS`].
    pub fn kind(&self) -> &'static str {
        match self {
            Self::Connect(_) => "connect",
            Self::Timeout(_) => "timeout",
            Self::Broken(_) => "broken",
            Self::Status { .. } | Self::Grpc(_) => "response",
        }
    }

    /// The failure of an attempt within this time limit.
    pub(crate) fn of_attempt(failure: AttemptError, limit: Duration) -> Self {
        match failure.error {
            ExchangeError::Connect(error) => Self::of_connect(error, limit),
            ExchangeError::Closed { source, .. } => Self::of_connection(source),
            ExchangeError::Protocol { reason, .. } => Self::Broken(format!("malformed response: {reason}")),
            ExchangeError::HeadTooLarge { reason, .. } => {
                Self::Broken(format!("the head of the response has {reason}"))
            }
            ExchangeError::RequestBody(error) => Self::Broken(text_of(&error)),
        }
    }

    pub(crate) fn of_connect(error: ConnectError, limit: Duration) -> Self {
        match error {
            ConnectError::Io(error) => Self::Connect(io_text(&error)),
            ConnectError::Tls(failure) => Self::Connect(format!("no TLS: {failure}")),
            ConnectError::Timeout | ConnectError::TlsTimeout => Self::Timeout(limit),
        }
    }

    pub(crate) fn of_connection(error: ConnectionError) -> Self {
        match error {
            ConnectionError::Io(error) => Self::Broken(io_text(&error)),
            ConnectionError::Ended => Self::Broken("connection closed before the end of the response".to_owned()),
            other => Self::Broken(other.to_string()),
        }
    }
}

fn text_of(error: &BodyFailure) -> String {
    format!("the probe could not be sent: {error}")
}

/// The usual failures in words, without the system's number.
fn io_text(error: &io::Error) -> String {
    match error.kind() {
        io::ErrorKind::ConnectionRefused => "connection refused".to_owned(),
        io::ErrorKind::ConnectionReset => "connection reset".to_owned(),
        io::ErrorKind::BrokenPipe | io::ErrorKind::UnexpectedEof => "connection closed".to_owned(),
        io::ErrorKind::HostUnreachable => "no route to the host".to_owned(),
        io::ErrorKind::NetworkUnreachable => "no route to the network".to_owned(),
        _ => error.to_string(),
    }
}

/// A duration as settings write it.
struct Milliseconds<'a>(&'a Duration);

impl fmt::Display for Milliseconds<'_> {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        lockgate_units::Period(*self.0).fmt(out)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn texts_let_an_operator_act() {
        let status = ProbeFailure::Status {
            found: StatusCode::INTERNAL_SERVER_ERROR,
            expected: "2xx or 304".to_owned(),
        };
        assert_eq!(status.to_string(), "status 500, expected 2xx or 304");
        assert_eq!(
            ProbeFailure::Timeout(Duration::from_secs(1)).to_string(),
            "timeout after 1s"
        );
        let refused = ConnectError::Io(io::Error::from_raw_os_error(111));
        let refused = ProbeFailure::of_connect(refused, Duration::ZERO);
        assert_eq!(refused.to_string(), "connection refused");
        assert!(ProbeFailure::KINDS.contains(&refused.kind()) && ProbeFailure::KINDS.contains(&status.kind()));
    }
}
