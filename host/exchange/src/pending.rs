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
    /// Plugins that reset the stream.
    pub close: Positions,
    /// Plugins that have failed for this exchange in a callback of another stream. It must not pass.
    pub failed: Positions,
    /// Plugins that have the request matched to a route again. Without effect after the upstream was chosen.
    pub reroute: Positions,
}

impl PendingActions {
    /// Whether no action is requested.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.local_response.is_none()
            && self.resume_request.is_empty()
            && self.resume_response.is_empty()
            && self.close.is_empty()
            && self.failed.is_empty()
    }

    /// Removes what the plugin at `position` has requested. What other plugins have requested stays.
    pub fn discard(&mut self, position: usize) {
        if self
            .local_response
            .as_ref()
            .is_some_and(|response| response.position == position)
        {
            self.local_response = None;
        }
        for requested in [
            &mut self.resume_request,
            &mut self.resume_response,
            &mut self.close,
            &mut self.failed,
            &mut self.reroute,
        ] {
            requested.take(position);
        }
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

    /// Removes all places. True if there were any.
    pub fn clear(&mut self) -> bool {
        std::mem::take(self) != Self::default()
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_one_plugin_discards_is_its_own_alone() {
        let response = |position| LocalResponse {
            status: StatusCode::FORBIDDEN,
            details: String::new(),
            headers: HeaderMap::new(),
            body: Bytes::new(),
            grpc_status: None,
            position,
        };
        let mut pending = PendingActions {
            local_response: Some(response(1)),
            ..PendingActions::default()
        };
        for position in [1, 3] {
            pending.resume_request.set(position);
            pending.resume_response.set(position);
            pending.close.set(position);
            pending.reroute.set(position);
        }
        pending.discard(3);
        assert!(pending.local_response.is_some(), "it is the other plugin's");
        let mut left = [
            pending.resume_request,
            pending.resume_response,
            pending.close,
            pending.reroute,
        ];
        assert!(
            left.iter_mut()
                .all(|left| !left.take(3) && left.take(1) && left.is_empty())
        );
        pending.discard(1);
        assert!(pending.is_empty() && pending.reroute.is_empty());
    }
}
