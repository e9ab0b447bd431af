//! [`Peer`]: one end of a connection, which can end in a close or in a reset.

use std::pin::Pin;

use lockgate_client::{Duplex, Socket};
use tokio::io::{AsyncRead, AsyncWrite, DuplexStream};
use tokio::net::TcpStream;
use tokio_rustls::server::TlsStream;

/// One end of a connection.
pub(crate) trait Peer: AsyncRead + AsyncWrite + Unpin {
    /// Makes its close a reset, where there is such a thing: bytes that are not sent yet are thrown away, and the other side cannot mistake the
    /// end for a regular one.
    fn abort(&self);
}

impl Peer for TcpStream {
    fn abort(&self) {
        // A socket that refuses the option is closed all the same.
        let _ = self.set_zero_linger();
    }
}

impl Peer for TlsStream<TcpStream> {
    fn abort(&self) {
        self.get_ref().0.abort();
    }
}

/// An upstream behind TLS.
impl Peer for lockgate_client::TlsStream {
    fn abort(&self) {
        self.socket().abort();
    }
}

impl Peer for Pin<Box<dyn Duplex>> {
    fn abort(&self) {
        self.as_ref().get_ref().abort();
    }
}

impl Peer for Socket {
    fn abort(&self) {
        match self {
            Self::Tcp(socket) => socket.abort(),
            Self::Tls(stream) => stream.abort(),
            Self::Other(stream) => stream.bytes.abort(),
        }
    }
}

/// A connection of an embedded worker. Its end is always a plain one.
impl Peer for DuplexStream {
    fn abort(&self) {}
}
