//! Making a connection to a target: name lookup and connection set-up, in bounded time.

use std::future::Future;
use std::io;
use std::net::SocketAddr;
use std::pin::Pin;
use std::time::Duration;

use tokio::net::TcpStream;

use crate::address::Address;
use crate::error::ConnectError;
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
}

/// Makes a connection to `target` within `limit`, through `connector` if there is one and by a socket if not.
pub(crate) async fn connect(
    connector: Option<&dyn Connect>,
    target: &Target,
    limit: Duration,
) -> Result<Connected, ConnectError> {
    let attempt = async {
        let socket = match (target.security, connector) {
            (TransportSecurity::ClearText, Some(connector)) => Socket::Other(connector.connect(&target.address).await?),
            (TransportSecurity::ClearText, None) => Socket::Tcp(connect_tcp(&target.address).await?),
        };
        let (peer, local) = socket.addresses()?;
        Ok(Connected { socket, peer, local })
    };
    match tokio::time::timeout(limit, attempt).await {
        Ok(outcome) => outcome.map_err(ConnectError::Io),
        Err(_) => Err(ConnectError::Timeout),
    }
}

/// A socket to `address` whose small writes leave at once (TCP_NODELAY).
async fn connect_tcp(address: &Address) -> io::Result<TcpStream> {
    let socket = match address {
        Address::Socket(socket) => TcpStream::connect(socket).await?,
        Address::Name(host, port) => connect_by_name(host, *port).await?,
    };
    socket.set_nodelay(true)?;
    Ok(socket)
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
