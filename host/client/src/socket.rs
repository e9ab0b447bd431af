//! [`Socket`]: the bytes of a connection, whether they pass the network or not.

use std::io::{self, IoSlice};
use std::net::SocketAddr;
use std::pin::Pin;
use std::task::{Context, Poll};

use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::net::TcpStream;

/// The bytes of a connection.
pub enum Socket {
    /// A TCP socket.
    Tcp(TcpStream),
    /// What a [`Connect`](crate::Connect) made.
    Other(Stream),
}

/// A connection that is not a socket.
pub struct Stream {
    /// The bytes in both directions.
    pub bytes: Pin<Box<dyn Duplex>>,
    /// The address of the endpoint.
    pub peer: SocketAddr,
    /// The address of this side.
    pub local: SocketAddr,
}

/// Bytes in both directions.
pub trait Duplex: AsyncRead + AsyncWrite {
    /// Turns the end of the bytes into a reset, which the other side cannot mistake for a regular end.
    fn abort(&self);
}

impl Socket {
    /// The addresses of the peer and of this side.
    ///
    /// # Errors
    /// Those of the system, such as that a socket has lost its peer already.
    pub(crate) fn addresses(&self) -> io::Result<(SocketAddr, SocketAddr)> {
        match self {
            Self::Tcp(socket) => Ok((socket.peer_addr()?, socket.local_addr()?)),
            Self::Other(stream) => Ok((stream.peer, stream.local)),
        }
    }
}

impl AsyncRead for Socket {
    fn poll_read(self: Pin<&mut Self>, context: &mut Context<'_>, buffer: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        match self.get_mut() {
            Self::Tcp(socket) => Pin::new(socket).poll_read(context, buffer),
            Self::Other(stream) => stream.bytes.as_mut().poll_read(context, buffer),
        }
    }
}

impl AsyncWrite for Socket {
    fn poll_write(self: Pin<&mut Self>, context: &mut Context<'_>, buffer: &[u8]) -> Poll<io::Result<usize>> {
        match self.get_mut() {
            Self::Tcp(socket) => Pin::new(socket).poll_write(context, buffer),
            Self::Other(stream) => stream.bytes.as_mut().poll_write(context, buffer),
        }
    }

    fn poll_write_vectored(
        self: Pin<&mut Self>,
        context: &mut Context<'_>,
        buffers: &[IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        match self.get_mut() {
            Self::Tcp(socket) => Pin::new(socket).poll_write_vectored(context, buffers),
            Self::Other(stream) => stream.bytes.as_mut().poll_write_vectored(context, buffers),
        }
    }

    fn poll_flush(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        match self.get_mut() {
            Self::Tcp(socket) => Pin::new(socket).poll_flush(context),
            Self::Other(stream) => stream.bytes.as_mut().poll_flush(context),
        }
    }

    fn poll_shutdown(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        match self.get_mut() {
            Self::Tcp(socket) => Pin::new(socket).poll_shutdown(context),
            Self::Other(stream) => stream.bytes.as_mut().poll_shutdown(context),
        }
    }
}
