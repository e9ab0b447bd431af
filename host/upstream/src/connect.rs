//! Making a connection to an endpoint: look the name up, connect, in bounded time.

use std::io;
use std::time::Duration;

use tokio::net::TcpStream;

use crate::address::Address;
use crate::error::SendError;

/// A new socket to `address`. Small writes leave at once (TCP_NODELAY).
pub(crate) async fn connect(address: &Address, limit: Duration) -> Result<TcpStream, SendError> {
    let attempt = async {
        let socket = match address {
            Address::Socket(socket) => TcpStream::connect(socket).await?,
            Address::Name(host, port) => connect_by_name(host, *port).await?,
        };
        socket.set_nodelay(true)?;
        Ok(socket)
    };
    match tokio::time::timeout(limit, attempt).await {
        Ok(Ok(socket)) => Ok(socket),
        Ok(Err(source)) => Err(SendError::Connect {
            address: address.clone(),
            source,
        }),
        Err(_) => Err(SendError::ConnectTimeout {
            address: address.clone(),
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
    Err(failure.unwrap_or_else(|| io::Error::new(io::ErrorKind::NotFound, "the name has no address")))
}
