//! What scripted upstreams see on gRPC streams, and what they send.

use std::time::Duration;

use crate::abi::grpc_status::GrpcStatus;
use crate::host::memory::Pairs;

/// What an upstream hears of a plugin on a gRPC stream.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum StreamEvent<'a> {
    /// The stream was opened.
    Opened,
    /// A message.
    Message(&'a [u8]),
    /// The plugin sends nothing more.
    End,
    /// The plugin has given the stream up. What is said to that reaches nobody.
    Cancelled,
}

/// What an upstream says on a gRPC stream; [`says`] begins it.
#[derive(Debug, Clone, Default)]
pub struct StreamReply {
    pub(super) metadata: Pairs,
    pub(super) messages: Vec<Vec<u8>>,
    pub(super) trailers: Pairs,
    pub(super) end: Option<(GrpcStatus, String)>,
    pub(super) delay: Duration,
}

/// Nothing yet.
pub fn stream_reply() -> StreamReply {
    StreamReply::default()
}

impl StreamReply {
    /// Adds a field of the initial metadata, which are sent with the first thing that is said.
    pub fn metadata(mut self, name: &str, value: &str) -> StreamReply {
        self.metadata.push((name.to_owned(), value.as_bytes().to_vec()));
        self
    }

    /// Adds a message.
    pub fn message(mut self, message: impl Into<Vec<u8>>) -> StreamReply {
        self.messages.push(message.into());
        self
    }

    /// Adds a field of the trailing metadata.
    pub fn trailer(mut self, name: &str, value: &str) -> StreamReply {
        self.trailers.push((name.to_owned(), value.as_bytes().to_vec()));
        self
    }

    /// Ends the stream well, behind the messages.
    pub fn end(self) -> StreamReply {
        self.fail(GrpcStatus::OK, "")
    }

    /// Ends the stream with this status and what comes with it, behind the messages.
    pub fn fail(mut self, status: impl Into<GrpcStatus>, message: &str) -> StreamReply {
        self.end = Some((status.into(), message.to_owned()));
        self
    }

    /// Has it come later, but never before what was said before; see [`Gateway::advance`](super::Gateway::advance).
    pub fn after(mut self, delay: Duration) -> StreamReply {
        self.delay = delay;
        self
    }

    pub(super) fn is_empty(&self) -> bool {
        self.metadata.is_empty() && self.messages.is_empty() && self.end.is_none()
    }
}
