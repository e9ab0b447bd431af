//! [`Replay`]: the body of a request that may have to be sent again. What was taken of it is kept, up to a limit.

use std::cell::RefCell;
use std::pin::Pin;
use std::rc::Rc;
use std::task::{Context, Poll, ready};

use bytes::Bytes;
use http::HeaderMap;
use http_body::{Body, Frame, SizeHint};

/// The largest number of pieces that are kept: many small ones take more than their bytes.
const MAX_PIECES: usize = 1024;
/// Smaller pieces are kept as copies, in bytes: one would keep the whole of the buffer that it came in.
const MIN_SHARED: usize = 4096;

/// A body that can be sent again as long as all that was taken of it is kept.
#[derive(Debug)]
pub(crate) struct Replay<B>(Rc<RefCell<Source<B>>>);

#[derive(Debug)]
struct Source<B> {
    /// The body, until all of it has been taken.
    body: Option<B>,
    /// Its length, if it has said it.
    length: Option<u64>,
    kept: Vec<Bytes>,
    /// Bytes that were taken, kept or not.
    taken: usize,
    max: usize,
    trailers: Option<HeaderMap>,
    /// Something of it is gone: it cannot be sent again.
    is_lost: bool,
}

/// The body as one attempt sends it, from its beginning.
#[derive(Debug)]
pub struct ReplayBody<B> {
    source: Rc<RefCell<Source<B>>>,
    /// Kept pieces that have gone out.
    sent: usize,
    sent_bytes: u64,
    has_ended: bool,
}

impl<B: Body<Data = Bytes> + Unpin> Replay<B> {
    /// Keeps up to `max` bytes of `body`.
    pub(crate) fn new(body: B, max: usize) -> Self {
        Self(Rc::new(RefCell::new(Source {
            length: body.size_hint().exact(),
            body: Some(body),
            kept: Vec::new(),
            taken: 0,
            max,
            trailers: None,
            is_lost: false,
        })))
    }

    /// Whether it can be sent, again or for the first time.
    pub(crate) fn is_whole(&self) -> bool {
        !self.0.borrow().is_lost
    }

    /// The body for one attempt; the one of the attempt before is not read any more.
    pub(crate) fn body(&self) -> ReplayBody<B> {
        ReplayBody {
            source: Rc::clone(&self.0),
            sent: 0,
            sent_bytes: 0,
            has_ended: false,
        }
    }
}

impl<B: Body<Data = Bytes> + Unpin> Source<B> {
    fn retain(&mut self, data: &Bytes) {
        self.taken += data.len();
        self.is_lost |= self.taken > self.max || self.kept.len() >= MAX_PIECES;
        if self.is_lost {
            self.kept = Vec::new();
        } else if data.len() < MIN_SHARED {
            self.kept.push(Bytes::copy_from_slice(data));
        } else {
            self.kept.push(data.clone());
        }
    }
}

impl<B: Body<Data = Bytes> + Unpin> Body for ReplayBody<B> {
    type Data = Bytes;
    type Error = B::Error;

    fn poll_frame(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, B::Error>>> {
        let this = self.get_mut();
        let source = &mut *this.source.borrow_mut();
        if let Some(piece) = source.kept.get(this.sent).filter(|_| !source.is_lost) {
            this.sent += 1;
            this.sent_bytes += piece.len() as u64;
            return Poll::Ready(Some(Ok(Frame::data(piece.clone()))));
        }
        let Some(body) = &mut source.body else {
            let trailers = source.trailers.clone().filter(|_| !this.has_ended);
            this.has_ended = true;
            return Poll::Ready(trailers.map(|trailers| Ok(Frame::trailers(trailers))));
        };
        let frame = ready!(Pin::new(&mut *body).poll_frame(context));
        let has_ended = body.is_end_stream();
        match &frame {
            Some(Ok(frame)) => match (frame.data_ref(), frame.trailers_ref()) {
                (Some(data), _) => {
                    this.sent += 1;
                    this.sent_bytes += data.len() as u64;
                    source.retain(data);
                }
                (None, trailers) => {
                    source.trailers = trailers.cloned();
                    this.has_ended = true;
                    source.body = None;
                }
            },
            Some(Err(_)) => {
                source.is_lost = true;
                source.body = None;
            }
            None => {
                this.has_ended = true;
                source.body = None;
            }
        }
        if has_ended {
            source.body = None;
        }
        Poll::Ready(frame)
    }

    fn is_end_stream(&self) -> bool {
        let source = self.source.borrow();
        let is_sent = source.is_lost || self.sent == source.kept.len();
        is_sent
            && match &source.body {
                Some(body) => body.is_end_stream(),
                None => self.has_ended || source.trailers.is_none(),
            }
    }

    fn size_hint(&self) -> SizeHint {
        let length = self.source.borrow().length;
        length.map_or_else(SizeHint::default, |length| {
            SizeHint::with_exact(length.saturating_sub(self.sent_bytes))
        })
    }
}

#[cfg(test)]
mod tests {
    use std::collections::VecDeque;
    use std::convert::Infallible;

    use http_body_util::BodyExt;

    use super::*;

    /// Frames, of which it does not know the end before it has come.
    struct Frames(VecDeque<Frame<Bytes>>);

    impl Body for Frames {
        type Data = Bytes;
        type Error = Infallible;

        fn poll_frame(mut self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, Infallible>>> {
            Poll::Ready(self.0.pop_front().map(Ok))
        }
    }

    fn pieces(pieces: &[&'static str]) -> Frames {
        Frames(
            pieces
                .iter()
                .map(|piece| Frame::data(Bytes::from_static(piece.as_bytes())))
                .collect(),
        )
    }

    async fn text(body: ReplayBody<Frames>) -> (String, Option<HeaderMap>) {
        let collected = body.collect().await.expect("it never fails");
        let trailers = collected.trailers().cloned();
        (
            String::from_utf8(collected.to_bytes().to_vec()).expect("text"),
            trailers,
        )
    }

    #[tokio::test]
    async fn it_is_sent_again_from_its_beginning_with_its_trailers() {
        let mut frames = pieces(&["ab", "", "cd"]);
        let trailers = HeaderMap::from_iter([(http::header::ETAG, http::HeaderValue::from_static("x"))]);
        frames.0.push_back(Frame::trailers(trailers.clone()));
        let replay = Replay::new(frames, 4);
        for _ in 0..3 {
            assert_eq!(text(replay.body()).await, ("abcd".into(), Some(trailers.clone())));
            assert!(replay.is_whole());
        }
    }

    #[tokio::test]
    async fn an_attempt_that_ended_in_the_middle_is_followed_by_a_whole_one() {
        let replay = Replay::new(pieces(&["ab", "cd", "ef"]), 6);
        let mut first = replay.body();
        for _ in 0..2 {
            let _ = first.frame().await;
        }
        drop(first);
        assert_eq!(text(replay.body()).await.0, "abcdef");
    }

    #[tokio::test]
    async fn more_than_the_limit_passes_once() {
        let replay = Replay::new(pieces(&["ab", "cd", "ef"]), 5);
        let body = replay.body();
        assert_eq!(text(body).await.0, "abcdef");
        assert!(!replay.is_whole());
    }
}
