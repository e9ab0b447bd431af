//! gRPC callouts as the outside sees them: what is opened, what happens on it, and where that is told.

use std::rc::Weak;
use std::time::Duration;

use bytes::Bytes;
use http::uri::PathAndQuery;
use http::{HeaderMap, HeaderValue};
use lockgate_abi::Status;
use lockgate_exchange::ResponseHead;

use super::Callbacks;

/// A gRPC call or stream that a plugin wants to be opened.
#[derive(Clone, Debug)]
pub struct GrpcCall {
    /// The upstream's name.
    pub upstream: String,
    /// `:authority`, if the plugin named one.
    pub authority: Option<HeaderValue>,
    /// `/SERVICE/METHOD`.
    pub path: PathAndQuery,
    /// Initial metadata, checked as header writes are.
    pub metadata: HeaderMap,
    /// One message or many.
    pub kind: GrpcKind,
}

/// What of gRPC a plugin uses.
#[derive(Clone, Debug)]
pub enum GrpcKind {
    /// One message each way. Its outcome is told by one event: [`GrpcEvent::Message`] or [`GrpcEvent::Closed`].
    Call {
        /// The message.
        message: Bytes,
        /// From the start to the answer; none has no limit.
        timeout: Option<Duration>,
    },
    /// As many messages as they like; its events end with [`GrpcEvent::Closed`].
    Stream,
}

/// What happens on a gRPC call or stream.
#[derive(Clone, Debug)]
pub enum GrpcEvent {
    /// The head of the answer; none if there is nothing but an end.
    Initial(Option<ResponseHead>),
    /// A message, without its frame.
    Message(Bytes),
    /// What came behind the last message.
    Trailing(HeaderMap),
    /// The end, as a gRPC status and what was said about it.
    Closed {
        /// The gRPC status code.
        status: u32,
        /// For people; may be empty.
        message: String,
    },
}

/// The plugin's end of an open call or stream. Dropped, it cancels what is open.
pub trait GrpcStream {
    /// Sends a message, and closes this direction behind it if `end`.
    ///
    /// # Errors
    /// [`Status::BadArgument`] when more waits to be sent than may.
    fn send(&self, message: Bytes, end: bool) -> Result<(), Status>;

    /// Sends nothing more.
    fn close(&self);
}

/// Where the events of a call or stream go. Dropped before its end, it tells that the upstream was lost.
pub struct GrpcReply {
    callbacks: Weak<dyn Callbacks>,
    id: u32,
    is_over: bool,
}

impl GrpcReply {
    pub(crate) fn new(callbacks: Weak<dyn Callbacks>, id: u32) -> Self {
        Self {
            callbacks,
            id,
            is_over: false,
        }
    }

    /// Runs the guest's callback, now or when its VM is free. Nothing happens if nobody wants it any more.
    pub fn deliver(&mut self, event: GrpcEvent) {
        if self.is_over {
            return;
        }
        self.is_over = matches!(event, GrpcEvent::Closed { .. });
        if let Some(callbacks) = self.callbacks.upgrade() {
            callbacks.grpc(self.id, event);
        }
    }

    /// The last event of a call that went well.
    pub fn finish(mut self, message: Bytes) {
        self.deliver(GrpcEvent::Message(message));
        self.is_over = true;
    }
}

impl Drop for GrpcReply {
    fn drop(&mut self) {
        /// gRPC's UNAVAILABLE.
        const UNAVAILABLE: u32 = 14;
        self.deliver(GrpcEvent::Closed {
            status: UNAVAILABLE,
            message: "the upstream was lost".to_owned(),
        });
    }
}
