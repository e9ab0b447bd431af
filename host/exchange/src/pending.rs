//! [`PendingActions`]: what plugins ask the pipeline to do. It acts when the callback has returned.

use bytes::Bytes;
use http::{HeaderMap, StatusCode};

/// The actions that plugins of one exchange have requested. The pipeline takes them.
#[derive(Debug, Default)]
pub struct PendingActions {
    /// Send this response to the client, instead of the upstream's.
    pub local_response: Option<LocalResponse>,
    /// Plugins that resume the request they had paused. On a TCP connection: the bytes from the client.
    pub resume_request: Positions,
    /// Plugins that resume the response they had paused. On a TCP connection: the bytes from the upstream.
    pub resume_response: Positions,
    /// Reset the stream.
    pub close: bool,
    /// Match the request to a route again. Without effect after the upstream was chosen.
    pub reroute: bool,
}

impl PendingActions {
    /// Whether no action is requested.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.local_response.is_none()
            && self.resume_request.is_empty()
            && self.resume_response.is_empty()
            && !self.close
    }
}

/// A set of places in the chain. The place of a stream context is the exchange's `position` when it was opened: a callout or a
/// tick may request something for one plugin while another is being called.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Positions(u64);

impl Positions {
    /// The maximum length of a chain.
    pub const MAX: usize = 64;

    /// Adds a place. One beyond [`Positions::MAX`] is ignored.
    pub fn set(&mut self, position: usize) {
        if position < Self::MAX {
            self.0 |= 1 << position;
        }
    }

    /// Removes a place. True if it was in the set.
    pub fn take(&mut self, position: usize) -> bool {
        let bit = if position < Self::MAX { 1 << position } else { 0 };
        let was = self.0 & bit != 0;
        self.0 &= !bit;
        was
    }

    /// Whether the set is empty.
    #[must_use]
    pub const fn is_empty(self) -> bool {
        self.0 == 0
    }
}

/// A response that a plugin sends itself.
#[derive(Clone, Debug)]
pub struct LocalResponse {
    /// 200 to 599.
    pub status: StatusCode,
    /// For the access log and `response.code_details`; may be empty.
    pub details: String,
    /// The headers. They were checked as header writes are.
    pub headers: HeaderMap,
    /// The body; its length becomes `content-length`.
    pub body: Bytes,
    /// The gRPC status for a gRPC client. `None` if the plugin gave none (-1).
    pub grpc_status: Option<u32>,
    /// The place in the chain of the plugin that responds.
    pub position: usize,
}
