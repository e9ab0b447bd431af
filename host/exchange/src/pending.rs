//! What plugins ask the pipeline to do. Asking is noting; the pipeline acts when the callback has returned.

use bytes::Bytes;
use http::{HeaderMap, StatusCode};

/// Open wishes of the plugins of one exchange. The pipeline takes them.
#[derive(Debug, Default)]
pub struct PendingActions {
    /// Answer the client with this instead of asking the upstream.
    pub local_response: Option<LocalResponse>,
    /// Plugins that let the request go on that they hold; on a TCP connection, the bytes from the client.
    pub resume_request: Positions,
    /// Plugins that let the response go on that they hold; on a TCP connection, the bytes from the upstream.
    pub resume_response: Positions,
    /// End the stream.
    pub close: bool,
    /// Look for the request's route again, as it may match another one by now. Counts until the upstream is chosen.
    pub reroute: bool,
}

impl PendingActions {
    /// Whether there is anything to do.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.local_response.is_none()
            && self.resume_request.is_empty()
            && self.resume_response.is_empty()
            && !self.close
    }
}

/// Places in the chain. The place of a stream context is the exchange's `position` at the moment it was opened: a callout or
/// tick may ask on behalf of one plugin while another is being called.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Positions(u64);

impl Positions {
    /// Longest chain that can be told apart.
    pub const MAX: usize = 64;

    /// Adds a place; one beyond [`Positions::MAX`] is none of a chain's.
    pub fn set(&mut self, position: usize) {
        if position < Self::MAX {
            self.0 |= 1 << position;
        }
    }

    /// Takes a place out; true if it was in.
    pub fn take(&mut self, position: usize) -> bool {
        let bit = if position < Self::MAX { 1 << position } else { 0 };
        let was = self.0 & bit != 0;
        self.0 &= !bit;
        was
    }

    /// Whether no place is in.
    #[must_use]
    pub const fn is_empty(self) -> bool {
        self.0 == 0
    }
}

/// An answer that a plugin gives itself.
#[derive(Clone, Debug)]
pub struct LocalResponse {
    /// 200 to 599.
    pub status: StatusCode,
    /// For the access log (`response.code_details`); may be empty.
    pub details: String,
    /// Headers, checked as every header write is.
    pub headers: HeaderMap,
    /// The body; its length becomes `content-length`.
    pub body: Bytes,
    /// A gRPC status for a gRPC client; `None` if it was not set (-1).
    pub grpc_status: Option<u32>,
    /// Where in the chain the plugin stands that answered: its stream context's place.
    pub position: usize,
}
