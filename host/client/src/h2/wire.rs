//! [`Wire`]: the socket of an HTTP/2 connection. The library moves the frames; how far they have come is asked here.

use std::cell::{Cell, RefCell};
use std::io::{self, IoSlice};
use std::pin::Pin;
use std::rc::Rc;
use std::task::{Context, Poll};
use std::time::Duration;

use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::time::Instant;

use crate::socket::Socket;
use crate::tls::TlsFailure;

/// A socket that the HTTP library and the pool share.
pub(super) struct Wire {
    socket: RefCell<Socket>,
    /// The bytes that were written so far.
    written: Cell<u64>,
    /// The bytes that the endpoint may have read, once the connection has ended.
    delivered: Cell<Option<u64>>,
    last_write: Cell<usize>,
    /// Since when it takes no bytes.
    blocked: Cell<Option<Instant>>,
}

/// The library's end of a wire.
pub(super) struct WireEnd(pub(super) Rc<Wire>);

impl Wire {
    pub(super) fn new(socket: Socket) -> Rc<Self> {
        Rc::new(Self {
            socket: RefCell::new(socket),
            written: Cell::new(0),
            delivered: Cell::new(None),
            last_write: Cell::new(0),
            blocked: Cell::new(None),
        })
    }

    /// The bytes that were written so far: what comes later begins behind them.
    pub(super) fn position(&self) -> u64 {
        self.written.get()
    }

    /// Whether the endpoint cannot have read a byte behind this position.
    pub(super) fn is_unread_from(&self, position: u64) -> bool {
        self.delivered.get().unwrap_or_else(|| self.written.get()) <= position
    }

    /// Whether nothing waits to be read at this moment. One system call.
    pub(super) fn is_silent(&self) -> bool {
        self.socket.borrow_mut().is_silent()
    }

    /// Whether new connections are secured with other material than this one.
    pub(super) fn is_outdated(&self) -> bool {
        self.socket.borrow().is_outdated()
    }

    /// Why the endpoint has ended the connection instead of accepting it, if it has.
    pub(super) fn refusal(&self) -> Option<TlsFailure> {
        self.socket.borrow().refusal().cloned()
    }

    /// Whether it has taken no bytes for longer than this.
    pub(super) fn is_blocked(&self, longer_than: Duration) -> bool {
        self.blocked.get().is_some_and(|since| since.elapsed() > longer_than)
    }

    /// Notes what a write came to.
    fn noted(&self, outcome: Poll<io::Result<usize>>) -> Poll<io::Result<usize>> {
        match &outcome {
            Poll::Ready(Ok(written)) => {
                self.written.set(self.written.get() + *written as u64);
                self.last_write.set(*written);
                self.blocked.take();
            }
            Poll::Pending if self.blocked.get().is_none() => self.blocked.set(Some(Instant::now())),
            Poll::Ready(Err(_)) | Poll::Pending => {}
        }
        outcome
    }

    /// Notes how much the endpoint may have read of a connection that it has closed.
    fn ended(&self, socket: &Socket) {
        if self.delivered.get().is_none() {
            let last_write = self.last_write.get();
            let refused = if socket.has_refused(last_write) {
                last_write as u64
            } else {
                0
            };
            self.delivered.set(Some(self.written.get() - refused));
        }
    }
}

impl AsyncRead for WireEnd {
    fn poll_read(self: Pin<&mut Self>, context: &mut Context<'_>, buffer: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        let mut socket = self.0.socket.borrow_mut();
        let before = buffer.filled().len();
        let outcome = Pin::new(&mut *socket).poll_read(context, buffer);
        let is_end = match &outcome {
            Poll::Ready(Ok(())) => buffer.filled().len() == before && buffer.remaining() > 0,
            // TLS that ended without saying so.
            Poll::Ready(Err(error)) => error.kind() == io::ErrorKind::UnexpectedEof,
            Poll::Pending => false,
        };
        if is_end {
            self.0.ended(&socket);
        }
        outcome
    }
}

impl AsyncWrite for WireEnd {
    fn poll_write(self: Pin<&mut Self>, context: &mut Context<'_>, buffer: &[u8]) -> Poll<io::Result<usize>> {
        let outcome = Pin::new(&mut *self.0.socket.borrow_mut()).poll_write(context, buffer);
        self.0.noted(outcome)
    }

    fn poll_write_vectored(
        self: Pin<&mut Self>,
        context: &mut Context<'_>,
        buffers: &[IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        let outcome = Pin::new(&mut *self.0.socket.borrow_mut()).poll_write_vectored(context, buffers);
        self.0.noted(outcome)
    }

    fn is_write_vectored(&self) -> bool {
        self.0.socket.borrow().is_write_vectored()
    }

    fn poll_flush(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut *self.0.socket.borrow_mut()).poll_flush(context)
    }

    fn poll_shutdown(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut *self.0.socket.borrow_mut()).poll_shutdown(context)
    }
}
