//! Bodies of the demo upstream: counted when they come in, and made up as they go out.

use std::convert::Infallible;
use std::pin::Pin;
use std::task::{Context, Poll};

use bytes::Bytes;
use http_body_util::BodyExt;
use hyper::body::{Body, Frame, Incoming, SizeHint};

/// A line of filler; a body made of it can be looked at.
const FILLER: &str = "lockgate echo: this line is 64 bytes long, and it comes again. \n";

/// 64 KiB of filler, shared by all answers: a frame of it is a reference.
static CHUNK: std::sync::LazyLock<Bytes> = std::sync::LazyLock::new(|| Bytes::from(FILLER.repeat(1024)));

/// Reads a body to its end and says how many bytes it had.
pub(super) async fn count(mut body: Incoming) -> Result<u64, String> {
    let mut bytes = 0;
    while let Some(frame) = body.frame().await {
        let frame = frame.map_err(|error| format!("request body: {error}"))?;
        bytes += frame.data_ref().map_or(0, |data| data.len() as u64);
    }
    Ok(bytes)
}

/// What the demo upstream answers with. Filler is never held whole, so it may be of any size.
#[derive(Debug)]
pub(super) enum EchoBody {
    /// This text, until it is sent.
    Text(Option<Bytes>),
    /// This many more bytes of filler.
    Filler(u64),
}

impl Body for EchoBody {
    type Data = Bytes;
    type Error = Infallible;

    fn poll_frame(mut self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, Infallible>>> {
        let data = match &mut *self {
            EchoBody::Text(text) => text.take(),
            EchoBody::Filler(0) => None,
            EchoBody::Filler(left) => {
                let chunk = CHUNK.slice(..CHUNK.len().min(usize::try_from(*left).unwrap_or(usize::MAX)));
                *left -= chunk.len() as u64;
                Some(chunk)
            }
        };
        Poll::Ready(data.map(|data| Ok(Frame::data(data))))
    }

    fn is_end_stream(&self) -> bool {
        self.left() == 0
    }

    fn size_hint(&self) -> SizeHint {
        SizeHint::with_exact(self.left())
    }
}

impl EchoBody {
    /// Bytes that are still to be sent.
    fn left(&self) -> u64 {
        match self {
            EchoBody::Text(text) => text.as_ref().map_or(0, |text| text.len() as u64),
            EchoBody::Filler(left) => *left,
        }
    }
}
