//! [`StreamEvent`] and [`StreamReply`]: what a scripted upstream gets on gRPC streams, and what it sends.

use std::time::Duration;

use crate::abi::grpc_status::GrpcStatus;
use crate::host::memory::Pairs;

/// An event of a gRPC stream, as the upstream gets it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum StreamEvent<'a> {
    /// The plugin has opened the stream.
    Opened,
    /// The plugin has sent a message.
    Message(&'a [u8]),
    /// The plugin has ended its direction of the stream.
    End,
    /// The plugin has cancelled the stream. A reply has no effect.
    Cancelled,
}

/// What an upstream sends on a gRPC stream after an event, built from [`stream_reply`].
#[derive(Debug, Clone, Default)]
pub struct StreamReply {
    pub(super) metadata: Pairs,
    pub(super) messages: Vec<Vec<u8>>,
    pub(super) trailers: Pairs,
    pub(super) end: Option<(GrpcStatus, String)>,
    pub(super) delay: Duration,
}

/// An empty reply: the upstream sends nothing.
pub fn stream_reply() -> StreamReply {
    StreamReply::default()
}

impl StreamReply {
    /// Adds a field to the initial metadata, which are sent with the first reply.
    pub fn metadata(mut self, name: &str, value: &str) -> StreamReply {
        self.metadata.push((name.to_owned(), value.as_bytes().to_vec()));
        self
    }

    /// Adds a message.
    pub fn message(mut self, message: impl Into<Vec<u8>>) -> StreamReply {
        self.messages.push(message.into());
        self
    }

    /// Adds a field to the trailing metadata.
    pub fn trailer(mut self, name: &str, value: &str) -> StreamReply {
        self.trailers.push((name.to_owned(), value.as_bytes().to_vec()));
        self
    }

    /// Ends the stream with the status `OK`, after the messages.
    pub fn end(self) -> StreamReply {
        self.fail(GrpcStatus::OK, "")
    }

    /// Ends the stream with this status and message, after the messages.
    pub fn fail(mut self, status: impl Into<GrpcStatus>, message: &str) -> StreamReply {
        self.end = Some((status.into(), message.to_owned()));
        self
    }

    /// Delays the reply, in the order of the replies; see [`Gateway::advance`](super::Gateway::advance).
    pub fn after(mut self, delay: Duration) -> StreamReply {
        self.delay = delay;
        self
    }

    pub(super) fn is_empty(&self) -> bool {
        self.metadata.is_empty() && self.messages.is_empty() && self.end.is_none()
    }
}
