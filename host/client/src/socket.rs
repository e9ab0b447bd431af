//! [`Socket`]: the bytes of a connection, whether they pass the network or not.
//!
//! What the runtime knows of a socket is as old as its last look at all sockets, and a worker that is busy looks late. Where a decision
//! hangs on what has come, the system is asked.

use std::io::{self, IoSlice, Read};
use std::mem::MaybeUninit;
use std::net::SocketAddr;
use std::pin::Pin;
use std::task::{Context, Poll, Waker};

use bytes::BytesMut;
use socket2::SockRef;
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::net::TcpStream;

use crate::tls::{TlsFailure, TlsStream};

/// The bytes of a connection.
pub enum Socket {
    /// A TCP socket.
    Tcp(TcpStream),
    /// A TCP socket whose bytes TLS secures.
    Tls(Box<TlsStream>),
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
            Self::Tls(stream) => Ok((stream.socket().peer_addr()?, stream.socket().local_addr()?)),
            Self::Other(stream) => Ok((stream.peer, stream.local)),
        }
    }

    /// Whether it is open at this moment and nothing waits to be read. One system call.
    pub(crate) fn is_silent(&mut self) -> bool {
        match self {
            Self::Tcp(socket) => {
                let peeked = SockRef::from(&*socket).peek(&mut [MaybeUninit::uninit()]);
                matches!(peeked, Err(error) if error.kind() == io::ErrorKind::WouldBlock)
            }
            Self::Tls(stream) => stream.is_silent(),
            Self::Other(stream) => {
                let mut byte = [0];
                let mut context = Context::from_waker(Waker::noop());
                let read = stream
                    .bytes
                    .as_mut()
                    .poll_read(&mut context, &mut ReadBuf::new(&mut byte));
                read.is_pending()
            }
        }
    }

    /// Whether new connections are secured with other material than this one.
    pub(crate) fn is_outdated(&self) -> bool {
        matches!(self, Self::Tls(stream) if stream.is_outdated())
    }

    /// Why the endpoint has ended the connection instead of accepting it, if it has; known once a read or a write has failed.
    pub(crate) fn refusal(&self) -> Option<&TlsFailure> {
        match self {
            Self::Tls(stream) => stream.refusal(),
            Self::Tcp(_) | Self::Other(_) => None,
        }
    }

    /// Reads what has come by this moment, although the runtime may not know of it yet: what an endpoint sent before it reset the
    /// connection can still be read. Ready bytes are added to `buffer`.
    pub(crate) fn read_now(&mut self, buffer: &mut BytesMut) -> io::Result<usize> {
        let mut room = [0; 4096];
        let read = match self {
            Self::Tcp(socket) => (&*SockRef::from(&*socket)).read(&mut room)?,
            Self::Tls(stream) => return stream.read_now(buffer),
            Self::Other(stream) => {
                let mut room = ReadBuf::new(&mut room);
                let mut context = Context::from_waker(Waker::noop());
                match stream.bytes.as_mut().poll_read(&mut context, &mut room) {
                    Poll::Ready(outcome) => outcome.map(|()| room.filled().len())?,
                    Poll::Pending => return Err(io::ErrorKind::WouldBlock.into()),
                }
            }
        };
        buffer.extend_from_slice(&room[..read]);
        Ok(read)
    }

    /// Whether the endpoint had closed the connection before the last write of `length` bytes reached it, so that nobody has read a
    /// byte of it. To be asked when the end of the connection has been read, and once: the system forgets what it has told.
    ///
    /// An endpoint resets a connection that it has closed when bytes come behind the close. Bytes that fit one segment come whole, so
    /// none of them was read before. More could have been read in part, and the answer is no.
    pub(crate) fn has_refused(&self, length: usize) -> bool {
        let (socket, length) = match self {
            Self::Tcp(socket) => (socket, length),
            Self::Tls(stream) => (stream.socket(), TlsStream::sealed_length(length)),
            Self::Other(_) => return false,
        };
        let socket = SockRef::from(socket);
        let fits_a_segment = socket.tcp_mss().is_ok_and(|size| length <= size as usize);
        fits_a_segment && matches!(socket.take_error(), Ok(Some(error)) if error.kind() == io::ErrorKind::BrokenPipe)
    }
}

impl AsyncRead for Socket {
    fn poll_read(self: Pin<&mut Self>, context: &mut Context<'_>, buffer: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        match self.get_mut() {
            Self::Tcp(socket) => Pin::new(socket).poll_read(context, buffer),
            Self::Tls(stream) => Pin::new(&mut **stream).poll_read(context, buffer),
            Self::Other(stream) => stream.bytes.as_mut().poll_read(context, buffer),
        }
    }
}

impl AsyncWrite for Socket {
    fn poll_write(self: Pin<&mut Self>, context: &mut Context<'_>, buffer: &[u8]) -> Poll<io::Result<usize>> {
        match self.get_mut() {
            Self::Tcp(socket) => Pin::new(socket).poll_write(context, buffer),
            Self::Tls(stream) => Pin::new(&mut **stream).poll_write(context, buffer),
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
            Self::Tls(stream) => Pin::new(&mut **stream).poll_write_vectored(context, buffers),
            Self::Other(stream) => stream.bytes.as_mut().poll_write_vectored(context, buffers),
        }
    }

    fn is_write_vectored(&self) -> bool {
        match self {
            Self::Tcp(socket) => socket.is_write_vectored(),
            Self::Tls(stream) => stream.is_write_vectored(),
            Self::Other(stream) => stream.bytes.is_write_vectored(),
        }
    }

    fn poll_flush(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        match self.get_mut() {
            Self::Tcp(socket) => Pin::new(socket).poll_flush(context),
            Self::Tls(stream) => Pin::new(&mut **stream).poll_flush(context),
            Self::Other(stream) => stream.bytes.as_mut().poll_flush(context),
        }
    }

    fn poll_shutdown(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        match self.get_mut() {
            Self::Tcp(socket) => Pin::new(socket).poll_shutdown(context),
            Self::Tls(stream) => Pin::new(&mut **stream).poll_shutdown(context),
            Self::Other(stream) => stream.bytes.as_mut().poll_shutdown(context),
        }
    }
}

#[cfg(test)]
mod tests {
    use std::future::Future;

    use tokio::io::{AsyncReadExt, AsyncWriteExt};
    use tokio::net::TcpListener;

    use super::*;

    /// Both ends of a connection.
    async fn connection() -> (Socket, TcpStream) {
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
        let address = listener.local_addr().expect("bound");
        let (ours, theirs) = tokio::join!(TcpStream::connect(address), listener.accept());
        (Socket::Tcp(ours.expect("connected")), theirs.expect("accepted").0)
    }

    fn run(test: impl Future<Output = ()>) {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
        runtime.expect("a runtime").block_on(test);
    }

    #[test]
    fn what_came_behind_the_close_was_refused() {
        run(async {
            let (mut ours, theirs) = connection().await;
            drop(theirs);
            ours.write_all(b"request").await.expect("the system takes it");
            assert_eq!(ours.read(&mut [0; 8]).await.expect("the end"), 0);
            assert!(ours.has_refused(7));
        });
    }

    #[test]
    fn what_was_read_or_could_have_been_was_not_refused() {
        run(async {
            // The endpoint has read all and closes.
            let (mut ours, mut theirs) = connection().await;
            ours.write_all(b"request").await.expect("taken");
            theirs.read_exact(&mut [0; 7]).await.expect("read");
            drop(theirs);
            assert_eq!(ours.read(&mut [0; 8]).await.expect("the end"), 0);
            assert!(!ours.has_refused(7));
            // It has read a part, and resets.
            let (mut ours, mut theirs) = connection().await;
            ours.write_all(b"request").await.expect("taken");
            theirs.read_exact(&mut [0; 3]).await.expect("read");
            drop(theirs);
            assert!(ours.read(&mut [0; 8]).await.is_err() && !ours.has_refused(7));
            // What was refused is more than a segment, of which the first ones may have come before the close.
            let (mut ours, theirs) = connection().await;
            drop(theirs);
            ours.write_all(b"request").await.expect("taken");
            assert_eq!(ours.read(&mut [0; 8]).await.expect("the end"), 0);
            assert!(!ours.has_refused(1 << 20));
        });
    }

    #[test]
    fn a_socket_is_asked_and_not_the_runtime() {
        run(async {
            let (mut ours, theirs) = connection().await;
            assert!(ours.is_silent());
            let theirs = theirs.into_std().expect("a socket");
            // Nothing here waits: the runtime does not look at its sockets meanwhile.
            io::Write::write_all(&mut &theirs, b"x").expect("written");
            assert!(!ours.is_silent());
            let mut buffer = BytesMut::new();
            assert_eq!(
                (ours.read_now(&mut buffer).expect("a byte"), &buffer[..]),
                (1, &b"x"[..])
            );
            assert!(ours.is_silent());
            drop(theirs);
            assert!(!ours.is_silent());
        });
    }
}
