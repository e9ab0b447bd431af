//! [`SendError`]: why a request got no response from an upstream.

use std::error::Error;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;
use std::{fmt, io};

use lockgate_client::{
    Address, AttemptError, BodyFailure, ConnectError, ConnectionError, ExchangeError, Progress, TlsFailure,
};

/// Why a request got no response from an upstream. The text is for logs: it names addresses.
#[derive(Debug, thiserror::Error)]
pub enum SendError {
    /// The upstream has no endpoint that takes part in balancing.
    #[error("the upstream has no endpoint with a weight above 0")]
    NoEndpoint,
    /// No connection was made to any endpoint that was tried; this is about the last one.
    #[error("cannot connect to {address}: {source}")]
    Connect {
        /// The endpoint that was tried last.
        address: Address,
        /// The system's failure.
        source: io::Error,
        /// The number of attempts, those at other endpoints among them.
        attempts: u32,
    },
    /// Making a connection, name lookup included, took longer than `connect_timeout`.
    #[error("connecting to {address} timed out")]
    ConnectTimeout {
        /// The endpoint that was tried last.
        address: Address,
        /// The number of attempts, those at other endpoints among them.
        attempts: u32,
    },
    /// An endpoint was connected to, and there is no TLS with it.
    #[error("no TLS with {address}: {failure}")]
    Tls {
        /// The endpoint that was tried last.
        address: Address,
        /// Why there is none.
        failure: TlsFailure,
        /// The number of attempts, those at other endpoints among them.
        attempts: u32,
    },
    /// Making a connection took longer than `connect_timeout`, and it was the TLS handshake that did not end.
    #[error("the TLS handshake with {address} timed out")]
    TlsTimeout {
        /// The endpoint that was tried last.
        address: Address,
        /// The number of attempts, those at other endpoints among them.
        attempts: u32,
    },
    /// The connection was closed or broke before the head of the response had come.
    #[error("{peer} closed the connection before its response")]
    Closed {
        /// The address of the endpoint.
        peer: SocketAddr,
        /// What the connection met with.
        source: ConnectionError,
        /// The upstream cannot have processed the request.
        is_unprocessed: bool,
        /// The number of attempts.
        attempts: u32,
    },
    /// An attempt took longer than a time limit of the upstream, or of the route in its place.
    #[error("{address} sent no response within {limit}")]
    Timeout {
        /// The endpoint that was tried last.
        address: Address,
        /// The time limit.
        limit: TimeLimit,
        /// The number of attempts.
        attempts: u32,
    },
    /// The upstream's circuit breaker is open.
    #[error("the circuit breaker is open: {why}")]
    CircuitOpen {
        /// The time after which another request may pass.
        retry_after: Duration,
        /// Why it has opened.
        why: Arc<str>,
    },
    /// The upstream has its maximum of concurrent requests.
    #[error("the upstream has its maximum of concurrent requests: {reason}")]
    Shed {
        /// The time after which it is worth another request.
        retry_after: Duration,
        /// Why it could not wait for a place: `queue_full`, `queue_timeout` or `displaced`.
        reason: &'static str,
    },
    /// The response is not one that can be passed on.
    #[error("malformed response from {peer}: {reason}")]
    Protocol {
        /// The address of the endpoint.
        peer: SocketAddr,
        /// What is wrong with the response.
        reason: &'static str,
        /// The number of attempts.
        attempts: u32,
    },
    /// The head of the response is larger than the upstream's limits.
    #[error("the head of the response from {peer} has {reason}")]
    HeadTooLarge {
        /// The address of the endpoint.
        peer: SocketAddr,
        /// What there is more of than which limit allows.
        reason: &'static str,
        /// The number of attempts.
        attempts: u32,
    },
    /// The request's own body failed; its error is in the [source](std::error::Error::source) chain.
    #[error("the request's body failed")]
    RequestBody(#[source] BodyFailure),
}

/// A limit of the time of one attempt.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum TimeLimit {
    /// `timeouts.try`.
    Try,
    /// `timeouts.first_byte`.
    FirstByte,
}

impl fmt::Display for TimeLimit {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(match self {
            Self::Try => "timeouts.try",
            Self::FirstByte => "timeouts.first_byte",
        })
    }
}

impl SendError {
    /// The failure of the last of this many attempts, at the endpoint of this address.
    pub(crate) fn new(failure: AttemptError, address: &Address, attempts: u32) -> Self {
        let is_unprocessed = matches!(
            failure.progress,
            Progress::Unsent | Progress::Unprocessed | Progress::Stale
        );
        match failure.error {
            ExchangeError::Connect(ConnectError::Io(source)) => Self::Connect {
                address: address.clone(),
                source,
                attempts,
            },
            ExchangeError::Connect(ConnectError::Timeout) => Self::ConnectTimeout {
                address: address.clone(),
                attempts,
            },
            ExchangeError::Connect(ConnectError::Tls(failure)) => Self::Tls {
                address: address.clone(),
                failure,
                attempts,
            },
            ExchangeError::Connect(ConnectError::TlsTimeout) => Self::TlsTimeout {
                address: address.clone(),
                attempts,
            },
            ExchangeError::Closed { peer, source } => Self::Closed {
                peer,
                source,
                is_unprocessed,
                attempts,
            },
            ExchangeError::Protocol { peer, reason } => Self::Protocol { peer, reason, attempts },
            ExchangeError::HeadTooLarge { peer, reason } => Self::HeadTooLarge { peer, reason, attempts },
            ExchangeError::RequestBody(error) => Self::RequestBody(error),
        }
    }

    /// The same, after so many attempts in all.
    pub(crate) fn after(mut self, total: u32) -> Self {
        match &mut self {
            Self::Connect { attempts, .. }
            | Self::ConnectTimeout { attempts, .. }
            | Self::Tls { attempts, .. }
            | Self::TlsTimeout { attempts, .. }
            | Self::Closed { attempts, .. }
            | Self::Timeout { attempts, .. }
            | Self::Protocol { attempts, .. }
            | Self::HeadTooLarge { attempts, .. } => *attempts = total,
            Self::NoEndpoint | Self::RequestBody(_) | Self::CircuitOpen { .. } | Self::Shed { .. } => {}
        }
        self
    }

    /// The address of the endpoint that it is about; `None` where it is not known.
    pub fn endpoint(&self) -> Option<SocketAddr> {
        match self {
            Self::Closed { peer, .. } | Self::Protocol { peer, .. } | Self::HeadTooLarge { peer, .. } => Some(*peer),
            Self::Connect { address, .. }
            | Self::ConnectTimeout { address, .. }
            | Self::Tls { address, .. }
            | Self::TlsTimeout { address, .. }
            | Self::Timeout { address, .. } => match address {
                Address::Socket(socket) => Some(*socket),
                Address::Name(..) => None,
            },
            Self::NoEndpoint | Self::RequestBody(_) | Self::CircuitOpen { .. } | Self::Shed { .. } => None,
        }
    }

    /// The number of attempts.
    pub fn attempts(&self) -> u32 {
        match self {
            Self::NoEndpoint | Self::CircuitOpen { .. } | Self::Shed { .. } => 0,
            Self::RequestBody(_) => 1,
            Self::Connect { attempts, .. }
            | Self::ConnectTimeout { attempts, .. }
            | Self::Timeout { attempts, .. }
            | Self::Tls { attempts, .. }
            | Self::TlsTimeout { attempts, .. }
            | Self::Closed { attempts, .. }
            | Self::Protocol { attempts, .. }
            | Self::HeadTooLarge { attempts, .. } => *attempts,
        }
    }
}

/// An error and what it comes from, in words. Many errors say their source themselves; what was said is not said again.
pub fn in_words(error: &(dyn Error + 'static)) -> String {
    let mut words = error.to_string();
    let mut next = error.source();
    while let Some(error) = next {
        let source = error.to_string();
        if !words.ends_with(&source) {
            words = format!("{words}: {source}");
        }
        next = error.source();
    }
    words
}
