//! The body of an HTTP/2 response, which holds the permit of its stream until its end.
//!
//! It is whole only when its stream ends with END_STREAM. A reset is not an end, whatever its reason.

use std::cell::RefCell;
use std::rc::Rc;
use std::task::{Context, Poll, ready};

use bytes::Bytes;
use h2::RecvStream;
use http_body::Frame;
use tokio::task::AbortHandle;

use super::connection::StreamPermit;
use crate::body::BodySource;
use crate::error::{BodyFailure, ConnectionError};

/// A body that is still to come. Dropping it resets its stream.
pub(super) struct StreamBody {
    pub(super) incoming: RecvStream,
    /// The bytes that are still to come, if the head has said it.
    pub(super) left: Option<u64>,
    pub(super) upload: Option<UploadTask>,
    pub(super) _permit: StreamPermit,
}

/// The rest of the request's body, which goes out while the response comes. It ends with this.
pub(super) struct UploadTask {
    pub(super) task: AbortHandle,
    /// Why the body failed.
    pub(super) failure: Rc<RefCell<Option<BodyFailure>>>,
}

impl Drop for UploadTask {
    fn drop(&mut self) {
        self.task.abort();
    }
}

impl StreamBody {
    fn poll_event(&mut self, context: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, h2::Error>>> {
        if let Some(data) = ready!(self.incoming.poll_data(context)) {
            return Poll::Ready(Some(data.and_then(|data| {
                self.incoming.flow_control().release_capacity(data.len())?;
                self.left = self.left.map(|left| left.saturating_sub(data.len() as u64));
                Ok(Frame::data(data))
            })));
        }
        let trailers = ready!(self.incoming.poll_trailers(context));
        Poll::Ready(trailers.transpose().map(|trailers| trailers.map(Frame::trailers)))
    }
}

impl BodySource for StreamBody {
    fn poll_frame(&mut self, context: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, ConnectionError>>> {
        let frame = ready!(self.poll_event(context));
        Poll::Ready(frame.map(|frame| {
            frame.map_err(|error| {
                let failed = self.upload.as_ref().and_then(|upload| upload.failure.take());
                failed.map_or(ConnectionError::Http2(error), ConnectionError::RequestBody)
            })
        }))
    }

    fn remaining(&self) -> Option<u64> {
        if self.incoming.is_end_stream() {
            return Some(0);
        }
        // Trailers may follow the last byte.
        self.left.filter(|&left| left > 0)
    }

    fn release(self: Box<Self>) {}
}
