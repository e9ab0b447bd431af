//! [`PooledBody`]: the body of a response as it comes from an upstream, together with the connection that it comes on.

use std::fmt;
use std::pin::Pin;
use std::task::{Context, Poll, ready};

use bytes::Bytes;
use http_body::{Body, Frame, SizeHint};

use crate::error::ConnectionError;
use crate::lease::Lease;
use crate::upgrade::Tunnel;

/// The body of an upstream's response. At its clean end the connection goes back to the pool; if it is dropped before, the
/// connection is closed, or, in HTTP/2, the stream is reset.
///
/// A body that is cut short, or whose framing is broken, ends with an error, never as if it were complete. Reading it
/// also sends what is left of the request's body.
pub struct PooledBody(State);

enum State {
    /// What is left has all come, and the connection is back in the pool.
    Complete(Bytes),
    Open(Box<dyn BodySource>),
}

/// A connection, or a stream of one, that brings the body of a response; whatever the type of the request's body was.
pub(crate) trait BodySource {
    /// The next piece of the body. What is left of the request's body is sent meanwhile.
    fn poll_frame(&mut self, context: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, ConnectionError>>>;
    /// The number of bytes that are still to come, if it is known; 0 at the end.
    fn remaining(&self) -> Option<u64>;
    /// Puts the connection back into the pool, if it can be used again.
    fn release(self: Box<Self>);
    /// The connection behind a 101; none behind other responses.
    fn into_tunnel(self: Box<Self>) -> Option<Tunnel> {
        None
    }
}

/// Who is told how the body of a response ends. Dropped without a word: nobody reads on.
pub trait BodyObserver {
    /// It has come as a whole.
    fn complete(&mut self);
    /// It broke off.
    fn broken(&mut self, error: &ConnectionError);
}

/// A body with somebody who is told of its end.
struct Observed {
    source: Box<dyn BodySource>,
    observer: Box<dyn BodyObserver>,
}

impl BodySource for Observed {
    fn poll_frame(&mut self, context: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, ConnectionError>>> {
        let frame = ready!(self.source.poll_frame(context));
        match &frame {
            Some(Err(error)) => self.observer.broken(error),
            None => self.observer.complete(),
            Some(Ok(_)) => {}
        }
        Poll::Ready(frame)
    }

    fn remaining(&self) -> Option<u64> {
        self.source.remaining()
    }

    fn release(mut self: Box<Self>) {
        self.observer.complete();
        self.source.release();
    }

    fn into_tunnel(mut self: Box<Self>) -> Option<Tunnel> {
        self.observer.complete();
        self.source.into_tunnel()
    }
}

/// A body with something that is given back at its end. In a box of its own, so that bodies that hold nothing stay small.
struct Holding {
    source: Box<dyn BodySource>,
    lease: Lease,
}

impl BodySource for Holding {
    fn poll_frame(&mut self, context: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, ConnectionError>>> {
        self.source.poll_frame(context)
    }

    fn remaining(&self) -> Option<u64> {
        self.source.remaining()
    }

    fn release(self: Box<Self>) {
        self.source.release();
    }

    fn into_tunnel(self: Box<Self>) -> Option<Tunnel> {
        let tunnel = self.source.into_tunnel()?;
        let lease = Some(self.lease);
        Some(Tunnel { lease, ..tunnel })
    }
}

impl PooledBody {
    /// The same body, of whose end `observer` is told. At once, if it has all come.
    #[must_use]
    pub fn observed(mut self, mut observer: Box<dyn BodyObserver>) -> Self {
        self.0 = match self.0 {
            State::Complete(data) => {
                observer.complete();
                State::Complete(data)
            }
            State::Open(source) => State::Open(Box::new(Observed { source, observer })),
        };
        self
    }

    /// Whether all of it has come, so that nothing can break any more.
    pub fn has_come(&self) -> bool {
        matches!(self.0, State::Complete(_))
    }

    /// A body that has all come.
    pub(crate) fn complete(data: Bytes) -> Self {
        Self(State::Complete(data))
    }

    /// A body that is still to come.
    pub(crate) fn open(source: Box<dyn BodySource>) -> Self {
        Self(State::Open(source))
    }

    /// Gives `lease` back when the body has come whole, has failed or is dropped: at once if it is here already.
    pub fn hold(&mut self, lease: Lease) {
        if !self.has_come()
            && let Some(source) = self.close()
        {
            self.0 = State::Open(Box::new(Holding { source, lease }));
        }
    }

    /// The connection behind a 101, which has no body; none behind other responses, whose body is given up.
    pub fn into_tunnel(mut self) -> Option<Tunnel> {
        self.close()?.into_tunnel()
    }

    fn close(&mut self) -> Option<Box<dyn BodySource>> {
        match std::mem::replace(&mut self.0, State::Complete(Bytes::new())) {
            State::Open(source) => Some(source),
            State::Complete(_) => None,
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
        let source = match &mut this.0 {
            State::Complete(data) if data.is_empty() => return Poll::Ready(None),
            State::Complete(data) => return Poll::Ready(Some(Ok(Frame::data(std::mem::take(data))))),
            State::Open(source) => source,
        };
        let frame = ready!(source.poll_frame(context));
        if matches!(frame, Some(Err(_))) {
            this.close();
        } else if source.remaining() == Some(0)
            && let Some(source) = this.close()
        {
            source.release();
        }
        Poll::Ready(frame)
    }

    fn is_end_stream(&self) -> bool {
        match &self.0 {
            State::Complete(data) => data.is_empty(),
            State::Open(source) => source.remaining() == Some(0),
        }
    }

    fn size_hint(&self) -> SizeHint {
        match &self.0 {
            State::Complete(data) => SizeHint::with_exact(data.len() as u64),
            State::Open(source) => source.remaining().map_or_else(SizeHint::default, SizeHint::with_exact),
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

#[cfg(test)]
mod tests {
    use std::sync::Arc;
    use std::sync::atomic::{AtomicBool, Ordering};

    use http_body_util::BodyExt;

    use super::*;
    use crate::lease::Leased;

    #[derive(Default)]
    struct Place(AtomicBool);

    impl Leased for Place {
        fn release(&self) {
            self.0.store(true, Ordering::Relaxed);
        }
    }

    /// A body of one piece.
    struct OnePiece(Option<Bytes>);

    impl BodySource for OnePiece {
        fn poll_frame(&mut self, _: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, ConnectionError>>> {
            Poll::Ready(self.0.take().map(Frame::data).map(Ok))
        }

        fn remaining(&self) -> Option<u64> {
            Some(self.0.as_ref().map_or(0, |data| data.len() as u64))
        }

        fn release(self: Box<Self>) {}
    }

    async fn text(body: &mut PooledBody) -> Bytes {
        body.frame()
            .await
            .expect("a piece")
            .expect("no error")
            .into_data()
            .expect("data")
    }

    #[tokio::test]
    async fn what_has_come_is_still_there_and_holds_nothing() {
        let (place, mut body) = (Arc::new(Place::default()), PooledBody::complete("here".into()));
        body.hold(Lease::new(place.clone()));
        assert!(place.0.load(Ordering::Relaxed));
        assert_eq!(text(&mut body).await, "here");
    }

    #[tokio::test]
    async fn what_is_still_to_come_holds_until_its_end() {
        let place = Arc::new(Place::default());
        let mut body = PooledBody::open(Box::new(OnePiece(Some("later".into()))));
        body.hold(Lease::new(place.clone()));
        assert!(!place.0.load(Ordering::Relaxed));
        assert_eq!(text(&mut body).await, "later");
        assert!(place.0.load(Ordering::Relaxed), "its last piece has come");
        let mut dropped = PooledBody::open(Box::new(OnePiece(Some("never".into()))));
        let place = Arc::new(Place::default());
        dropped.hold(Lease::new(place.clone()));
        drop(dropped);
        assert!(place.0.load(Ordering::Relaxed));
    }
}
