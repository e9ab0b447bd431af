//! [`Outcome`]: how an attempt ended, and [`observe`], which everything that judges endpoints hears of.

use std::time::Duration;

use http::StatusCode;
use lockgate_client::{ConnectError, ExchangeError};

use crate::endpoint::Endpoint;
use crate::group::Group;

/// How an attempt at an endpoint ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Outcome {
    /// No connection was made.
    ConnectFailed,
    /// Making the connection took too long.
    ConnectTimeout,
    /// The connection was closed or broke before the head of the response had come.
    Reset,
    /// The response is not one that can be passed on.
    Malformed,
    /// The head of a response has come, with this status.
    Status(StatusCode),
    /// A bare connection was made.
    Connected,
    /// The request itself failed: the endpoint is not to blame.
    RequestFailed,
    /// The caller gave up waiting: its time was over, or its client has left.
    GivenUp,
}

impl Outcome {
    /// How a failed attempt ended.
    pub(crate) fn of_error(error: &ExchangeError) -> Self {
        match error {
            ExchangeError::Connect(ConnectError::Io(_)) => Self::ConnectFailed,
            ExchangeError::Connect(ConnectError::Timeout) => Self::ConnectTimeout,
            ExchangeError::Closed { .. } => Self::Reset,
            ExchangeError::Protocol { .. } | ExchangeError::HeadTooLarge { .. } => Self::Malformed,
            ExchangeError::RequestBody(_) => Self::RequestFailed,
        }
    }

    /// Whether the endpoint has failed.
    pub(crate) fn is_failure(self) -> bool {
        match self {
            Self::ConnectFailed | Self::ConnectTimeout | Self::Reset | Self::Malformed => true,
            Self::Status(status) => status.is_server_error(),
            Self::Connected | Self::RequestFailed | Self::GivenUp => false,
        }
    }
}

/// An attempt that has ended: the one place where outcomes are judged. It runs on a worker, at the end of each attempt that is observed:
/// those of an upstream with several endpoints or a policy. `elapsed` is the time from the attempt's start to its outcome.
pub(crate) fn observe(group: &Group, endpoint: &Endpoint, outcome: Outcome, elapsed: Duration) {
    let _ = (group, elapsed);
    endpoint.standing().count(outcome.is_failure());
}
