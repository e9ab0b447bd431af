//! Why a TCP connection ended, as metrics and the access log name it.

use lockgate_upstream::SendError;

/// Why a TCP connection ended. A fixed set, so that it can be a label.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum CloseReason {
    /// Both sides ended their data, and all of it was forwarded.
    Complete,
    /// The client reset the connection.
    ClientReset,
    /// The upstream reset the connection.
    UpstreamReset,
    /// The upstream ended its data and accepted no more.
    UpstreamClosed,
    /// The connection to the upstream failed.
    UpstreamFailed,
    /// The connection to the upstream took longer than its connect timeout.
    UpstreamTimeout,
    /// The upstream has no endpoint.
    NoEndpoint,
    /// A plugin closed the connection.
    PluginClosed,
    /// A plugin failed, and its `on_error` is `deny`.
    PluginFailed,
    /// A plugin buffered more bytes than its `limits.body`.
    BufferLimit,
    /// Neither side sent anything within the listener's `idle_timeout`.
    IdleTimeout,
    /// The gateway shut down, and the drain timeout passed.
    Drained,
    /// The client's TLS handshake failed or took too long.
    TlsHandshakeFailed,
    /// The listener had its maximum number of connections.
    ConnectionLimit,
}

impl CloseReason {
    /// All reasons, in the order of their numbers.
    pub const ALL: [Self; 14] = [
        Self::Complete,
        Self::ClientReset,
        Self::UpstreamReset,
        Self::UpstreamClosed,
        Self::UpstreamFailed,
        Self::UpstreamTimeout,
        Self::NoEndpoint,
        Self::PluginClosed,
        Self::PluginFailed,
        Self::BufferLimit,
        Self::IdleTimeout,
        Self::Drained,
        Self::TlsHandshakeFailed,
        Self::ConnectionLimit,
    ];

    /// The number of reasons.
    pub const COUNT: usize = Self::ALL.len();

    /// The value of the label and of the access log's field `result`.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Complete => "complete",
            Self::ClientReset => "client_reset",
            Self::UpstreamReset => "upstream_reset",
            Self::UpstreamClosed => "upstream_closed",
            Self::UpstreamFailed => "upstream_failed",
            Self::UpstreamTimeout => "upstream_timeout",
            Self::NoEndpoint => "no_endpoint",
            Self::PluginClosed => "plugin_closed",
            Self::PluginFailed => "plugin_failed",
            Self::BufferLimit => "buffer_limit",
            Self::IdleTimeout => "idle_timeout",
            Self::Drained => "drained",
            Self::TlsHandshakeFailed => "tls_handshake_failed",
            Self::ConnectionLimit => "connection_limit",
        }
    }

    /// Whether the connection is closed by a reset, so that neither side takes it for a regular end.
    pub const fn is_abrupt(self) -> bool {
        matches!(
            self,
            Self::ClientReset | Self::UpstreamReset | Self::PluginFailed | Self::BufferLimit
        )
    }

    /// The reason when the connection to the upstream could not be made.
    pub fn of_connect_error(error: &SendError) -> Self {
        match error {
            SendError::NoEndpoint => Self::NoEndpoint,
            SendError::ConnectTimeout { .. } | SendError::TlsTimeout { .. } => Self::UpstreamTimeout,
            _ => Self::UpstreamFailed,
        }
    }
}
