//! [`StreamBody`]: a client's body on a stream of an HTTP/2 connection.
//!
//! Such a body is whole when the stream has ended, or when all of the announced length has come. A stream that the client resets before
//! breaks it off, whatever the reason of the reset.

use std::cell::RefCell;
use std::pin::Pin;
use std::rc::Rc;
use std::task::{Context, Poll, ready};

use bytes::Bytes;
use h2::{RecvStream, StreamId};
use http_body::{Body, Frame, SizeHint};

use crate::body::error::BodyError;

/// Streams whose trailers break the protocol in a way that the HTTP library repairs in silence.
#[derive(Clone, Debug, Default)]
pub(crate) struct BadTrailers(Rc<RefCell<Vec<u32>>>);

impl BadTrailers {
    /// Notes one.
    pub(crate) fn add(&self, stream: u32) {
        self.0.borrow_mut().push(stream);
    }

    /// Whether the stream is among them; it is forgotten then.
    fn take(&self, stream: StreamId) -> bool {
        let mut streams = self.0.borrow_mut();
        let found = streams.iter().position(|bad| *bad == stream.as_u32());
        found.map(|at| streams.swap_remove(at)).is_some()
    }
}

/// The body of one request.
pub(crate) struct StreamBody {
    stream: RecvStream,
    /// What is left of the announced length.
    left: Option<u64>,
    /// All data has come; trailers may follow.
    is_data_over: bool,
    bad_trailers: BadTrailers,
}

impl StreamBody {
    /// The body on `stream`, with the length that the request's head announces.
    pub(crate) fn new(stream: RecvStream, length: Option<u64>, bad_trailers: BadTrailers) -> Self {
        Self {
            stream,
            left: length,
            is_data_over: false,
            bad_trailers,
        }
    }

    fn broken(&self, error: h2::Error) -> Option<Result<Frame<Bytes>, BodyError>> {
        if self.left == Some(0) {
            return None;
        }
        Some(Err(BodyError::Client(error.into())))
    }
}

impl Body for StreamBody {
    type Data = Bytes;
    type Error = BodyError;

    fn poll_frame(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, BodyError>>> {
        let this = self.get_mut();
        if !this.is_data_over {
            match ready!(this.stream.poll_data(cx)) {
                Some(Ok(data)) => {
                    // The next piece is asked for when this one has gone on.
                    let _ = this.stream.flow_control().release_capacity(data.len());
                    this.left = this.left.map(|left| left.saturating_sub(data.len() as u64));
                    return Poll::Ready(Some(Ok(Frame::data(data))));
                }
                Some(Err(error)) => return Poll::Ready(this.broken(error)),
                None => this.is_data_over = true,
            }
        }
        match ready!(this.stream.poll_trailers(cx)) {
            Ok(Some(_)) if this.bad_trailers.take(this.stream.stream_id()) => {
                Poll::Ready(Some(Err(BodyError::Client("malformed trailers".into()))))
            }
            Ok(trailers) => Poll::Ready(trailers.map(|trailers| Ok(Frame::trailers(trailers)))),
            Err(error) => Poll::Ready(this.broken(error)),
        }
    }

    fn is_end_stream(&self) -> bool {
        self.stream.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        match self.left {
            Some(left) => SizeHint::with_exact(left),
            None if self.is_end_stream() => SizeHint::with_exact(0),
            None => SizeHint::default(),
        }
    }
}
