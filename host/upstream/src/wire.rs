//! [`Wire`]: the socket under a connection, which remembers what a retry has to know.
//!
//! hyper tells that a connection died, not how far it had come. Whether a request was written, and whether one byte of an
//! answer arrived, is seen here. The written bytes of a request that may be repeated are kept (a copy of a few hundred
//! bytes, where a clone of the header map would cost more), and are read back only when the connection did die.

use std::cell::{Cell, RefCell};
use std::io::{self, IoSlice};
use std::pin::Pin;
use std::rc::Rc;
use std::task::{Context, Poll, ready};

use http::{Request, Version};
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};

use crate::connect::Socket;

/// A request head longer than this is not kept, and so not repeated.
const LONGEST_KEPT: usize = 16 * 1024;
/// How many headers a repeated request may have.
const MOST_HEADERS: usize = 128;

/// A socket that notes the progress of the current exchange in a [`Record`].
pub(crate) struct Wire {
    socket: Socket,
    record: Rc<Record>,
}

/// How far the current exchange has come.
#[derive(Default)]
pub(crate) struct Record {
    written: Cell<bool>,
    answered: Cell<bool>,
    keeping: Cell<bool>,
    kept: RefCell<Vec<u8>>,
}

impl Record {
    /// A new exchange begins; its bytes are kept if it may be repeated.
    pub(crate) fn begin(&self, keep: bool) {
        self.written.set(false);
        self.answered.set(false);
        self.keeping.set(keep);
        self.kept.borrow_mut().clear();
    }

    /// Whether a byte of the request left.
    pub(crate) fn is_written(&self) -> bool {
        self.written.get()
    }

    /// Whether a byte of an answer came.
    pub(crate) fn is_answered(&self) -> bool {
        self.answered.get()
    }

    /// Notes a write. What could not be written because the connection is broken is kept as well: the request that is
    /// repeated is the whole one.
    fn wrote<'a>(&self, outcome: &io::Result<usize>, buffers: impl Iterator<Item = &'a [u8]>) {
        if matches!(outcome, Ok(count) if *count > 0) {
            self.written.set(true);
        }
        if !self.keeping.get() {
            return;
        }
        let mut kept = self.kept.borrow_mut();
        let mut left = *outcome.as_ref().unwrap_or(&usize::MAX);
        for buffer in buffers {
            let taken = left.min(buffer.len());
            if kept.len() + taken > LONGEST_KEPT {
                self.keeping.set(false);
                return;
            }
            kept.extend_from_slice(&buffer[..taken]);
            left -= taken;
        }
    }

    /// The head of the request that was written, if it was kept and is complete.
    pub(crate) fn head(&self) -> Option<Request<()>> {
        if !self.keeping.get() {
            return None;
        }
        let kept = self.kept.borrow();
        let mut headers = [httparse::EMPTY_HEADER; MOST_HEADERS];
        let mut parsed = httparse::Request::new(&mut headers);
        if !parsed.parse(&kept).ok()?.is_complete() {
            return None;
        }
        let mut request = Request::builder()
            .method(parsed.method?)
            .uri(parsed.path?)
            .version(Version::HTTP_11);
        for header in parsed.headers.iter() {
            request = request.header(header.name, header.value);
        }
        request.body(()).ok()
    }
}

impl Wire {
    pub(crate) fn new(socket: Socket, record: Rc<Record>) -> Self {
        Self { socket, record }
    }
}

impl AsyncRead for Wire {
    fn poll_read(self: Pin<&mut Self>, context: &mut Context<'_>, buffer: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        let this = self.get_mut();
        let filled = buffer.filled().len();
        let result = ready!(match &mut this.socket {
            Socket::Tcp(socket) => Pin::new(socket).poll_read(context, buffer),
            Socket::Other(stream) => stream.bytes.as_mut().poll_read(context, buffer),
        });
        if buffer.filled().len() > filled {
            this.record.answered.set(true);
        }
        Poll::Ready(result)
    }
}

impl AsyncWrite for Wire {
    fn poll_write(self: Pin<&mut Self>, context: &mut Context<'_>, buffer: &[u8]) -> Poll<io::Result<usize>> {
        let this = self.get_mut();
        let outcome = ready!(match &mut this.socket {
            Socket::Tcp(socket) => Pin::new(socket).poll_write(context, buffer),
            Socket::Other(stream) => stream.bytes.as_mut().poll_write(context, buffer),
        });
        this.record.wrote(&outcome, std::iter::once(buffer));
        Poll::Ready(outcome)
    }

    fn poll_write_vectored(
        self: Pin<&mut Self>,
        context: &mut Context<'_>,
        buffers: &[IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        // One buffer, as most requests are: a plain send is the cheaper system call.
        if let [only] = buffers {
            return self.poll_write(context, only);
        }
        let this = self.get_mut();
        let outcome = ready!(match &mut this.socket {
            Socket::Tcp(socket) => Pin::new(socket).poll_write_vectored(context, buffers),
            Socket::Other(stream) => stream.bytes.as_mut().poll_write_vectored(context, buffers),
        });
        this.record.wrote(&outcome, buffers.iter().map(|buffer| &**buffer));
        Poll::Ready(outcome)
    }

    fn is_write_vectored(&self) -> bool {
        matches!(&self.socket, Socket::Tcp(socket) if socket.is_write_vectored())
    }

    fn poll_flush(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        match &mut self.get_mut().socket {
            Socket::Tcp(socket) => Pin::new(socket).poll_flush(context),
            Socket::Other(stream) => stream.bytes.as_mut().poll_flush(context),
        }
    }

    fn poll_shutdown(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        match &mut self.get_mut().socket {
            Socket::Tcp(socket) => Pin::new(socket).poll_shutdown(context),
            Socket::Other(stream) => stream.bytes.as_mut().poll_shutdown(context),
        }
    }
}
