//! Making a connection to a target: name lookup and connection set-up, in bounded time.

mod race;

use std::cell::Cell;
use std::future::Future;
use std::io;
use std::net::SocketAddr;
use std::pin::Pin;
use std::rc::Rc;
use std::sync::Arc;
use std::time::Duration;

use tokio::net::TcpStream;

use crate::address::Address;
use crate::alpn::{Alpn, Offer};
use crate::error::ConnectError;
use crate::resolve::{HostRecord, Resolve};
use crate::socket::{Socket, Stream};
use crate::target::{Target, TransportSecurity};

/// Makes connections that are not sockets, for tests in which endpoints are scripted.
pub trait Connect {
    /// Makes a connection, in whatever time it takes.
    fn connect<'a>(&'a self, address: &'a Address) -> Connecting<'a>;
}

/// A connection that is being made.
pub type Connecting<'a> = Pin<Box<dyn Future<Output = io::Result<Stream>> + 'a>>;

/// A fresh connection.
pub struct Connected {
    /// The connection; a TCP socket has TCP_NODELAY.
    pub socket: Socket,
    /// The address of the endpoint.
    pub peer: SocketAddr,
    /// The address of this side.
    pub local: SocketAddr,
    /// The addresses of the host name that was connected to; none if the target has an IP address.
    pub host: Option<Arc<HostRecord>>,
    /// The protocol that TLS has agreed on; `None` without TLS.
    pub alpn: Option<Alpn>,
}

/// How connections are made.
#[derive(Clone, Default)]
pub(crate) struct Connector {
    /// Makes the connections in place of sockets.
    pub(crate) substitute: Option<Rc<dyn Connect>>,
    /// Resolves host names; none: only IP addresses can be connected to.
    pub(crate) resolver: Option<Arc<dyn Resolve>>,
}

/// Makes a connection to `target` within `limit`. TLS makes this offer of protocols; without it, the caller knows what it speaks.
pub(crate) async fn connect(
    connector: &Connector,
    target: &Target,
    offer: Offer,
    limit: Duration,
) -> Result<Connected, ConnectError> {
    let is_connected = Cell::new(false);
    let attempt = async {
        let (socket, host, alpn) = match (&target.security, &connector.substitute) {
            // Scripted endpoints speak no TLS.
            (_, Some(substitute)) => (Socket::Other(substitute.connect(&target.address).await?), None, None),
            (TransportSecurity::ClearText, None) => {
                let (socket, host) = connect_tcp(connector.resolver.as_deref(), &target.address).await?;
                (Socket::Tcp(socket), host, None)
            }
            (TransportSecurity::Tls(tls), None) => {
                let (socket, host) = connect_tcp(connector.resolver.as_deref(), &target.address).await?;
                is_connected.set(true);
                let (stream, alpn) = tls.handshake(socket, offer).await.map_err(ConnectError::Tls)?;
                (Socket::Tls(Box::new(stream)), host, Some(alpn))
            }
        };
        let (peer, local) = socket.addresses()?;
        Ok(Connected {
            socket,
            peer,
            local,
            host,
            alpn,
        })
    };
    match tokio::time::timeout(limit, attempt).await {
        Ok(outcome) => outcome,
        Err(_) if is_connected.get() => Err(ConnectError::TlsTimeout),
        Err(_) => Err(ConnectError::Timeout),
    }
}

/// A socket to `address` whose small writes leave at once (TCP_NODELAY), and the record of a host name.
async fn connect_tcp(
    resolver: Option<&dyn Resolve>,
    address: &Address,
) -> io::Result<(TcpStream, Option<Arc<HostRecord>>)> {
    let (socket, host) = match address {
        Address::Socket(socket) => (TcpStream::connect(socket).await?, None),
        Address::Name(name, port) => {
            let unsupported = || io::Error::new(io::ErrorKind::Unsupported, "host names are not resolved here");
            let host = resolver.ok_or_else(unsupported)?.resolve(name).await?;
            (race::connect(&host, *port).await?, Some(host))
        }
    };
    socket.set_nodelay(true)?;
    Ok((socket, host))
}
