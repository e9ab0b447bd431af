//! Why an attempt brought no response, and how far the request had got.

use std::io;
use std::net::SocketAddr;

use crate::head_limits::HeadError;
use crate::tls::TlsFailure;

/// What bodies may fail with.
pub type BodyFailure = Box<dyn std::error::Error + Send + Sync>;

/// What went wrong on a connection to an upstream.
#[derive(Debug, thiserror::Error)]
pub enum ConnectionError {
    /// The system reports a failure.
    #[error("the connection broke: {0}")]
    Io(#[from] io::Error),
    /// The connection was closed before the end of the response.
    #[error("the connection ended too early")]
    Ended,
    /// The response is not HTTP/1, or could be read in more than one way; the text says where.
    #[error("malformed: {0}")]
    Malformed(&'static str),
    /// The head of the response is larger than its limits; the text says which.
    #[error("the head of the response has {0}")]
    HeadTooLarge(&'static str),
    /// An HTTP/2 connection, or a stream of one, broke.
    #[error("HTTP/2: {0}")]
    Http2(#[source] h2::Error),
    /// The request's body failed while the response was coming.
    #[error("the request's body failed")]
    RequestBody(#[source] BodyFailure),
}

/// Why no connection was made.
#[derive(Debug)]
pub enum ConnectError {
    /// The system reports a failure.
    Io(io::Error),
    /// It took longer than the time limit, name lookup included.
    Timeout,
    /// The connection is there, and TLS is not.
    Tls(TlsFailure),
    /// The TLS handshake took longer than what name lookup and connection set-up had left of the time limit.
    TlsTimeout,
}

/// Why an attempt brought no response.
#[derive(Debug)]
pub enum ExchangeError {
    /// No connection was made.
    Connect(ConnectError),
    /// The connection was closed or broke before the head of the response had come.
    Closed {
        /// The address of the endpoint.
        peer: SocketAddr,
        /// What the connection met with.
        source: ConnectionError,
    },
    /// The response is not one that can be passed on.
    Protocol {
        /// The address of the endpoint.
        peer: SocketAddr,
        /// What is wrong with the response.
        reason: &'static str,
    },
    /// The head of the response is larger than its limits.
    HeadTooLarge {
        /// The address of the endpoint.
        peer: SocketAddr,
        /// What there is more of than which limit allows.
        reason: &'static str,
    },
    /// The request's own body failed.
    RequestBody(BodyFailure),
}

/// A failed attempt.
#[derive(Debug)]
pub struct AttemptError {
    /// Why there is no response.
    pub error: ExchangeError,
    /// How far the request had got.
    pub progress: Progress,
}

/// How far the request of a failed attempt had got: what decides whether it may be sent again.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Progress {
    /// There was no connection to send it on.
    NotConnected,
    /// The pooled connection was found closed before a byte of the request was written. The connection is out of the pool.
    Stale,
    /// A connection ended before the request was sent on it, or before the upstream can have read a byte of the request.
    Unsent,
    /// The upstream says that it has not processed the request (RFC 9113, section 8.7), and all of the request can be sent again.
    Unprocessed,
    /// A reused connection ended without a response; whether the upstream has processed the request is unknown.
    Unanswered,
    /// The request cannot be sent again: it has failed itself, or the failure is the upstream's response to it.
    Final,
}

impl From<io::Error> for ConnectError {
    fn from(error: io::Error) -> Self {
        Self::Io(error)
    }
}

impl From<HeadError> for ConnectionError {
    fn from(error: HeadError) -> Self {
        match error {
            HeadError::Malformed(reason) => Self::Malformed(reason),
            HeadError::TooLarge(reason) => Self::HeadTooLarge(reason),
        }
    }
}

impl ExchangeError {
    /// What the connection to this endpoint met with.
    pub(crate) fn at(peer: SocketAddr, error: ConnectionError) -> Self {
        match error {
            ConnectionError::Malformed(reason) => Self::Protocol { peer, reason },
            ConnectionError::HeadTooLarge(reason) => Self::HeadTooLarge { peer, reason },
            source => Self::Closed { peer, source },
        }
    }
}

impl AttemptError {
    /// No connection was made.
    pub fn not_connected(error: ConnectError) -> Self {
        Self {
            error: ExchangeError::Connect(error),
            progress: Progress::NotConnected,
        }
    }
}
