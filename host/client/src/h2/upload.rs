//! [`Upload`]: the body of a request on its way out, which can begin anew as long as little of it was taken.
//!
//! An upstream that closes a connection says which streams it has not looked at (RFC 9113, section 6.8). Their requests go out again,
//! so what was taken of a body is kept until the response comes. The bound is the window that a stream has at first where nobody says
//! otherwise: an upstream that does not read a stream does not open its window.

use std::pin::Pin;
use std::rc::Rc;
use std::task::{Context, Poll, ready};

use bytes::Bytes;
use h2::SendStream;
use http::HeaderMap;
use http_body::{Body, Frame};

use super::connection::{Load, UploadWait};
use crate::error::BodyFailure;

/// The largest part of a body that is kept for another attempt, in bytes.
const MAX_KEPT: usize = 64 * 1024;
/// The largest number of pieces that are kept.
const MAX_PIECES: usize = 64;
/// Smaller pieces are kept as copies; in bytes.
const MIN_SHARED: usize = 4096;

/// The body of a request on its way out.
pub(super) struct Upload<B> {
    /// The body, until all of it has been taken.
    body: Option<B>,
    /// The bytes that it has still to bring, if it has said how many.
    left: Option<u64>,
    trailers: Option<HeaderMap>,
    /// What was taken so far; `None` when it was too much to keep.
    kept: Option<Vec<Bytes>>,
    kept_bytes: usize,
    /// How many of the kept pieces have gone out in this attempt.
    resent: usize,
    /// A piece that waits for its window.
    waiting: Option<Bytes>,
    wait: Option<UploadWait>,
    is_sent: bool,
}

/// Why an upload ended before its end.
pub(super) enum UploadEnd {
    /// The body failed.
    Body(BodyFailure),
    /// The stream takes no more; the response to it says why.
    Stream,
}

/// The body's length is not what its head says.
#[derive(Debug, thiserror::Error)]
#[error("the body is {0} than its content-length")]
struct LengthMismatch(&'static str);

impl<B> Upload<B>
where
    B: Body<Data = Bytes> + Unpin,
    B::Error: Into<BodyFailure>,
{
    pub(super) fn new(body: B) -> Self {
        let has_body = !body.is_end_stream();
        Self {
            left: if has_body { body.size_hint().exact() } else { None },
            body: has_body.then_some(body),
            trailers: None,
            kept: Some(Vec::new()),
            kept_bytes: 0,
            resent: 0,
            waiting: None,
            wait: None,
            is_sent: !has_body,
        }
    }

    /// The number of bytes that will be sent, if the body has said it.
    pub(super) fn length(&self) -> Option<u64> {
        self.left
    }

    /// Sends what there is and what the stream takes. Ready when nothing more is to be sent.
    pub(super) fn poll_send(
        &mut self,
        stream: &mut SendStream<Bytes>,
        load: &Rc<Load>,
        context: &mut Context<'_>,
    ) -> Poll<Result<(), UploadEnd>> {
        while !self.is_sent {
            if stream.poll_reset(context).is_ready() {
                return Poll::Ready(Err(UploadEnd::Stream));
            }
            if self.waiting.is_some() {
                ready!(self.poll_window(stream, load, context))?;
            }
            if let Some(mut rest) = self.waiting.take() {
                // No more than the window takes: the library would hold what is beyond it.
                let data = rest.split_to(rest.len().min(stream.capacity()));
                let is_end = rest.is_empty() && self.is_taken() && self.trailers.is_none();
                self.is_sent = is_end;
                stream.send_data(data, is_end).map_err(|_| UploadEnd::Stream)?;
                if !rest.is_empty() {
                    stream.reserve_capacity(rest.len());
                    self.waiting = Some(rest);
                }
                continue;
            }
            match ready!(self.poll_next(context)).map_err(UploadEnd::Body)? {
                // Nothing is claimed before it is there: a claim on the connection's window is one that other streams cannot have.
                Some(data) if !data.is_empty() => {
                    stream.reserve_capacity(data.len());
                    self.waiting = Some(data);
                }
                Some(_) => {}
                None => {
                    self.is_sent = true;
                    stream.reserve_capacity(0);
                    let ended = match &self.trailers {
                        Some(trailers) => stream.send_trailers(trailers.clone()),
                        None => stream.send_data(Bytes::new(), true),
                    };
                    ended.map_err(|_| UploadEnd::Stream)?;
                }
            }
        }
        Poll::Ready(Ok(()))
    }

    /// The next piece of the body, kept or new; `None` behind the last.
    fn poll_next(&mut self, context: &mut Context<'_>) -> Poll<Result<Option<Bytes>, BodyFailure>> {
        if let Some(piece) = self.kept.as_ref().and_then(|kept| kept.get(self.resent)) {
            self.resent += 1;
            return Poll::Ready(Ok(Some(piece.clone())));
        }
        let Some(body) = &mut self.body else {
            return Poll::Ready(Ok(None));
        };
        let frame = ready!(Pin::new(&mut *body).poll_frame(context));
        let data = match frame.transpose().map_err(Into::into)?.map(Frame::into_data) {
            Some(Ok(data)) => Some(data),
            Some(Err(frame)) => {
                self.trailers = frame.into_trailers().ok();
                None
            }
            None => None,
        };
        if data.is_none() || body.is_end_stream() {
            self.body = None;
        }
        if let (Some(left), Some(data)) = (&mut self.left, &data) {
            *left = left.checked_sub(data.len() as u64).ok_or(LengthMismatch("longer"))?;
        }
        if self.body.is_none() && self.left.is_some_and(|left| left > 0) {
            return Poll::Ready(Err(LengthMismatch("shorter").into()));
        }
        if let Some(data) = &data {
            self.retain(data);
        }
        Poll::Ready(Ok(data))
    }

    fn retain(&mut self, data: &Bytes) {
        self.kept_bytes += data.len();
        match &mut self.kept {
            Some(kept) if self.kept_bytes <= MAX_KEPT && kept.len() < MAX_PIECES => {
                // A small piece would keep the whole of the buffer that it came in.
                kept.push(match data.len() < MIN_SHARED {
                    true => Bytes::copy_from_slice(data),
                    false => data.clone(),
                });
                self.resent = kept.len();
            }
            kept => *kept = None,
        }
    }
}

impl<B> Upload<B> {
    /// One that has been sent.
    pub(super) fn done() -> Self {
        Self {
            body: None,
            left: None,
            trailers: None,
            kept: None,
            kept_bytes: 0,
            resent: 0,
            waiting: None,
            wait: None,
            is_sent: true,
        }
    }

    /// Whether there is nothing more to be sent.
    pub(super) fn is_sent(&self) -> bool {
        self.is_sent
    }

    /// Whether something of the body has been taken.
    pub(super) fn has_begun(&self) -> bool {
        self.kept_bytes > 0 || self.trailers.is_some() || self.kept.is_none()
    }

    /// The body, if there is one, of which nothing has been taken.
    pub(super) fn take_body(&mut self) -> Option<B> {
        self.body.take()
    }

    /// Whether there is no body to be sent, and was none.
    pub(super) fn is_empty(&self) -> bool {
        self.is_sent && self.kept_bytes == 0 && self.trailers.is_none()
    }

    /// Makes it begin anew, if all that was taken of it is there.
    pub(super) fn rewind(&mut self) -> bool {
        let was_empty = self.is_empty() && self.body.is_none();
        self.resent = 0;
        self.waiting = None;
        self.wait = None;
        self.is_sent = was_empty;
        self.kept.is_some()
    }

    /// Ready when the stream takes a byte.
    fn poll_window(
        &mut self,
        stream: &mut SendStream<Bytes>,
        load: &Rc<Load>,
        context: &mut Context<'_>,
    ) -> Poll<Result<(), UploadEnd>> {
        while stream.capacity() == 0 {
            match stream.poll_capacity(context) {
                Poll::Ready(Some(Ok(_))) => {}
                Poll::Ready(Some(Err(_)) | None) => return Poll::Ready(Err(UploadEnd::Stream)),
                Poll::Pending => {
                    self.wait.get_or_insert_with(|| UploadWait::new(load));
                    return Poll::Pending;
                }
            }
        }
        self.wait = None;
        Poll::Ready(Ok(()))
    }

    /// Forgets what was kept for another attempt: there will be none.
    pub(super) fn settle(&mut self) {
        if self.kept.as_ref().is_none_or(|kept| self.resent >= kept.len()) {
            self.kept = None;
        }
    }

    /// Whether all pieces have been taken.
    fn is_taken(&self) -> bool {
        self.body.is_none() && self.kept.as_ref().is_none_or(|kept| self.resent == kept.len())
    }
}
