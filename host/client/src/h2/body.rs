//! The body of an HTTP/2 response, which holds the permit of its stream until its end.

use std::pin::Pin;
use std::task::{Context, Poll, ready};

use bytes::Bytes;
use http_body::{Body, Frame};
use hyper::body::Incoming;

use super::connection::StreamPermit;
use crate::body::{BodySource, PooledBody};
use crate::error::ConnectionError;

/// The body of a response that came on the stream of this permit.
pub(super) fn pooled(incoming: Incoming, permit: StreamPermit) -> PooledBody {
    if incoming.is_end_stream() {
        PooledBody::complete(Bytes::new())
    } else {
        PooledBody::open(Box::new(StreamBody {
            incoming,
            _permit: permit,
        }))
    }
}

/// A body that is still to come. Dropping it resets its stream.
struct StreamBody {
    incoming: Incoming,
    _permit: StreamPermit,
}

impl BodySource for StreamBody {
    fn poll_frame(&mut self, context: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, ConnectionError>>> {
        let frame = ready!(Pin::new(&mut self.incoming).poll_frame(context));
        Poll::Ready(frame.map(|frame| frame.map_err(ConnectionError::Http2)))
    }

    fn remaining(&self) -> Option<u64> {
        if self.incoming.is_end_stream() {
            return Some(0);
        }
        // Trailers may follow the last byte.
        self.incoming.size_hint().exact().filter(|&left| left > 0)
    }

    fn release(self: Box<Self>) {}
}
