//! How TCP connections end: what metrics and the access log call it.

use lockgate_upstream::SendError;

/// How a connection ended. A fixed set, so it can be a label.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Ending {
    /// Both sides said that they are done, and everything was passed on.
    Complete,
    /// The client broke off.
    ClientGone,
    /// The upstream broke off.
    UpstreamGone,
    /// The upstream had said all that it wanted, and took no more.
    UpstreamClosed,
    /// The upstream could not be connected to.
    UpstreamFailed,
    /// Connecting to the upstream took too long.
    UpstreamTimeout,
    /// The upstream has no endpoint.
    NoEndpoint,
    /// A plugin closed it.
    PluginClosed,
    /// A plugin failed, and its `on_error` is `deny`.
    PluginFailed,
    /// A plugin held more bytes than it may.
    HeldTooMuch,
    /// Nothing was sent either way for too long.
    Idle,
    /// The process is going down, and its time was over.
    Drained,
    /// The client's TLS handshake failed, or took too long.
    NoHandshake,
    /// The listener had as many connections as it may.
    OverLimit,
}

impl Ending {
    /// How many there are.
    pub const COUNT: usize = Self::ALL.len();

    /// All of them, in the order of their numbers.
    pub const ALL: [Self; 14] = [
        Self::Complete,
        Self::ClientGone,
        Self::UpstreamGone,
        Self::UpstreamClosed,
        Self::UpstreamFailed,
        Self::UpstreamTimeout,
        Self::NoEndpoint,
        Self::PluginClosed,
        Self::PluginFailed,
        Self::HeldTooMuch,
        Self::Idle,
        Self::Drained,
        Self::NoHandshake,
        Self::OverLimit,
    ];

    /// A label.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Complete => "complete",
            Self::ClientGone => "client_gone",
            Self::UpstreamGone => "upstream_gone",
            Self::UpstreamClosed => "upstream_closed",
            Self::UpstreamFailed => "upstream_failed",
            Self::UpstreamTimeout => "upstream_timeout",
            Self::NoEndpoint => "no_endpoint",
            Self::PluginClosed => "plugin_closed",
            Self::PluginFailed => "plugin_failed",
            Self::HeldTooMuch => "held_too_much",
            Self::Idle => "idle_timeout",
            Self::Drained => "drained",
            Self::NoHandshake => "tls_failed",
            Self::OverLimit => "connection_limit",
        }
    }

    /// What the two sides must not take for a regular end is ended by a reset.
    pub const fn is_abrupt(self) -> bool {
        matches!(
            self,
            Self::ClientGone | Self::UpstreamGone | Self::PluginFailed | Self::HeldTooMuch
        )
    }

    /// What became of an attempt to connect.
    pub fn of_dialling(error: &SendError) -> Self {
        match error {
            SendError::NoEndpoint => Self::NoEndpoint,
            SendError::ConnectTimeout { .. } => Self::UpstreamTimeout,
            _ => Self::UpstreamFailed,
        }
    }
}
