//! The bodies that the gateway sends: to an upstream, and to the client.

use std::pin::Pin;
use std::rc::Rc;
use std::task::{Context, Poll};

use bytes::Bytes;
use http::HeaderMap;
use http::header::TRAILER;
use http_body::{Body, Frame, SizeHint};

use crate::body::error::BodyError;
use crate::body::source::Source;
use crate::chain::filter::Lane;
use crate::chain::{Chain, Stop};

/// A body on its way out, with or without plugins in between.
pub(crate) enum Outgoing {
    /// As it came.
    Direct(Source),
    /// Through the plugins that read bodies.
    Chained(Box<Lane>),
}

impl Outgoing {
    /// A body that is all there.
    pub(crate) fn whole(body: Bytes) -> Self {
        Self::Direct(Source::whole(body))
    }

    /// Takes the request's head through the plugins; what is left to send then.
    ///
    /// # Errors
    /// What ended its way.
    pub(crate) async fn request(chain: &Rc<Chain>, source: Source) -> Result<Self, Stop> {
        if chain.is_empty() {
            return Ok(Self::Direct(source));
        }
        Self::through(Box::new(Lane::request(chain.clone(), source))).await
    }

    /// Takes the response's head back through the plugins, from the one at `first`; what is left to send then.
    ///
    /// # Errors
    /// What ended its way.
    pub(crate) async fn response(chain: &Rc<Chain>, first: Option<usize>, source: Source) -> Result<Self, Stop> {
        match first {
            None => Ok(Self::Direct(source)),
            Some(first) => Self::through(Box::new(Lane::response(chain.clone(), first, source))).await,
        }
    }

    async fn through(mut lane: Box<Lane>) -> Result<Self, Stop> {
        lane.head().await?;
        Ok(if lane.carries_body() {
            Self::Chained(lane)
        } else {
            Self::Direct(lane.into_source())
        })
    }

    /// The `Trailer` field, without which HTTP/1 carries no trailers: set where a plugin's trailers are known by now and nobody
    /// has announced them.
    pub(crate) fn announce_trailers(&self, headers: &mut HeaderMap) {
        if let Self::Chained(lane) = self
            && let Some(names) = lane.settled_trailers()
        {
            headers.entry(TRAILER).or_insert(names);
        }
    }

    /// True when plugins may change the body on its way, so that a length told in the head may not hold.
    pub(crate) fn is_chained(&self) -> bool {
        matches!(self, Self::Chained(_))
    }
}

impl Body for Outgoing {
    type Data = Bytes;
    type Error = BodyError;

    fn poll_frame(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, BodyError>>> {
        match &mut *self {
            Self::Direct(source) => Pin::new(source).poll_frame(cx),
            Self::Chained(lane) => Pin::new(&mut **lane).poll_frame(cx),
        }
    }

    fn is_end_stream(&self) -> bool {
        match self {
            Self::Direct(source) => source.is_end_stream(),
            Self::Chained(lane) => lane.is_end_stream(),
        }
    }

    fn size_hint(&self) -> SizeHint {
        match self {
            Self::Direct(source) => source.size_hint(),
            Self::Chained(lane) => lane.size_hint(),
        }
    }
}
