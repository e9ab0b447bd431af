//! [`PooledBody`]: an answer's body as it comes from an upstream, and with it the connection that it comes on.

use std::fmt;
use std::pin::Pin;
use std::task::{Context, Poll, ready};

use bytes::Bytes;
use http_body::{Body, Frame, SizeHint};

use crate::connection::Held;
use crate::error::ConnectionError;

/// The body of an upstream's answer. At its clean end the connection goes back to the pool; dropped before, the
/// connection is closed, or, in HTTP/2, the stream is reset.
///
/// A body that is cut short, or whose framing is broken, ends with an error, never as if it were complete. Reading it
/// also moves on what is left of the request's body.
pub struct PooledBody(State);

enum State {
    /// All that is left, which has come already; the connection has been given back.
    Whole(Bytes),
    Open(Box<dyn Held>),
}

impl PooledBody {
    /// A body that has all come.
    pub fn whole(data: Bytes) -> Self {
        Self(State::Whole(data))
    }

    /// A body that comes on this connection.
    pub fn open(connection: Box<dyn Held>) -> Self {
        Self(State::Open(connection))
    }

    fn close(&mut self) -> Option<Box<dyn Held>> {
        match std::mem::replace(&mut self.0, State::Whole(Bytes::new())) {
            State::Open(connection) => Some(connection),
            State::Whole(_) => None,
        }
    }
}

impl Body for PooledBody {
    type Data = Bytes;
    type Error = ConnectionError;

    fn poll_frame(
        self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, ConnectionError>>> {
        let this = self.get_mut();
        let connection = match &mut this.0 {
            State::Whole(data) if data.is_empty() => return Poll::Ready(None),
            State::Whole(data) => return Poll::Ready(Some(Ok(Frame::data(std::mem::take(data))))),
            State::Open(connection) => connection,
        };
        let frame = ready!(connection.poll_frame(context));
        if matches!(frame, Some(Err(_))) {
            this.close();
        } else if connection.remaining() == Some(0)
            && let Some(connection) = this.close()
        {
            connection.give_back();
        }
        Poll::Ready(frame)
    }

    fn is_end_stream(&self) -> bool {
        match &self.0 {
            State::Whole(data) => data.is_empty(),
            State::Open(connection) => connection.remaining() == Some(0),
        }
    }

    fn size_hint(&self) -> SizeHint {
        match &self.0 {
            State::Whole(data) => SizeHint::with_exact(data.len() as u64),
            State::Open(connection) => connection
                .remaining()
                .map_or_else(SizeHint::default, SizeHint::with_exact),
        }
    }
}

impl fmt::Debug for PooledBody {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter
            .debug_struct("PooledBody")
            .field("is_open", &matches!(self.0, State::Open(_)))
            .finish_non_exhaustive()
    }
}
