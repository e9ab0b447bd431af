//! Where the bytes of a body come from: the client, an upstream, or the gateway itself.
//! Not what happens to them on the way (`chain::filter`), nor where they go (`chain::message_body`).

use std::cell::{Cell, OnceCell};
use std::pin::Pin;
use std::rc::Rc;
use std::task::{Context, Poll, ready};

use bytes::Bytes;
use http::HeaderValue;
use http::header::CONTENT_LENGTH;
use http_body::{Body, Frame, SizeHint};
use hyper::body::Incoming;
use lockgate_client::PooledBody;
use lockgate_exchange::ResponseHead;
use lockgate_http::{TrailerNames, inbound};

use crate::body::error::BodyError;
use crate::body::stream::StreamBody;
use crate::body::writer::BodyWriter;

/// The byte count of a client's body, shared with the recorder and the deadline. A body that is empty from the start has no count.
#[derive(Clone, Debug, Default)]
pub(crate) struct ByteCounter(Option<Rc<Count>>);

#[derive(Debug, Default)]
struct Count {
    bytes: Cell<u64>,
    /// The last look found that the client has not sent more.
    waits: Cell<bool>,
    /// Trailers that may pass. None: no trailer.
    trailers: OnceCell<TrailerNames>,
}

impl ByteCounter {
    fn of(body: &impl Body) -> Self {
        Self((!body.is_end_stream()).then(Rc::default))
    }

    /// Bytes of data that have passed so far, trailers not counted.
    pub(crate) fn bytes(&self) -> u64 {
        self.0.as_ref().map_or(0, |count| count.bytes.get())
    }

    /// A count that is known already.
    pub(crate) fn known(bytes: u64) -> Self {
        let count = Count::default();
        count.bytes.set(bytes);
        Self(Some(Rc::new(count)))
    }

    fn add(&self, bytes: usize) {
        if let Some(count) = &self.0 {
            count.bytes.set(count.bytes.get() + bytes as u64);
        }
    }

    /// Whether somebody waits for more of the body, which the client has not sent yet.
    pub(crate) fn waits_for_client(&self) -> bool {
        self.0.as_ref().is_some_and(|count| count.waits.get())
    }

    /// Notes whether a look at the body found something.
    fn watched<T>(&self, look: Poll<T>) -> Poll<T> {
        if let Some(count) = &self.0 {
            count.waits.set(look.is_pending());
        }
        look
    }
}

/// A body before the chain.
pub(crate) struct BodySource {
    origin: Origin,
    counter: ByteCounter,
    limit: u64,
}

enum Origin {
    Client(Incoming),
    Stream(Box<StreamBody>),
    Upstream(PooledBody),
    Whole(Option<Bytes>),
    Writer(BodyWriter),
    Boxed(BoxedBody),
}

/// A body of any kind.
pub(crate) type BoxedBody = Pin<Box<dyn Body<Data = Bytes, Error = BodyError>>>;

impl BodySource {
    /// The client's body.
    pub(crate) fn client(body: Incoming) -> Self {
        Self {
            counter: ByteCounter::of(&body),
            origin: Origin::Client(body),
            limit: u64::MAX,
        }
    }

    /// The client's body, on a stream of an HTTP/2 connection.
    pub(crate) fn stream(body: StreamBody) -> Self {
        if body.is_end_stream() {
            return Self::whole(Bytes::new());
        }
        Self {
            counter: ByteCounter::of(&body),
            origin: Origin::Stream(Box::new(body)),
            limit: u64::MAX,
        }
    }

    /// The client's body, of which more than `limit` bytes are an error, and whose trailers have these names.
    pub(crate) fn admitted(self, limit: Option<u64>, trailers: &TrailerNames) -> Self {
        if let Some(count) = &self.counter.0 {
            count.trailers.get_or_init(|| trailers.clone());
        }
        Self {
            limit: limit.unwrap_or(u64::MAX),
            ..self
        }
    }

    /// An upstream's body.
    pub(crate) fn upstream(body: PooledBody) -> Self {
        Self {
            origin: Origin::Upstream(body),
            counter: ByteCounter::default(),
            limit: u64::MAX,
        }
    }

    /// The upstream's body, if it is one.
    pub(crate) fn into_upstream(self) -> Option<PooledBody> {
        match self.origin {
            Origin::Upstream(body) => Some(body),
            _ => None,
        }
    }

    /// The source of a response to HEAD that was made here: the head with the body's length, and no body.
    pub(crate) fn without_body(mut self, head: Option<&mut ResponseHead>) -> Self {
        if let Origin::Whole(body) = &mut self.origin
            && let Some(body) = body.take()
            && let Some(head) = head
        {
            head.headers.insert(CONTENT_LENGTH, HeaderValue::from(body.len()));
        }
        self
    }

    /// A body that is complete.
    pub(crate) fn whole(body: Bytes) -> Self {
        let body = (!body.is_empty()).then_some(body);
        Self {
            origin: Origin::Whole(body),
            counter: ByteCounter::default(),
            limit: u64::MAX,
        }
    }

    /// A body that a plugin is writing.
    pub(crate) fn written(writer: BodyWriter) -> Self {
        Self {
            origin: Origin::Writer(writer),
            counter: ByteCounter::default(),
            limit: u64::MAX,
        }
    }

    /// A body of another kind, which has passed the chain.
    pub(crate) fn boxed(body: BoxedBody) -> Self {
        Self {
            origin: Origin::Boxed(body),
            counter: ByteCounter::default(),
            limit: u64::MAX,
        }
    }

    /// The byte count, which outlives the source.
    pub(crate) fn counter(&self) -> ByteCounter {
        self.counter.clone()
    }
}

impl Body for BodySource {
    type Data = Bytes;
    type Error = BodyError;

    fn poll_frame(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, BodyError>>> {
        let this = &mut *self;
        let frame = match &mut this.origin {
            Origin::Client(body) => {
                let frame = this.counter.watched(Pin::new(body).poll_frame(cx));
                ready!(frame).map(|frame| frame.map_err(|error| BodyError::Client(error.into())))
            }
            Origin::Stream(body) => ready!(this.counter.watched(Pin::new(&mut **body).poll_frame(cx))),
            Origin::Upstream(body) => {
                ready!(Pin::new(body).poll_frame(cx)).map(|f| f.map_err(|e| BodyError::Upstream(e.into())))
            }
            Origin::Whole(body) => body.take().map(|data| Ok(Frame::data(data))),
            Origin::Writer(writer) => ready!(writer.poll_next(cx)),
            Origin::Boxed(body) => ready!(body.as_mut().poll_frame(cx)),
        };
        let Some(Ok(mut frame)) = frame else {
            return Poll::Ready(frame);
        };
        if let Some(data) = frame.data_ref() {
            this.counter.add(data.len());
            if this.counter.bytes() > this.limit {
                return Poll::Ready(Some(Err(BodyError::TooLarge)));
            }
        } else if let Some(trailers) = frame.trailers_mut() {
            match &this.counter.0 {
                Some(count) => inbound::strip_request_trailers(trailers, count.trailers.get()),
                None => inbound::strip_trailers(trailers),
            }
        }
        Poll::Ready(Some(Ok(frame)))
    }

    fn is_end_stream(&self) -> bool {
        match &self.origin {
            Origin::Client(body) => body.is_end_stream(),
            Origin::Stream(body) => body.is_end_stream(),
            Origin::Upstream(body) => body.is_end_stream(),
            Origin::Whole(body) => body.is_none(),
            Origin::Writer(writer) => writer.is_read(),
            Origin::Boxed(body) => body.is_end_stream(),
        }
    }

    fn size_hint(&self) -> SizeHint {
        match &self.origin {
            Origin::Client(body) => body.size_hint(),
            Origin::Stream(body) => body.size_hint(),
            Origin::Upstream(body) => body.size_hint(),
            Origin::Writer(_) => SizeHint::default(),
            Origin::Boxed(body) => body.size_hint(),
            Origin::Whole(body) => SizeHint::with_exact(body.as_ref().map_or(0, |data| data.len() as u64)),
        }
    }
}
