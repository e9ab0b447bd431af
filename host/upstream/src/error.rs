//! [`SendError`]: why a request got no response from an upstream.

use std::error::Error;
use std::io;
use std::net::SocketAddr;

use lockgate_client::{Address, BodyFailure, ConnectError, ConnectionError, ExchangeError};

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
    /// The connection was closed or broke before the head of the response had come.
    #[error("{peer} closed the connection before its response")]
    Closed {
        /// The address of the endpoint.
        peer: SocketAddr,
        /// What the connection met with.
        source: ConnectionError,
        /// The number of attempts.
        attempts: u32,
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

impl SendError {
    /// The failure of the last of this many attempts, at the endpoint of this address.
    pub(crate) fn new(error: ExchangeError, address: &Address, attempts: u32) -> Self {
        match error {
            ExchangeError::Connect(ConnectError::Io(source)) => Self::Connect {
                address: address.clone(),
                source,
                attempts,
            },
            ExchangeError::Connect(ConnectError::Timeout) => Self::ConnectTimeout {
                address: address.clone(),
                attempts,
            },
            ExchangeError::Closed { peer, source } => Self::Closed { peer, source, attempts },
            ExchangeError::Protocol { peer, reason } => Self::Protocol { peer, reason, attempts },
            ExchangeError::HeadTooLarge { peer, reason } => Self::HeadTooLarge { peer, reason, attempts },
            ExchangeError::RequestBody(error) => Self::RequestBody(error),
        }
    }

    /// The address of the endpoint that it is about; `None` where it is not known.
    pub fn endpoint(&self) -> Option<SocketAddr> {
        match self {
            Self::Closed { peer, .. } | Self::Protocol { peer, .. } | Self::HeadTooLarge { peer, .. } => Some(*peer),
            Self::Connect { address, .. } | Self::ConnectTimeout { address, .. } => match address {
                Address::Socket(socket) => Some(*socket),
                Address::Name(..) => None,
            },
            Self::NoEndpoint | Self::RequestBody(_) => None,
        }
    }

    /// The number of attempts.
    pub fn attempts(&self) -> u32 {
        match self {
            Self::NoEndpoint => 0,
            Self::RequestBody(_) => 1,
            Self::Connect { attempts, .. }
            | Self::ConnectTimeout { attempts, .. }
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
