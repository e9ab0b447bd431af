//! Why a body ended before its end.

/// Why a body ended before its end.
#[derive(Debug, thiserror::Error)]
pub(crate) enum BodyError {
    /// The client closed the connection, or sent what is not HTTP.
    #[error("the request body ended early: {0}")]
    Client(#[source] Box<dyn std::error::Error + Send + Sync>),
    /// The client sent more than the listener allows.
    #[error("the request body is larger than the listener's limit")]
    TooLarge,
    /// The upstream closed the connection in the middle, or sent another length than it announced.
    #[error("the response body ended early: {0}")]
    Upstream(#[source] Box<dyn std::error::Error + Send + Sync>),
    /// A plugin ended the exchange after its head had been sent.
    #[error("a plugin ended the exchange")]
    Stopped,
    /// The exchange took longer than its route allows, or nothing moved for too long; the word is the access log's `abort_reason`.
    #[error("the exchange took too long: {0}")]
    TimedOut(&'static str),
}

impl BodyError {
    /// The value of the access log's field `abort_reason`.
    pub(crate) fn abort_reason(&self) -> &'static str {
        match self {
            Self::Client(_) => "client_reset",
            Self::TooLarge => "body_too_large",
            Self::Upstream(_) => "upstream_reset",
            Self::Stopped => "plugin_closed",
            Self::TimedOut(reason) => reason,
        }
    }
}
