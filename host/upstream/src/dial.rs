//! A bare connection to an upstream, for protocols that are not spoken here. It is nobody's to reuse.

use std::net::SocketAddr;

use bytes::Bytes;
use http_body::Body;
use lockgate_client::{BodyFailure, SendError, Socket, connect};

use crate::client::{Client, MOST_ENDPOINTS};
use crate::upstream::Upstream;

/// A fresh connection, and how it was come by.
pub struct Dialled {
    /// The connection; a socket has TCP_NODELAY.
    pub socket: Socket,
    /// The endpoint at its other end.
    pub endpoint: SocketAddr,
    /// This side's address.
    pub local: SocketAddr,
    /// How many endpoints were connected to, in vain or not: 1 when all went well.
    pub attempts: u32,
}

impl<B> Client<B>
where
    B: Body<Data = Bytes> + Unpin + 'static,
    B::Error: Into<BodyFailure>,
{
    /// Connects to the endpoint of `upstream` whose turn it is. One that cannot be connected to is followed by the next, up to
    /// three; each has the upstream's `connect_timeout`.
    ///
    /// # Errors
    /// [`SendError::NoEndpoint`], or what became of the last attempt.
    pub async fn dial(&self, upstream: &Upstream) -> Result<Dialled, SendError> {
        let mut index = upstream.pick(|| self.random.next()).ok_or(SendError::NoEndpoint)?;
        let most = MOST_ENDPOINTS.min(upstream.endpoints().len());
        for attempt in 1.. {
            let address = upstream.endpoints()[index].address();
            let broken = |source| SendError::Connect {
                address: address.clone(),
                source,
                attempts: attempt as u32,
            };
            match connect(self.way.as_deref(), address, upstream.pool.connect_timeout).await {
                Ok(socket) => {
                    let (endpoint, local) = socket.ends().map_err(broken)?;
                    return Ok(Dialled {
                        endpoint,
                        local,
                        attempts: attempt as u32,
                        socket,
                    });
                }
                Err(_) if attempt < most => index = upstream.after(index),
                Err(error) => return Err(error.after(attempt as u32)),
            }
        }
        Err(SendError::NoEndpoint)
    }
}
