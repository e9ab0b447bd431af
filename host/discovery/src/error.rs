//! Why a source gave no list.

use std::io;
use std::time::Duration;

use lockgate_client::{ConnectionError, ExchangeError};
use lockgate_resolver::LookupError;

/// Why a source gave no list.
#[derive(Debug, thiserror::Error)]
pub enum SourceError {
    /// A file cannot be read.
    #[error("{path} cannot be read: {source}")]
    File {
        /// Its path.
        path: String,
        /// The system's failure.
        source: io::Error,
    },
    /// What was read is not what was expected.
    #[error("{0}")]
    Malformed(String),
    /// DNS gave no records.
    #[error("{name}: {source}")]
    Lookup {
        /// The name.
        name: String,
        /// Why.
        source: LookupError,
    },
    /// DNS gave no addresses; the text says why.
    #[error("{0}")]
    Addresses(String),
    /// The server cannot be reached, or breaks off.
    #[error("{0}")]
    Exchange(String),
    /// The server did not answer in time.
    #[error("no answer within {0:?}")]
    Timeout(Duration),
    /// The server answered with another status than 200.
    #[error("answered {status}: {body}")]
    Status {
        /// The status.
        status: u16,
        /// The start of its body.
        body: String,
    },
    /// An answer is larger than its limit.
    #[error("the answer has more than {0} bytes")]
    TooLarge(usize),
}

impl From<ConnectionError> for SourceError {
    fn from(error: ConnectionError) -> Self {
        Self::Exchange(error.to_string())
    }
}

impl From<ExchangeError> for SourceError {
    fn from(error: ExchangeError) -> Self {
        use lockgate_client::ConnectError;
        Self::Exchange(match error {
            ExchangeError::Connect(ConnectError::Io(error)) => format!("cannot be connected to: {error}"),
            ExchangeError::Connect(ConnectError::Timeout) => "does not accept a connection in time".to_owned(),
            ExchangeError::Connect(ConnectError::Tls(failure)) => format!("no TLS with it: {failure}"),
            ExchangeError::Connect(ConnectError::TlsTimeout) => "its TLS handshake timed out".to_owned(),
            ExchangeError::Closed { source, .. } => source.to_string(),
            ExchangeError::Protocol { reason, .. } => format!("malformed answer: {reason}"),
            ExchangeError::HeadTooLarge { reason, .. } => format!("the answer has {reason}"),
            ExchangeError::RequestBody(error) => error.to_string(),
        })
    }
}
