//! [`Message`]: a request on its way out. Its head is bytes from the start; its body is taken as it comes, framed, and
//! written without being copied, but for small pieces, which leave together.
//!
//! A message of which no byte has been written is as good as new, and may go out on another connection.

use std::io::{self, IoSlice, Write};
use std::ops::Range;
use std::pin::Pin;
use std::task::{Context, Poll, ready};

use bytes::{Buf, Bytes};
use http::header::{CONTENT_LENGTH, HOST, TRAILER, TRANSFER_ENCODING};
use http::{HeaderMap, HeaderName, HeaderValue, Method};
use http_body::Body;
use tokio::io::AsyncWrite;

use crate::connect::Socket;
use crate::error::BodyFailure;

/// Room for a head of the usual size, in bytes.
const USUAL_HEAD: usize = 768;
/// A piece of a body up to this size is copied, so that it leaves with what is before it.
const SMALL: usize = 4096;
/// So much is gathered from small pieces before it is written.
const GATHERED: usize = 16 * 1024;

/// The head of a request as it is to be sent.
#[derive(Clone, Copy, Debug)]
pub struct Head<'a> {
    /// The method.
    pub method: &'a Method,
    /// Path and query, or `*`.
    pub target: &'a str,
    /// The `host` field, unless the upstream has one of its own.
    pub host: &'a HeaderValue,
    /// All other fields. `host` and `transfer-encoding` are passed over, and `content-length` is what the body says.
    pub headers: &'a HeaderMap,
}

/// A request on its way out.
pub struct Message<B> {
    /// What goes first: the head, small pieces, the size of a chunk.
    front: Vec<u8>,
    /// So much of it is written.
    at: usize,
    /// A piece of the body that goes behind it.
    piece: Bytes,
    /// And what goes behind that.
    tail: &'static [u8],
    /// Where the host stands in the head.
    host: Range<usize>,
    /// Gone once all of it has been taken.
    body: Option<B>,
    framing: Framing,
    is_touched: bool,
    /// The answer will have no body: it is a HEAD request.
    pub wants_head_only: bool,
    /// There is no body.
    pub is_bare: bool,
    /// Sending it twice does no more than sending it once.
    pub is_idempotent: bool,
}

enum Framing {
    /// So many bytes are still to come.
    Length(u64),
    /// Chunks; of trailers, those that these fields announce.
    Chunked { announced: Vec<HeaderValue> },
}

/// Why a message cannot be sent.
#[derive(Debug)]
pub enum Fault {
    /// Its own body failed.
    Body(BodyFailure),
    /// The connection did.
    Connection(io::Error),
}

/// The body's length is not what its head told.
#[derive(Debug, thiserror::Error)]
#[error("the body is {0} than its content-length")]
struct Mismatch(&'static str);

impl<B> Message<B>
where
    B: Body<Data = Bytes> + Unpin,
    B::Error: Into<BodyFailure>,
{
    /// The message that consists of a head and a body.
    pub fn new(head: Head<'_>, body: B) -> Self {
        let is_bare = body.is_end_stream();
        let framing = if is_bare {
            Framing::Length(0)
        } else {
            framing(head.headers, &body)
        };
        let (front, host) = encode(head, &framing, is_bare);
        Self {
            front,
            at: 0,
            piece: Bytes::new(),
            tail: &[],
            host,
            body: (!is_bare).then_some(body),
            framing,
            is_touched: false,
            wants_head_only: *head.method == Method::HEAD,
            is_bare,
            is_idempotent: head.method.is_idempotent(),
        }
    }

    /// Another host, for a message that is going to an endpoint of that name.
    pub fn set_host(&mut self, host: &HeaderValue) {
        let host = host.as_bytes();
        self.front.splice(self.host.clone(), host.iter().copied());
        self.host.end = self.host.start + host.len();
    }

    /// Whether a byte of it has been written.
    pub fn is_touched(&self) -> bool {
        self.is_touched
    }

    /// It goes out once more, from its start. Only for one without a body.
    pub fn rewind(&mut self) {
        self.at = 0;
        self.is_touched = false;
    }

    /// Writes as much as there is and as the socket takes. Ready when all of it is written.
    pub fn poll_send(&mut self, socket: &mut Socket, context: &mut Context<'_>) -> Poll<Result<(), Fault>> {
        loop {
            let is_waiting = self.poll_gather(context).map_err(Fault::Body)?.is_pending();
            ready!(self.poll_write(socket, context)).map_err(Fault::Connection)?;
            if self.body.is_none() {
                return Poll::Ready(Ok(()));
            }
            self.front.clear();
            self.at = 0;
            if is_waiting {
                return Poll::Pending;
            }
        }
    }

    /// Takes from the body what can be written next.
    fn poll_gather(&mut self, context: &mut Context<'_>) -> Poll<Result<(), BodyFailure>> {
        while self.piece.is_empty() && self.tail.is_empty() && self.front.len() < GATHERED {
            let Some(body) = &mut self.body else { break };
            let frame = match ready!(Pin::new(body).poll_frame(context)) {
                None => None,
                Some(frame) => Some(frame.map_err(Into::into)?),
            };
            let Some(frame) = frame else {
                self.end(None)?;
                break;
            };
            match frame.into_data() {
                Ok(data) => self.put(data)?,
                Err(frame) => {
                    self.end(frame.into_trailers().ok())?;
                    break;
                }
            }
            if self.body.as_ref().is_some_and(Body::is_end_stream) {
                self.end(None)?;
            }
        }
        Poll::Ready(Ok(()))
    }
}

impl<B: Body> Message<B> {
    fn put(&mut self, data: Bytes) -> Result<(), BodyFailure> {
        if data.is_empty() {
            return Ok(());
        }
        let behind: &[u8] = match &mut self.framing {
            Framing::Length(left) => {
                *left = left.checked_sub(data.len() as u64).ok_or(Mismatch("longer"))?;
                &[]
            }
            Framing::Chunked { .. } => {
                write!(self.front, "{:x}\r\n", data.len())?;
                b"\r\n"
            }
        };
        if data.len() <= SMALL {
            self.front.extend_from_slice(&data);
            self.front.extend_from_slice(behind);
        } else {
            self.piece = data;
            self.tail = behind;
        }
        Ok(())
    }

    /// Nothing more comes of the body.
    fn end(&mut self, trailers: Option<HeaderMap>) -> Result<(), BodyFailure> {
        self.body = None;
        match &self.framing {
            Framing::Length(0) => Ok(()),
            Framing::Length(_) => Err(Mismatch("shorter").into()),
            Framing::Chunked { .. } if !self.piece.is_empty() => {
                self.tail = b"\r\n0\r\n\r\n";
                Ok(())
            }
            Framing::Chunked { announced } => {
                self.front.extend_from_slice(b"0\r\n");
                for (name, value) in trailers.iter().flatten() {
                    if is_announced(announced, name) {
                        put_field(&mut self.front, name.as_str().as_bytes(), value.as_bytes());
                    }
                }
                self.front.extend_from_slice(b"\r\n");
                Ok(())
            }
        }
    }

    /// Ready when all that was gathered is written.
    fn poll_write(&mut self, socket: &mut Socket, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        loop {
            let front = &self.front[self.at..];
            let socket = Pin::new(&mut *socket);
            let written = match (front.is_empty(), self.piece.is_empty() && self.tail.is_empty()) {
                (true, true) => return socket.poll_flush(context),
                // As most requests are: a plain send is the cheaper system call.
                (false, true) => ready!(socket.poll_write(context, front))?,
                _ => {
                    let parts = [front, &self.piece, self.tail].map(IoSlice::new);
                    ready!(socket.poll_write_vectored(context, &parts))?
                }
            };
            if written == 0 {
                return Poll::Ready(Err(io::ErrorKind::WriteZero.into()));
            }
            self.advance(written);
        }
    }

    fn advance(&mut self, written: usize) {
        self.is_touched = true;
        let of_front = written.min(self.front.len() - self.at);
        self.at += of_front;
        let of_piece = (written - of_front).min(self.piece.len());
        self.piece.advance(of_piece);
        self.tail = &self.tail[written - of_front - of_piece..];
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

/// The head as bytes, and where in them its host stands.
fn encode(head: Head<'_>, framing: &Framing, is_bare: bool) -> (Vec<u8>, Range<usize>) {
    let mut out = Vec::with_capacity(USUAL_HEAD);
    for part in [head.method.as_str(), " ", head.target, " HTTP/1.1\r\nhost: "] {
        out.extend_from_slice(part.as_bytes());
    }
    let host = out.len()..out.len() + head.host.len();
    out.extend_from_slice(head.host.as_bytes());
    out.extend_from_slice(b"\r\n");
    let mut tells_length = false;
    for (name, value) in head.headers {
        if *name == CONTENT_LENGTH {
            tells_length = true;
        } else if *name != HOST && *name != TRANSFER_ENCODING {
            put_field(&mut out, name.as_str().as_bytes(), value.as_bytes());
        }
    }
    match framing {
        Framing::Chunked { .. } => put_field(&mut out, b"transfer-encoding", b"chunked"),
        // A length that lies would take the next request on the connection for a body.
        Framing::Length(length) if tells_length || !is_bare => {
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

/// Only trailers that were announced are sent (RFC 9110, section 6.6.2): the other side may have no use for more.
fn is_announced(announced: &[HeaderValue], name: &HeaderName) -> bool {
    let mut items = announced
        .iter()
        .flat_map(|list| list.as_bytes().split(|&byte| byte == b','));
    items.any(|item| item.trim_ascii().eq_ignore_ascii_case(name.as_str().as_bytes()))
}
