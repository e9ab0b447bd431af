//! Bodies of the demo upstream: received ones are counted, sent ones are generated.

use std::convert::Infallible;
use std::pin::Pin;
use std::task::{Context, Poll};

use bytes::Bytes;
use http_body_util::BodyExt;
use hyper::body::{Body, Frame, Incoming, SizeHint};

/// A line of filler, readable in a terminal.
const FILLER: &str = "lockgate echo: this line is 64 bytes long, and it comes again. \n";

/// 64 KiB of filler, shared by all responses: each frame is a reference.
static CHUNK: std::sync::LazyLock<Bytes> = std::sync::LazyLock::new(|| Bytes::from(FILLER.repeat(1024)));

/// Reads a body to its end and returns its size.
pub(super) async fn count(mut body: Incoming) -> Result<u64, String> {
    let mut bytes = 0;
    while let Some(frame) = body.frame().await {
        let frame = frame.map_err(|error| format!("request body: {error}"))?;
        bytes += frame.data_ref().map_or(0, |data| data.len() as u64);
    }
    Ok(bytes)
}

/// The body of a response. Filler of any size takes no memory.
#[derive(Debug)]
pub(super) enum EchoBody {
    /// A text that is not sent yet.
    Text(Option<Bytes>),
    /// Filler, with this many bytes left.
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
