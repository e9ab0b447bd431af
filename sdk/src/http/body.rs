//! [`Body`]: the body of a message, for a hook that waits, as a whole or chunk by chunk. [`Chunk`]: a part of a body,
//! or of the bytes of a connection.
//!
//! ```
//! # use lockgate_sdk::{Body, prelude::*};
//! struct Shout;
//!
//! #[plugin]
//! impl Plugin for Shout {
//!     fn new(_: NoConfig) -> Result<Self, ConfigError> {
//!         Ok(Shout)
//!     }
//!
//!     /// The whole body, up to a limit.
//!     async fn on_request(&self, request: &mut Request, body: &mut Body) -> Result<Flow> {
//!         let text = body.collect(64 * 1024).await?;
//!         if text.is_empty() {
//!             return Ok(reply(400).into());
//!         }
//!         body.replace(&text.to_ascii_uppercase())?;
//!         Ok(Flow::Continue)
//!     }
//!
//!     /// Chunk by chunk, as the body arrives.
//!     async fn on_response(&self, response: &mut Response, body: &mut Body) -> Result<Flow> {
//!         while let Some(mut chunk) = body.next().await? {
//!             let louder = chunk.bytes()?.to_ascii_uppercase();
//!             chunk.replace(&louder)?;
//!         }
//!         Ok(Flow::Continue)
//!     }
//! }
//! # fn main() {}
//! ```

use std::future::poll_fn;
use std::rc::Rc;
use std::task::Poll;

use crate::abi::{Buffer, Direction, Status};
use crate::error::{Error, Result};
use crate::host;
use crate::http::message::{BodyMode, MessageState};

/// The body of the request or response whose hook waits. If the hook does not read it, it passes unchanged.
///
/// **The headers meanwhile.** Lockgate holds the headers until the hook has ended, so that the hook can change them, or
/// reply, after it has read the body. Envoy delivers no body before the headers have gone on. There, the headers can no
/// longer be changed once the hook waits for the body ([`Error::HeadersSent`]), and the SDK removes `content-length`.
/// The hook can still reply to a request, and the body is held until the hook has ended.
#[derive(Debug)]
pub struct Body {
    message: Rc<MessageState>,
}

impl Body {
    /// The body of a hook that waits.
    #[doc(hidden)]
    pub fn of_stream(message: &Rc<MessageState>) -> Body {
        Body {
            message: message.clone(),
        }
    }

    /// Waits for the whole body, and holds it until the hook ends.
    ///
    /// # Errors
    /// [`Error::TooLarge`] as soon as the body has more than `limit` bytes. When `on_request` returns it, the client
    /// gets a 413. The host's own limit of held bytes applies, too.
    pub async fn collect(&mut self, limit: usize) -> Result<Vec<u8>> {
        let message = &self.message;
        message.body_mode.set(BodyMode::Collect);
        let size = poll_fn(|cx| {
            if message.buffered.get() > limit {
                return Poll::Ready(Err(Error::TooLarge(limit)));
            }
            if message.ended.get() {
                return Poll::Ready(Ok(message.buffered.get()));
            }
            message.wait(cx.waker());
            Poll::Pending
        })
        .await;
        message.stop_waiting();
        let size = size?;
        message.consumed.set(size);
        read(self.buffer(), 0, size)
    }

    /// Replaces the whole body, after [`Body::collect`].
    ///
    /// # Errors
    /// [`Error::Host`] if the message has no body, as that of a `GET`.
    pub fn replace(&mut self, bytes: &[u8]) -> Result<()> {
        splice(self.buffer(), 0, self.message.buffered.get(), bytes)?;
        self.message.buffered.set(bytes.len());
        self.message.consumed.set(bytes.len());
        Ok(())
    }

    /// Waits for the next chunk; the previous one goes on. `None` at the end of the body.
    pub async fn next(&mut self) -> Result<Option<Chunk>> {
        let message = &self.message;
        message.body_mode.set(BodyMode::Stream);
        let piece = poll_fn(|cx| {
            let (consumed, size) = (message.consumed.get(), message.buffered.get());
            if size > consumed {
                return Poll::Ready(Some((consumed, size - consumed)));
            }
            if message.ended.get() {
                return Poll::Ready(None);
            }
            message.wait(cx.waker());
            Poll::Pending
        })
        .await;
        message.stop_waiting();
        let Some((start, length)) = piece else { return Ok(None) };
        message.consumed.set(start + length);
        Ok(Some(Chunk {
            buffer: self.buffer(),
            start,
            length,
            is_last: message.ended.get(),
            message: Some(message.clone()),
        }))
    }

    /// Appends bytes to the body, after [`Body::next`] has returned `None`.
    ///
    /// # Errors
    /// [`Error::Host`] if the message has trailers: no body can follow them.
    pub fn append(&mut self, bytes: &[u8]) -> Result<()> {
        if bytes.is_empty() {
            return Ok(());
        }
        let size = self.message.buffered.get();
        splice(self.buffer(), size, 0, bytes)?;
        self.message.buffered.set(size + bytes.len());
        self.message.consumed.set(size + bytes.len());
        Ok(())
    }

    fn buffer(&self) -> Buffer {
        buffer_of(self.message.direction)
    }
}

fn buffer_of(direction: Direction) -> Buffer {
    match direction {
        Direction::Request => Buffer::RequestBody,
        Direction::Response => Buffer::ResponseBody,
        Direction::Downstream => Buffer::DownstreamData,
        Direction::Upstream => Buffer::UpstreamData,
    }
}

/// A part of a body, or of the bytes of a connection: the bytes that have just arrived. While the hook returns
/// [`Flow::Pause`](crate::Flow::Pause), all bytes that have arrived so far.
#[derive(Debug)]
pub struct Chunk {
    buffer: Buffer,
    /// The offset in the bytes that the host holds.
    start: usize,
    length: usize,
    is_last: bool,
    message: Option<Rc<MessageState>>,
}

impl Chunk {
    /// The chunk of the current callback.
    #[doc(hidden)]
    pub fn from_host(direction: Direction, size: usize, end_of_stream: bool) -> Chunk {
        Chunk {
            buffer: buffer_of(direction),
            start: 0,
            length: size,
            is_last: end_of_stream,
            message: None,
        }
    }

    /// Whether this chunk ends the stream. It does not if trailers follow. A host may also signal the end with a last,
    /// empty chunk.
    pub fn is_last(&self) -> bool {
        self.is_last
    }

    /// The number of bytes.
    pub fn len(&self) -> usize {
        self.length
    }

    /// Whether the chunk has no bytes.
    pub fn is_empty(&self) -> bool {
        self.length == 0
    }

    /// A copy of the bytes.
    pub fn bytes(&self) -> Result<Vec<u8>> {
        self.read(0, self.length)
    }

    /// A copy of at most `max` bytes from the offset `start`.
    pub fn read(&self, start: usize, max: usize) -> Result<Vec<u8>> {
        let max = max.min(self.length.saturating_sub(start));
        read(self.buffer, self.start.saturating_add(start), max)
    }

    /// Replaces the chunk.
    pub fn replace(&mut self, bytes: &[u8]) -> Result<()> {
        self.splice(0, self.length, bytes)
    }

    /// Removes the chunk.
    pub fn remove(&mut self) -> Result<()> {
        self.replace(&[])
    }

    /// Inserts bytes before the chunk.
    pub fn prepend(&mut self, bytes: &[u8]) -> Result<()> {
        self.splice(0, 0, bytes)
    }

    /// Appends bytes to the chunk.
    pub fn append(&mut self, bytes: &[u8]) -> Result<()> {
        self.splice(self.length, 0, bytes)
    }

    fn splice(&mut self, start: usize, size: usize, bytes: &[u8]) -> Result<()> {
        splice(self.buffer, self.start + start, size, bytes)?;
        self.length = self.length - size + bytes.len();
        if let Some(message) = &self.message {
            message.buffered.set(message.buffered.get() - size + bytes.len());
            message.consumed.set(self.start + self.length);
        }
        Ok(())
    }
}

fn read(buffer: Buffer, start: usize, size: usize) -> Result<Vec<u8>> {
    if size == 0 {
        return Ok(Vec::new());
    }
    let bytes = host::buffer(buffer, start, size).map_err(Error::host("proxy_get_buffer_bytes"))?;
    Ok(bytes.unwrap_or_default())
}

/// Replaces a part of the bytes that the host holds. Envoy refuses changes in the middle; then the whole buffer is
/// written.
fn splice(buffer: Buffer, start: usize, size: usize, bytes: &[u8]) -> Result<()> {
    match host::set_buffer(buffer, start, size, bytes) {
        Err(Status::BadArgument) if start > 0 => {
            let mut all = read(buffer, 0, usize::MAX >> 1)?;
            let start = start.min(all.len());
            let end = start.saturating_add(size).min(all.len());
            all.splice(start..end, bytes.iter().copied());
            host::set_buffer(buffer, 0, usize::MAX >> 1, &all)
        }
        result => result,
    }
    .map_err(Error::host("proxy_set_buffer_bytes"))
}
