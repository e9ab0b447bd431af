//! [`Outcome`]: how an attempt ended, and [`observe`], which everything that judges endpoints hears of.

use std::time::Duration;

use http::StatusCode;
use lockgate_client::{ConnectError, ExchangeError};

use crate::endpoint::Endpoint;
use crate::group::Group;
use crate::policy::outlier::Verdict;

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
    /// No response came in time.
    Timeout,
    /// The caller gave up waiting: its client has left, say.
    GivenUp,
}

impl Outcome {
    /// How a failed attempt ended.
    pub(crate) fn of_error(error: &ExchangeError) -> Self {
        match error {
            ExchangeError::Connect(ConnectError::Io(_) | ConnectError::Tls(_)) => Self::ConnectFailed,
            ExchangeError::Connect(ConnectError::Timeout | ConnectError::TlsTimeout) => Self::ConnectTimeout,
            ExchangeError::Closed { .. } => Self::Reset,
            ExchangeError::Protocol { .. } | ExchangeError::HeadTooLarge { .. } => Self::Malformed,
            ExchangeError::RequestBody(_) => Self::RequestFailed,
        }
    }

    /// Whether its duration says something about the endpoint.
    pub(crate) fn tells_latency(self) -> bool {
        !matches!(self, Self::RequestFailed)
    }

    /// Whether the endpoint has failed.
    pub(crate) fn is_failure(self) -> bool {
        match self {
            Self::ConnectFailed | Self::ConnectTimeout | Self::Reset | Self::Malformed | Self::Timeout => true,
            Self::Status(status) => status.is_server_error(),
            Self::Connected | Self::RequestFailed | Self::GivenUp => false,
        }
    }
}

impl Outcome {
    /// What it says of the endpoint to outlier detection; `None` if nothing, or nothing yet: a response may still break off.
    pub(crate) fn verdict(self) -> Option<Verdict> {
        match self {
            Self::ConnectFailed | Self::ConnectTimeout => Some(Verdict::ConnectFailure),
            Self::Timeout => Some(Verdict::Timeout),
            Self::Reset => Some(Verdict::Reset),
            // What a gateway says of such a response.
            Self::Malformed => Some(Verdict::Status(502)),
            Self::Status(status) => status.is_server_error().then_some(Verdict::Status(status.as_u16())),
            Self::Connected => Some(Verdict::Status(200)),
            Self::RequestFailed | Self::GivenUp => None,
        }
    }
}

/// An attempt that has ended: the one place where outcomes are judged. It runs on a worker, at the end of each attempt that is observed:
/// those of an upstream with several endpoints or a policy. `elapsed` is the time from the attempt's start to its outcome.
pub(crate) fn observe(group: &Group, endpoint: &Endpoint, outcome: Outcome, elapsed: Duration) {
    let _ = (group, elapsed);
    endpoint.standing().count(outcome.is_failure());
}
