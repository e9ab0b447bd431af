//! Making a connection to an endpoint: look the name up, connect, in bounded time.

use std::future::Future;
use std::io::{self, IoSlice};
use std::net::SocketAddr;
use std::pin::Pin;
use std::task::{Context, Poll};
use std::time::Duration;

use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::net::TcpStream;

use crate::address::Address;
use crate::error::SendError;

/// Another way to endpoints than sockets, as where upstreams are scripted.
pub trait Connect {
    /// Makes a connection, in whatever time it takes.
    fn connect<'a>(&'a self, address: &'a Address) -> Connecting<'a>;
}

/// A connection on its way.
pub type Connecting<'a> = Pin<Box<dyn Future<Output = io::Result<Stream>> + 'a>>;

/// An open connection: bytes in both directions, and what its two ends are called.
pub struct Stream {
    /// The bytes.
    pub bytes: Pin<Box<dyn Duplex>>,
    /// The endpoint.
    pub peer: SocketAddr,
    /// This side.
    pub local: SocketAddr,
}

/// Bytes in both directions.
pub trait Duplex: AsyncRead + AsyncWrite {
    /// Its end will be a reset: the other side must not take it for a regular one.
    fn abort(&self);
}

/// What a connection's bytes pass.
pub enum Socket {
    /// The network.
    Tcp(TcpStream),
    /// Something else.
    Other(Stream),
}

impl Socket {
    /// The endpoint's address and this side's.
    pub fn ends(&self) -> io::Result<(SocketAddr, SocketAddr)> {
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

/// A new connection to `address`, by a socket unless there is another way.
pub async fn connect(way: Option<&dyn Connect>, address: &Address, limit: Duration) -> Result<Socket, SendError> {
    match way {
        Some(way) => within(limit, address, way.connect(address)).await.map(Socket::Other),
        None => socket(address, limit).await.map(Socket::Tcp),
    }
}

/// A new socket to `address`. Small writes leave at once (TCP_NODELAY).
async fn socket(address: &Address, limit: Duration) -> Result<TcpStream, SendError> {
    let attempt = async {
        let socket = match address {
            Address::Socket(socket) => TcpStream::connect(socket).await?,
            Address::Name(host, port) => connect_by_name(host, *port).await?,
        };
        socket.set_nodelay(true)?;
        Ok(socket)
    };
    within(limit, address, attempt).await
}

async fn within<T>(
    limit: Duration,
    address: &Address,
    attempt: impl Future<Output = io::Result<T>>,
) -> Result<T, SendError> {
    match tokio::time::timeout(limit, attempt).await {
        Ok(Ok(connected)) => Ok(connected),
        Ok(Err(source)) => Err(SendError::Connect {
            address: address.clone(),
            source,
            attempts: 1,
        }),
        Err(_) => Err(SendError::ConnectTimeout {
            address: address.clone(),
            attempts: 1,
        }),
    }
}

/// The system's resolver answers on a thread of its own; its addresses are tried in its order.
async fn connect_by_name(host: &str, port: u16) -> io::Result<TcpStream> {
    let mut failure = None;
    for address in tokio::net::lookup_host((host, port)).await? {
        match TcpStream::connect(address).await {
            Ok(socket) => return Ok(socket),
            Err(error) => failure = Some(error),
        }
    }
    Err(failure.unwrap_or_else(|| io::Error::new(io::ErrorKind::NotFound, "the host name has no address")))
}
