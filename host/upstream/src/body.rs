//! [`PooledBody`]: an answer's body as it comes from an upstream, and with it the connection that it comes on.

use std::fmt;
use std::pin::Pin;
use std::task::{Context, Poll, Waker};

use bytes::Bytes;
use http_body::{Body, Frame, SizeHint};
use hyper::body::Incoming;

use crate::connection::Held;

/// The body of an upstream's answer. At its clean end the connection goes back to the pool; dropped before, the
/// connection is closed.
///
/// A body that is cut short, or whose framing is broken, ends with an error, never as if it were complete. Reading it
/// also moves on what is left of the request's body.
pub struct PooledBody {
    incoming: Incoming,
    connection: Option<Box<dyn Held>>,
}

impl PooledBody {
    pub(crate) fn new(incoming: Incoming, connection: Box<dyn Held>) -> Self {
        let mut body = Self {
            incoming,
            connection: Some(connection),
        };
        if body.incoming.is_end_stream() {
            body.finish();
        }
        body
    }

    fn finish(&mut self) {
        if let Some(connection) = self.connection.take() {
            connection.give_back();
        }
    }

    fn poll_incoming(&mut self) -> Poll<Option<Result<Frame<Bytes>, hyper::Error>>> {
        let incoming = Pin::new(&mut self.incoming);
        // Frames only come when this very task drives the connection, so nobody needs to be woken for them.
        let mut context = Context::from_waker(Waker::noop());
        match &self.connection {
            Some(connection) => connection.doorbell().muffled(|| incoming.poll_frame(&mut context)),
            None => incoming.poll_frame(&mut context),
        }
    }
}

impl Body for PooledBody {
    type Data = Bytes;
    type Error = hyper::Error;

    fn poll_frame(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, hyper::Error>>> {
        let this = self.get_mut();
        let mut frame = this.poll_incoming();
        if frame.is_pending() {
            if let Some(connection) = &mut this.connection {
                connection.drive(context);
            }
            frame = this.poll_incoming();
        }
        match &frame {
            Poll::Ready(None) => this.finish(),
            Poll::Ready(Some(Ok(_))) if this.incoming.is_end_stream() => this.finish(),
            Poll::Ready(Some(Err(_))) => this.connection = None,
            Poll::Ready(Some(Ok(_))) | Poll::Pending => {}
        }
        frame
    }

    fn is_end_stream(&self) -> bool {
        self.incoming.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.incoming.size_hint()
    }
}

impl fmt::Debug for PooledBody {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter
            .debug_struct("PooledBody")
            .field("is_open", &self.connection.is_some())
            .finish_non_exhaustive()
    }
}
