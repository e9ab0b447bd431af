//! [`H1Request`]: an HTTP/1.1 request on its way out. Its head is bytes from the start; its body is taken as it comes, framed, and
//! written without being copied, except small pieces, which leave together.
//!
//! A request of which no byte has been written, or all of it by one write that nobody has read, may go out on another connection.

use std::io::{self, IoSlice, Write};
use std::ops::Range;
use std::pin::Pin;
use std::rc::Rc;
use std::task::{Context, Poll, ready};

use bytes::Bytes;
use http::header::{CONTENT_LENGTH, HOST, TRAILER, TRANSFER_ENCODING};
use http::{HeaderMap, HeaderName, HeaderValue, Method};
use http_body::Body;
use tokio::io::AsyncWrite;

use crate::error::BodyFailure;
use crate::interim::Interim;
use crate::outgoing::OutgoingHead;
use crate::socket::Socket;
use crate::upgrade::UpgradeOffer;

/// Room for a head of the usual size, in bytes.
const USUAL_HEAD: usize = 768;
/// The largest piece of a body that is copied, so that it leaves with what is before it; in bytes.
const MAX_COPIED: usize = 4096;
/// The size from which on gathered pieces are written, in bytes.
const GATHERED: usize = 16 * 1024;

/// An HTTP/1.1 request on its way out.
pub struct H1Request<B> {
    /// What goes first: the head, small pieces, the size of a chunk.
    buffer: Vec<u8>,
    /// A piece of the body that goes behind it.
    data: Bytes,
    /// The framing that goes behind that.
    suffix: &'static [u8],
    /// The bytes of these three that are written.
    written: usize,
    /// The writes that it took so far, up to 255.
    writes: u8,
    /// The place of the host in the head.
    host: Range<usize>,
    /// The body, until all of it has been taken.
    body: Option<B>,
    framing: Framing,
    /// The method is HEAD: the response will have no body.
    pub(crate) is_head: bool,
    /// Who is told of interim responses.
    pub(crate) interim: Interim,
    /// The upgrade that it asks for.
    pub(crate) upgrade: Option<Rc<UpgradeOffer>>,
}

enum Framing {
    /// This many bytes are still to come.
    Length(u64),
    /// Chunks; of the trailers, those that these fields announce, or all if there is no such field.
    Chunked { announced: Vec<HeaderValue> },
}

/// Why a request cannot be sent.
#[derive(Debug)]
pub(crate) enum WriteError {
    /// Its own body failed.
    Body(BodyFailure),
    /// The connection failed.
    Connection(io::Error),
}

/// The body's length is not what its head says.
#[derive(Debug, thiserror::Error)]
#[error("the body is {0} than its content-length")]
struct LengthMismatch(&'static str);

impl<B> H1Request<B>
where
    B: Body<Data = Bytes> + Unpin,
    B::Error: Into<BodyFailure>,
{
    /// The request that consists of a head and a body. A body that has already ended goes out without one, whatever
    /// `content-length` says: a length that lies would take the next request on the connection for a body.
    pub fn new(head: OutgoingHead<'_>, body: B) -> Self {
        let has_body = !body.is_end_stream();
        Self::with(head, has_body.then_some(body))
    }

    /// The request that consists of a head and a body that has not ended, if any.
    pub(crate) fn with(head: OutgoingHead<'_>, body: Option<B>) -> Self {
        let has_body = body.is_some();
        let framing = match &body {
            Some(body) => framing(head.headers, body),
            None => Framing::Length(0),
        };
        let (buffer, host) = encode(head, &framing, has_body);
        Self {
            buffer,
            data: Bytes::new(),
            suffix: &[],
            written: 0,
            writes: 0,
            host,
            body,
            framing,
            is_head: *head.method == Method::HEAD,
            interim: head.interim.clone(),
            upgrade: head.upgrade.cloned(),
        }
    }

    /// Replaces the host. Only before a byte of it is written.
    pub fn set_host(&mut self, host: &HeaderValue) {
        let host = host.as_bytes();
        self.buffer.splice(self.host.clone(), host.iter().copied());
        self.host.end = self.host.start + host.len();
    }

    /// Whether a byte of it has been written.
    pub(crate) fn has_started(&self) -> bool {
        self.writes > 0
    }

    /// The size of the request, if one write took all of it.
    pub(crate) fn only_write(&self) -> Option<usize> {
        let is_whole = self.writes == 1 && self.body.is_none() && self.written > 0 && self.written == self.gathered();
        is_whole.then_some(self.written)
    }

    /// Makes it go out once more, from its start. Only for one without a body, or of which at most one write took all.
    pub(crate) fn rewind(&mut self) {
        self.written = 0;
        self.writes = 0;
    }

    /// The bytes that can be written.
    fn gathered(&self) -> usize {
        self.buffer.len() + self.data.len() + self.suffix.len()
    }

    /// Writes as much as there is and as the socket takes. Ready when all of it is written.
    pub(crate) fn poll_write(
        &mut self,
        socket: &mut Socket,
        context: &mut Context<'_>,
    ) -> Poll<Result<(), WriteError>> {
        loop {
            let is_waiting = self.poll_gather(context).map_err(WriteError::Body)?.is_pending();
            ready!(self.poll_write_gathered(socket, context)).map_err(WriteError::Connection)?;
            if self.body.is_none() {
                return Poll::Ready(Ok(()));
            }
            self.buffer.clear();
            self.data = Bytes::new();
            self.suffix = &[];
            self.written = 0;
            if is_waiting {
                return Poll::Pending;
            }
        }
    }

    /// Takes from the body what can be written next.
    fn poll_gather(&mut self, context: &mut Context<'_>) -> Poll<Result<(), BodyFailure>> {
        while self.data.is_empty() && self.suffix.is_empty() && self.buffer.len() < GATHERED {
            let Some(body) = &mut self.body else { break };
            let frame = match ready!(Pin::new(body).poll_frame(context)) {
                None => None,
                Some(frame) => Some(frame.map_err(Into::into)?),
            };
            let Some(frame) = frame else {
                self.finish(None)?;
                break;
            };
            match frame.into_data() {
                Ok(data) => self.push(data)?,
                Err(frame) => {
                    self.finish(frame.into_trailers().ok())?;
                    break;
                }
            }
            if self.body.as_ref().is_some_and(Body::is_end_stream) {
                self.finish(None)?;
            }
        }
        Poll::Ready(Ok(()))
    }
}

impl<B: Body> H1Request<B> {
    /// Frames a piece of the body.
    fn push(&mut self, data: Bytes) -> Result<(), BodyFailure> {
        if data.is_empty() {
            return Ok(());
        }
        let suffix: &[u8] = match &mut self.framing {
            Framing::Length(left) => {
                *left = left.checked_sub(data.len() as u64).ok_or(LengthMismatch("longer"))?;
                &[]
            }
            Framing::Chunked { .. } => {
                write!(self.buffer, "{:x}\r\n", data.len())?;
                b"\r\n"
            }
        };
        if data.len() <= MAX_COPIED {
            self.buffer.extend_from_slice(&data);
            self.buffer.extend_from_slice(suffix);
        } else {
            self.data = data;
            self.suffix = suffix;
        }
        Ok(())
    }

    /// Frames the end of the body.
    fn finish(&mut self, trailers: Option<HeaderMap>) -> Result<(), BodyFailure> {
        self.body = None;
        match &self.framing {
            Framing::Length(0) => Ok(()),
            Framing::Length(_) => Err(LengthMismatch("shorter").into()),
            Framing::Chunked { .. } if !self.data.is_empty() => {
                self.suffix = b"\r\n0\r\n\r\n";
                Ok(())
            }
            Framing::Chunked { announced } => {
                self.buffer.extend_from_slice(b"0\r\n");
                for (name, value) in trailers.iter().flatten() {
                    if is_announced(announced, name) {
                        put_field(&mut self.buffer, name.as_str().as_bytes(), value.as_bytes());
                    }
                }
                self.buffer.extend_from_slice(b"\r\n");
                Ok(())
            }
        }
    }

    /// Ready when all that was gathered is written.
    fn poll_write_gathered(&mut self, socket: &mut Socket, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        let behind = self.data.len() + self.suffix.len();
        while self.written < self.buffer.len() + behind {
            let socket = Pin::new(&mut *socket);
            let written = if behind == 0 {
                // Most requests have a head alone: a plain send is the cheaper system call.
                ready!(socket.poll_write(context, &self.buffer[self.written..]))?
            } else {
                let mut parts = [&self.buffer[..], &self.data, self.suffix].map(IoSlice::new);
                let mut parts = &mut parts[..];
                IoSlice::advance_slices(&mut parts, self.written);
                ready!(socket.poll_write_vectored(context, parts))?
            };
            if written == 0 {
                return Poll::Ready(Err(io::ErrorKind::WriteZero.into()));
            }
            self.written += written;
            self.writes = self.writes.saturating_add(1);
        }
        Pin::new(socket).poll_flush(context)
    }
}

/// How a body that is not empty is framed: by its own length if it knows it, whatever its head says, else in chunks.
fn framing(headers: &HeaderMap, body: &impl Body) -> Framing {
    match body.size_hint().exact() {
        Some(length) => Framing::Length(length),
        None => Framing::Chunked {
            announced: headers.get_all(TRAILER).iter().cloned().collect(),
        },
    }
}

/// The head as bytes, and the place of the host in them.
fn encode(head: OutgoingHead<'_>, framing: &Framing, has_body: bool) -> (Vec<u8>, Range<usize>) {
    let mut out = Vec::with_capacity(USUAL_HEAD);
    for part in [head.method.as_str(), " ", head.target, " HTTP/1.1\r\nhost: "] {
        out.extend_from_slice(part.as_bytes());
    }
    let host = out.len()..out.len() + head.host.len();
    out.extend_from_slice(head.host.as_bytes());
    out.extend_from_slice(b"\r\n");
    let mut has_length = false;
    for (name, value) in head.headers {
        if *name == CONTENT_LENGTH {
            has_length = true;
        } else if *name != HOST && *name != TRANSFER_ENCODING {
            put_field(&mut out, name.as_str().as_bytes(), value.as_bytes());
        }
    }
    match framing {
        Framing::Chunked { .. } => put_field(&mut out, b"transfer-encoding", b"chunked"),
        // A length that lies would take the next request on the connection for a body.
        Framing::Length(length) if has_length || has_body => {
            put_field(&mut out, b"content-length", HeaderValue::from(*length).as_bytes());
        }
        Framing::Length(_) => {}
    }
    out.extend_from_slice(b"\r\n");
    (out, host)
}

fn put_field(out: &mut Vec<u8>, name: &[u8], value: &[u8]) {
    out.extend_from_slice(name);
    out.extend_from_slice(b": ");
    out.extend_from_slice(value);
    out.extend_from_slice(b"\r\n");
}

/// Where trailers are announced, only these are sent (RFC 9110, section 6.6.2): the other side may have no use for others. Where none
/// are, a plugin may have added what nobody could announce.
fn is_announced(announced: &[HeaderValue], name: &HeaderName) -> bool {
    if announced.is_empty() {
        return true;
    }
    let mut items = announced
        .iter()
        .flat_map(|list| list.as_bytes().split(|&byte| byte == b','));
    items.any(|item| item.trim_ascii().eq_ignore_ascii_case(name.as_str().as_bytes()))
}
