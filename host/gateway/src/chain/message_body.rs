//! [`MessageBody`]: a body on its way to an upstream or to the client.

use std::pin::Pin;
use std::task::{Context, Poll};

use bytes::Bytes;
use http::header::TRAILER;
use http::{HeaderMap, HeaderValue};
use http_body::{Body, Frame, SizeHint};
use lockgate_upstream::{ReplayBody, Resend};

use crate::body::error::BodyError;
use crate::body::source::BodySource;
use crate::chain::filter::FilteredMessage;

/// A body on its way out, with or without plugins in between.
pub(crate) enum MessageBody {
    /// As it came.
    Direct(BodySource),
    /// Through the plugins that read bodies.
    Filtered(Box<FilteredMessage>),
    /// Kept, so that it can be sent again; for one attempt.
    Replayed(Box<ReplayBody<MessageBody>>),
}

impl MessageBody {
    /// A body that is complete.
    pub(crate) fn whole(body: Bytes) -> Self {
        Self::Direct(BodySource::whole(body))
    }

    /// The source, whatever plugins would do with it.
    pub(crate) fn into_source(self) -> BodySource {
        match self {
            Self::Direct(source) => source,
            Self::Filtered(message) => message.into_source(),
            // Made for single attempts, behind all that asks for the source.
            Self::Replayed(_) => BodySource::whole(Bytes::new()),
        }
    }

    /// The `Trailer` field, without which HTTP/1 carries no trailers: set where a plugin's trailers are known by now and nobody
    /// has announced them.
    pub(crate) fn announce_trailers(&self, headers: &mut HeaderMap) {
        if let Some(names) = self.settled_trailers() {
            headers.entry(TRAILER).or_insert(names);
        }
    }

    /// The value of a `Trailer` field, as for [`MessageBody::announce_trailers`].
    pub(crate) fn settled_trailers(&self) -> Option<HeaderValue> {
        match self {
            Self::Filtered(message) => message.settled_trailers(),
            Self::Direct(_) | Self::Replayed(_) => None,
        }
    }

    /// True when plugins may change the body on its way, so that a length in the head may not hold.
    pub(crate) fn is_filtered(&self) -> bool {
        matches!(self, Self::Filtered(_))
    }
}

impl Resend for MessageBody {
    fn empty() -> Self {
        Self::whole(Bytes::new())
    }

    fn replayed(body: ReplayBody<Self>) -> Self {
        Self::Replayed(Box::new(body))
    }
}

impl Body for MessageBody {
    type Data = Bytes;
    type Error = BodyError;

    fn poll_frame(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, BodyError>>> {
        match &mut *self {
            Self::Direct(source) => Pin::new(source).poll_frame(cx),
            Self::Filtered(message) => Pin::new(&mut **message).poll_frame(cx),
            Self::Replayed(body) => Pin::new(&mut **body).poll_frame(cx),
        }
    }

    fn is_end_stream(&self) -> bool {
        match self {
            Self::Direct(source) => source.is_end_stream(),
            Self::Filtered(message) => message.is_end_stream(),
            Self::Replayed(body) => body.is_end_stream(),
        }
    }

    fn size_hint(&self) -> SizeHint {
        match self {
            Self::Direct(source) => source.size_hint(),
            Self::Filtered(message) => message.size_hint(),
            Self::Replayed(body) => body.size_hint(),
        }
    }
}
