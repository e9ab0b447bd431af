//! gRPC callouts: the call, its events, and the handles of both ends.

use std::rc::Weak;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use http::uri::PathAndQuery;
use http::{HeaderMap, HeaderValue};
use lockgate_abi::Status;
use lockgate_exchange::{MemoryAccount, Reservation, ResponseHead};

use super::Callbacks;

/// A gRPC call or stream of a plugin.
#[derive(Clone, Debug)]
pub struct GrpcCall {
    /// The upstream's name.
    pub upstream: String,
    /// `:authority`, if the plugin named one.
    pub authority: Option<HeaderValue>,
    /// `/SERVICE/METHOD`.
    pub path: PathAndQuery,
    /// Initial metadata. It was checked as header writes are.
    pub metadata: HeaderMap,
    /// A call or a stream.
    pub kind: GrpcKind,
    /// The id of the request that the plugin works for.
    pub request_id: Option<HeaderValue>,
}

/// The kind of a gRPC callout.
#[derive(Clone, Debug)]
pub enum GrpcKind {
    /// One message in each direction. One event ends it: [`GrpcEvent::Message`] or [`GrpcEvent::Closed`].
    Call {
        /// The message.
        message: Bytes,
        /// From the start to the response. `None` is no limit.
        timeout: Option<Duration>,
    },
    /// Any number of messages in each direction. [`GrpcEvent::Closed`] ends it.
    Stream,
}

/// An event of a gRPC call or stream.
#[derive(Clone, Debug)]
pub enum GrpcEvent {
    /// The response's head. `None` for a trailers-only response.
    Initial(Option<ResponseHead>),
    /// A message, without its frame.
    Message(Bytes),
    /// Trailing metadata.
    Trailing(HeaderMap),
    /// The end of the call or stream.
    Closed {
        /// The gRPC status code.
        status: u32,
        /// The status message; may be empty.
        message: String,
    },
}

/// The plugin's end of an open call or stream. Dropping it cancels the call.
pub trait GrpcStream {
    /// Sends a message. With `end`, closes the sending direction after it.
    ///
    /// # Errors
    /// [`Status::BadArgument`] if the maximum number of messages waits to be sent.
    fn send(&self, message: Bytes, end: bool) -> Result<(), Status>;

    /// Closes the sending direction.
    fn close(&self);
}

/// Delivers the events of a call or stream. Dropped before the end, it delivers UNAVAILABLE.
pub struct GrpcReply {
    callbacks: Weak<dyn Callbacks>,
    id: u32,
    is_over: bool,
    account: Arc<MemoryAccount>,
}

impl GrpcReply {
    pub(crate) fn new(callbacks: Weak<dyn Callbacks>, id: u32, account: Arc<MemoryAccount>) -> Self {
        Self {
            callbacks,
            id,
            is_over: false,
            account,
        }
    }

    /// The plugin's memory, for what arrives of a message.
    #[must_use]
    pub fn memory(&self) -> Reservation {
        self.account.open()
    }

    /// Runs the guest's callback, now or as soon as its VM is free. Without effect if the events are no longer wanted.
    pub fn deliver(&mut self, event: GrpcEvent) {
        if self.is_over {
            return;
        }
        self.is_over = matches!(event, GrpcEvent::Closed { .. });
        if let Some(callbacks) = self.callbacks.upgrade() {
            callbacks.grpc(self.id, event);
        }
    }

    /// Delivers the response of a call that succeeded.
    pub fn finish(mut self, message: Bytes) {
        self.deliver(GrpcEvent::Message(message));
        self.is_over = true;
    }
}

impl Drop for GrpcReply {
    fn drop(&mut self) {
        /// The status UNAVAILABLE of gRPC.
        const UNAVAILABLE: u32 = 14;
        self.deliver(GrpcEvent::Closed {
            status: UNAVAILABLE,
            message: "the upstream was lost".to_owned(),
        });
    }
}
