//! [`Body`]: the body of a message for a hook that waits, as a whole or piece by piece; and [`Chunk`]: one piece of it,
//! or of a connection's bytes.
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
//!     /// As a whole, with a bound.
//!     async fn on_request(&self, request: &mut Request, body: &mut Body) -> Result<Flow> {
//!         let text = body.collect(64 * 1024).await?;
//!         if text.is_empty() {
//!             return Ok(reply(400).into());
//!         }
//!         body.replace(&text.to_ascii_uppercase())?;
//!         Ok(Flow::Continue)
//!     }
//!
//!     /// Piece by piece, as it comes.
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

/// The body of the request or response whose hook waits. A hook that never asks for it lets it pass untouched.
///
/// **What the host does with the head meanwhile.** Lockgate holds it until the hook has ended, so that a hook may
/// change headers, or answer, after it has seen the body. Envoy reads no body before the head has gone on: there, once
/// the hook waits for the body, headers can no longer be changed ([`Error::HeadersSent`]); the hook can still answer a
/// request itself, and the body is held until it has decided. `content-length` is taken away then.
#[derive(Debug)]
pub struct Body {
    message: Rc<MessageState>,
}

impl Body {
    /// Of the message that a hook waits with.
    #[doc(hidden)]
    pub fn of_stream(message: &Rc<MessageState>) -> Body {
        Body {
            message: message.clone(),
        }
    }

    /// Waits for all of the body, and holds it until the hook ends.
    ///
    /// # Errors
    /// [`Error::TooLarge`] as soon as it has more than `limit` bytes. A request hook that returns it answers 413. The
    /// host's own bound on what a plugin may hold counts as well.
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

    /// After [`Body::collect`]: puts these bytes in place of the whole body.
    ///
    /// # Errors
    /// Where there is no body: a `GET` does not get one.
    pub fn replace(&mut self, bytes: &[u8]) -> Result<()> {
        splice(self.buffer(), 0, self.message.buffered.get(), bytes)?;
        self.message.buffered.set(bytes.len());
        self.message.consumed.set(bytes.len());
        Ok(())
    }

    /// Waits for the next piece; the one before goes on. `None` at the end.
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

    /// After [`Body::next`] has said that there is no more: puts these bytes behind all that came.
    ///
    /// # Errors
    /// Where the end came with trailers, no body can be added any more.
    pub fn append(&mut self, bytes: &[u8]) -> Result<()> {
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

/// A piece of a body or of a connection's bytes: what has just come, or, while the plugin answers
/// [`Flow::Pause`](crate::Flow::Pause), all that came so far.
#[derive(Debug)]
pub struct Chunk {
    buffer: Buffer,
    /// Where it begins in what the host holds.
    start: usize,
    length: usize,
    is_last: bool,
    message: Option<Rc<MessageState>>,
}

impl Chunk {
    /// What a callback of the host has brought.
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

    /// Whether nothing comes after this. Never so when trailers follow; and a host may tell the end apart, with an
    /// empty chunk.
    pub fn is_last(&self) -> bool {
        self.is_last
    }

    /// How many bytes it has.
    pub fn len(&self) -> usize {
        self.length
    }

    /// Whether it has no bytes.
    pub fn is_empty(&self) -> bool {
        self.length == 0
    }

    /// The bytes.
    pub fn bytes(&self) -> Result<Vec<u8>> {
        self.read(0, self.length)
    }

    /// At most `max` bytes from `start`.
    pub fn read(&self, start: usize, max: usize) -> Result<Vec<u8>> {
        let max = max.min(self.length.saturating_sub(start));
        read(self.buffer, self.start.saturating_add(start), max)
    }

    /// Puts these bytes in its place.
    pub fn replace(&mut self, bytes: &[u8]) -> Result<()> {
        self.splice(0, self.length, bytes)
    }

    /// Drops it.
    pub fn remove(&mut self) -> Result<()> {
        self.replace(&[])
    }

    /// Puts these bytes before it.
    pub fn prepend(&mut self, bytes: &[u8]) -> Result<()> {
        self.splice(0, 0, bytes)
    }

    /// Puts these bytes behind it.
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

/// Replaces a part of what the host holds. Envoy takes no change in the middle: then all behind is written anew.
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
