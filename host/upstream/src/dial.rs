//! A bare connection to an upstream, for protocols that are not spoken here. No pool knows it.

use std::net::SocketAddr;

use bytes::Bytes;
use http::HeaderValue;
use http_body::Body;
use lockgate_client::{AttemptError, BodyFailure, Connected, ConnectionPools, Lease, PoolSettings, Socket, Target};

use crate::attempts::{self, Attempt};
use crate::client::Client;
use crate::error::SendError;
use crate::outcome::Outcome;
use crate::pick::Pick;
use crate::retry_policy::Repeatable;
use crate::upstream::Upstream;

/// A fresh connection to an endpoint of an upstream.
pub struct UpstreamConnection {
    /// The connection; a TCP socket has TCP_NODELAY.
    pub socket: Socket,
    /// The address of the endpoint.
    pub endpoint: SocketAddr,
    /// The address of this side.
    pub local: SocketAddr,
    /// The number of endpoints that were connected to, in vain or not: 1 when all went well.
    pub attempts: u32,
    /// Counts the connection as active at its endpoint. To be dropped with the socket.
    pub lease: Option<Lease>,
}

impl<B> Client<B>
where
    B: Body<Data = Bytes> + Unpin + 'static,
    B::Error: Into<BodyFailure>,
{
    /// Connects to an endpoint of `upstream`. One that cannot be connected to is followed by the next, up to three; each has the
    /// upstream's `connect_timeout`.
    ///
    /// # Errors
    /// [`SendError::NoEndpoint`], or the failure of the last attempt.
    pub async fn dial(&self, upstream: &Upstream) -> Result<UpstreamConnection, SendError> {
        let first = || Pick::first(upstream, || self.rng.next());
        // To be connected in vain does no harm.
        let mut pick = Pick::probe(upstream, true)
            .or_else(first)
            .ok_or(SendError::NoEndpoint)?;
        let (connected, attempts) = attempts::run(&mut pick, Repeatable::Never, Dial(&self.pools), |_, _| {}).await?;
        let Connected {
            socket, peer, local, ..
        } = connected;
        Ok(UpstreamConnection {
            socket,
            endpoint: peer,
            local,
            attempts,
            lease: pick.finish(Outcome::Connected),
        })
    }
}

/// An attempt to connect.
struct Dial<'a, B>(&'a ConnectionPools<B>)
where
    B: Body<Data = Bytes> + Unpin + 'static,
    B::Error: Into<BodyFailure>;

impl<B> Attempt for Dial<'_, B>
where
    B: Body<Data = Bytes> + Unpin + 'static,
    B::Error: Into<BodyFailure>,
{
    type Output = Connected;

    async fn attempt(
        &mut self,
        target: &Target,
        settings: &PoolSettings,
        _repeats: u32,
    ) -> Result<Connected, AttemptError> {
        let connected = self.0.connect(target, settings).await;
        connected.map_err(AttemptError::not_connected)
    }

    fn set_host(&mut self, _host: &HeaderValue) {}
}
