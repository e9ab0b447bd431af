//! [`TlsStream`]: the bytes of a connection that TLS secures.
//!
//! On an idle connection an endpoint may send what is TLS's own (tickets for later sessions, new keys). It is taken in, and the connection
//! stays usable; data and the end of the connection are not expected there.

use std::io::{self, IoSlice, Read};
use std::mem::MaybeUninit;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};

use bytes::BytesMut;
use rustls::ClientConnection;
use socket2::SockRef;
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::net::TcpStream;
use tokio_rustls::client::TlsStream as RustlsStream;

use super::{TlsClient, TlsFailure, TlsMaterial};

/// The largest number of reads that look for the end of what has come on an idle connection; each takes a few KiB.
const MAX_READS: usize = 16;

/// The bytes of a connection that TLS secures.
pub struct TlsStream {
    inner: RustlsStream<TcpStream>,
    client: Arc<TlsClient>,
    /// What the connection was made with.
    material: Arc<TlsMaterial>,
    /// Nothing that the endpoint has encrypted for us was read yet, so it may not have accepted us.
    is_unconfirmed: bool,
    /// Why the endpoint has refused us after the handshake.
    refusal: Option<TlsFailure>,
}

/// What has come on a connection, after the system was asked.
enum Arrived {
    /// Nothing but what is TLS's own.
    Nothing,
    /// Data, the end, or what is no TLS.
    Something,
}

impl TlsStream {
    pub(super) fn new(inner: RustlsStream<TcpStream>, client: Arc<TlsClient>, material: Arc<TlsMaterial>) -> Self {
        Self {
            inner,
            client,
            material,
            is_unconfirmed: true,
            refusal: None,
        }
    }

    /// The socket below.
    pub fn socket(&self) -> &TcpStream {
        self.inner.get_ref().0
    }

    /// Whether new connections are made with other material than this one was.
    pub(crate) fn is_outdated(&self) -> bool {
        !Arc::ptr_eq(&self.client.material.load(), &self.material)
    }

    /// Why the endpoint has ended the connection before it sent anything: in TLS 1.3 a client learns only then that its certificate was
    /// refused.
    pub(crate) fn refusal(&self) -> Option<&TlsFailure> {
        self.refusal.as_ref()
    }

    /// Whether it is open at this moment, nothing waits to be read, and it was made with the current material.
    pub(crate) fn is_silent(&mut self) -> bool {
        !self.is_outdated() && matches!(self.receive(), Arrived::Nothing)
    }

    /// Reads what has come by this moment.
    pub(crate) fn read_now(&mut self, buffer: &mut BytesMut) -> io::Result<usize> {
        self.receive();
        let mut room = [0; 4096];
        let read = self.inner.get_mut().1.reader().read(&mut room)?;
        buffer.extend_from_slice(&room[..read]);
        Ok(read)
    }

    /// The most bytes that a write of this length can be on the wire.
    pub(crate) fn sealed_length(length: usize) -> usize {
        /// Header, content type and tag of a record, rounded up.
        const OVERHEAD: usize = 64;
        length + OVERHEAD * (length / 16_384 + 1)
    }

    /// Takes in what the system has, although the runtime may not know of it yet.
    fn receive(&mut self) -> Arrived {
        let (socket, session) = self.inner.get_mut();
        let socket = SockRef::from(&*socket);
        for _ in 0..MAX_READS {
            match receive_some(&socket, session) {
                Ok(0) => return Arrived::Something,
                Ok(_) => {}
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => return Arrived::Nothing,
                Err(_) => return Arrived::Something,
            }
        }
        Arrived::Something
    }

    /// Notes whether the endpoint has accepted us, and tells an error that says that it has not from other errors.
    fn noted<T>(&mut self, outcome: Poll<io::Result<T>>) -> Poll<io::Result<T>> {
        if let Poll::Ready(Err(error)) = &outcome
            && self.is_unconfirmed
            && self.refusal.is_none()
        {
            self.refusal = TlsFailure::of_refusal(error, &self.material).or_else(|| self.last_words());
        }
        outcome
    }

    /// The alert that came before the connection broke.
    fn last_words(&mut self) -> Option<TlsFailure> {
        let (socket, session) = self.inner.get_mut();
        let socket = SockRef::from(&*socket);
        for _ in 0..MAX_READS {
            match receive_some(&socket, session) {
                Ok(1..) => {}
                Ok(0) => return None,
                Err(error) => return TlsFailure::of_refusal(&error, &self.material),
            }
        }
        None
    }
}

/// One read of the system's bytes. `Ok(0)`: what comes next is data, or the end.
fn receive_some(socket: &SockRef<'_>, session: &mut ClientConnection) -> io::Result<usize> {
    if !session.wants_read() {
        return Ok(0);
    }
    let peeked = socket.peek(&mut [MaybeUninit::uninit()])?;
    if peeked == 0 {
        return Ok(0);
    }
    let read = session.read_tls(&mut &**socket)?;
    let state = session
        .process_new_packets()
        .map_err(|error| io::Error::new(io::ErrorKind::InvalidData, error))?;
    Ok(match state.plaintext_bytes_to_read() > 0 || state.peer_has_closed() {
        true => 0,
        false => read,
    })
}

impl AsyncRead for TlsStream {
    fn poll_read(self: Pin<&mut Self>, context: &mut Context<'_>, buffer: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        let this = self.get_mut();
        let before = buffer.filled().len();
        let outcome = Pin::new(&mut this.inner).poll_read(context, buffer);
        if buffer.filled().len() > before {
            this.is_unconfirmed = false;
        }
        this.noted(outcome)
    }
}

impl AsyncWrite for TlsStream {
    fn poll_write(self: Pin<&mut Self>, context: &mut Context<'_>, buffer: &[u8]) -> Poll<io::Result<usize>> {
        let this = self.get_mut();
        let outcome = Pin::new(&mut this.inner).poll_write(context, buffer);
        this.noted(outcome)
    }

    fn poll_write_vectored(
        self: Pin<&mut Self>,
        context: &mut Context<'_>,
        buffers: &[IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        let this = self.get_mut();
        let outcome = Pin::new(&mut this.inner).poll_write_vectored(context, buffers);
        this.noted(outcome)
    }

    fn is_write_vectored(&self) -> bool {
        self.inner.is_write_vectored()
    }

    fn poll_flush(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        let this = self.get_mut();
        let outcome = Pin::new(&mut this.inner).poll_flush(context);
        this.noted(outcome)
    }

    fn poll_shutdown(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        let this = self.get_mut();
        Pin::new(&mut this.inner).poll_shutdown(context)
    }
}
