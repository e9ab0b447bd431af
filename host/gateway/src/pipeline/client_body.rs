//! The response's body as the client gets it, with the recorder that ends with it.

use std::pin::Pin;
use std::task::{Context, Poll, ready};

use bytes::Bytes;
use http_body::{Body, Frame, SizeHint};

use crate::body::error::BodyError;
use crate::chain::message_body::MessageBody;
use crate::pipeline::deadline::Overdue;
use crate::pipeline::recorder::RequestRecorder;

/// The body that the client gets, with the recorder that ends the request's record when the last byte is out.
pub(crate) struct ClientBody {
    body: MessageBody,
    recorder: Box<RequestRecorder>,
    /// Why the body broke off, until that is passed on.
    broken: Option<BodyError>,
}

impl ClientBody {
    /// Binds a body to the record of its request.
    pub(crate) fn new(body: MessageBody, recorder: Box<RequestRecorder>) -> Self {
        Self {
            body,
            recorder,
            broken: None,
        }
    }

    /// Ready with the access log's `abort_reason` when the exchange has taken longer than its route allows, though its response cannot
    /// be written; else the task is woken when it has.
    pub(crate) fn poll_overdue(&mut self, cx: &mut Context<'_>) -> Poll<&'static str> {
        self.recorder.poll_overdue(cx).map(Overdue::abort_reason)
    }

    /// Notes that the response broke off.
    pub(crate) fn abort(&mut self, abort_reason: &'static str) {
        self.recorder.aborted(&BodyError::TimedOut(abort_reason));
    }

    /// The next frame; an error one poll later than it comes. Whoever sends the body gives up all that is not yet on the wire
    /// when it hears of one, and flushes when it has to wait: what came before the break, the head above all, arrives.
    fn poll_next(&mut self, cx: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, BodyError>>> {
        if let Some(error) = self.broken.take() {
            return Poll::Ready(Some(Err(error)));
        }
        let error = match Pin::new(&mut self.body).poll_frame(cx) {
            Poll::Ready(Some(Err(error))) => error,
            Poll::Pending => match self.recorder.poll_overdue(cx) {
                Poll::Ready(overdue) => BodyError::TimedOut(overdue.abort_reason()),
                Poll::Pending => return Poll::Pending,
            },
            other => return other,
        };
        self.broken = Some(error);
        cx.waker().wake_by_ref();
        Poll::Pending
    }
}

impl Body for ClientBody {
    type Data = Bytes;
    type Error = BodyError;

    fn poll_frame(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, BodyError>>> {
        let this = &mut *self;
        let frame = ready!(this.poll_next(cx));
        match &frame {
            Some(Ok(frame)) => match frame.trailers_ref() {
                Some(trailers) => this.recorder.note_grpc_status(trailers),
                None => this.recorder.sent(frame.data_ref().map_or(0, Bytes::len)),
            },
            Some(Err(error)) => this.recorder.aborted(error),
            None => this.recorder.complete(),
        }
        if this.is_end_stream() {
            this.recorder.complete();
        }
        Poll::Ready(frame)
    }

    fn is_end_stream(&self) -> bool {
        self.broken.is_none() && self.body.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.body.size_hint()
    }
}
