//! [`SendError`]: why a request got no answer, whose fault that is, and whether asking again makes sense.

use std::io;
use std::net::SocketAddr;

use crate::address::Address;

/// What bodies may fail with.
pub type BodyFailure = Box<dyn std::error::Error + Send + Sync>;

/// What went wrong on a connection to an upstream.
#[derive(Debug, thiserror::Error)]
pub enum ConnectionError {
    /// The system says why.
    #[error("the connection broke: {0}")]
    Io(#[from] io::Error),
    /// It was closed before the end of what was to come.
    #[error("the connection ended too early")]
    Ended,
    /// What came is not HTTP/1, or could be read in more than one way; the text says where.
    #[error("malformed: {0}")]
    Malformed(&'static str),
    /// An HTTP/2 connection, or a stream of one, broke.
    #[error("HTTP/2: {0}")]
    Http2(#[source] hyper::Error),
    /// The request's body failed while the answer to it was coming.
    #[error("the request's body failed")]
    RequestBody(#[source] Box<dyn std::error::Error + Send + Sync>),
}

/// Whose fault a failure is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Blame {
    /// The side that sent the request: its body ended early or could not be read.
    Client,
    /// The upstream, or the network on the way to it.
    Upstream,
    /// The configuration: there is nowhere to send the request to.
    Gateway,
}

/// Why a request got no answer from an upstream. The text is for logs: it names addresses.
#[derive(Debug, thiserror::Error)]
pub enum SendError {
    /// The upstream has no endpoint that takes part in balancing.
    #[error("the upstream has no endpoint with a weight above 0")]
    NoEndpoint,
    /// No connection could be made to any endpoint that was tried; this is about the last one.
    #[error("cannot connect to {address}: {source}")]
    Connect {
        /// The endpoint that was tried last.
        address: Address,
        /// What the system said.
        source: io::Error,
        /// How often it was tried, also elsewhere.
        attempts: u32,
    },
    /// Making a connection, name lookup included, took longer than `connect_timeout`.
    #[error("connecting to {address} timed out")]
    ConnectTimeout {
        /// The endpoint that was tried last.
        address: Address,
        /// How often it was tried, also elsewhere.
        attempts: u32,
    },
    /// The connection was closed or broke before an answer's head had come.
    #[error("{peer} closed the connection before its response")]
    Closed {
        /// The endpoint's address.
        peer: SocketAddr,
        /// What the connection saw.
        source: ConnectionError,
        /// How often the request was sent.
        attempts: u32,
    },
    /// What came back is not an HTTP/1 answer that can be passed on.
    #[error("malformed response from {peer}: {reason}")]
    Protocol {
        /// The endpoint's address.
        peer: SocketAddr,
        /// What is wrong with it.
        reason: &'static str,
        /// How often the request was sent.
        attempts: u32,
    },
    /// The request's own body failed; the body's error is in the [source](std::error::Error::source) chain.
    #[error("the request's body failed")]
    RequestBody(#[source] Box<dyn std::error::Error + Send + Sync>),
}

impl SendError {
    /// Whose fault it is.
    pub fn blame(&self) -> Blame {
        match self {
            Self::NoEndpoint => Blame::Gateway,
            Self::RequestBody(_) => Blame::Client,
            Self::Connect { .. } | Self::ConnectTimeout { .. } | Self::Closed { .. } | Self::Protocol { .. } => {
                Blame::Upstream
            }
        }
    }

    /// The endpoint that it is about, where its address is known.
    pub fn endpoint(&self) -> Option<SocketAddr> {
        match self {
            Self::Closed { peer, .. } | Self::Protocol { peer, .. } => Some(*peer),
            Self::Connect { address, .. } | Self::ConnectTimeout { address, .. } => match address {
                Address::Socket(socket) => Some(*socket),
                Address::Name(..) => None,
            },
            Self::NoEndpoint | Self::RequestBody(_) => None,
        }
    }

    /// How often it was tried to send the request.
    pub fn attempts(&self) -> u32 {
        match self {
            Self::NoEndpoint => 0,
            Self::RequestBody(_) => 1,
            Self::Connect { attempts, .. }
            | Self::ConnectTimeout { attempts, .. }
            | Self::Closed { attempts, .. }
            | Self::Protocol { attempts, .. } => *attempts,
        }
    }

    /// The same, after so many attempts.
    pub fn after(mut self, tried: u32) -> Self {
        if let Self::Connect { attempts, .. }
        | Self::ConnectTimeout { attempts, .. }
        | Self::Closed { attempts, .. }
        | Self::Protocol { attempts, .. } = &mut self
        {
            *attempts = tried;
        }
        self
    }

    /// Whether the request cannot have had any effect, so that whoever still has it may send it again, elsewhere.
    pub fn is_unsent(&self) -> bool {
        matches!(
            self,
            Self::NoEndpoint | Self::Connect { .. } | Self::ConnectTimeout { .. }
        )
    }
}
