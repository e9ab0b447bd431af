//! [`ConnectionPools`]: one worker's connections to all targets.

use std::fmt;
use std::rc::Rc;
use std::sync::Arc;

use bytes::Bytes;
use http_body::Body;

use crate::alpn::Offer;
use crate::auto::{AutoRequest, Ways};
use crate::connect::{self, Connect, Connected, Connector};
use crate::error::{AttemptError, BodyFailure, ConnectError};
use crate::h1::{self, H1Pool, H1Request, H1Response};
use crate::h2::{self, H2Pool, H2Request};
use crate::pool_settings::PoolSettings;
use crate::received::Received;
use crate::resolve::Resolve;
use crate::target::Target;

/// One worker's connections to all targets. A clone shares them. They stay on their worker's thread and live as long as it does,
/// across reloads; all methods must be called within a [`tokio::task::LocalSet`] or a local runtime.
///
/// Each method makes one attempt at one target. Dropping its future gives up and closes the connection, or resets the HTTP/2
/// stream.
pub struct ConnectionPools<B>
where
    B: Body<Data = Bytes> + Unpin + 'static,
    B::Error: Into<BodyFailure>,
{
    h1: Rc<H1Pool<B>>,
    h2: Rc<H2Pool>,
    connector: Connector,
}

impl<B> ConnectionPools<B>
where
    B: Body<Data = Bytes> + Unpin + 'static,
    B::Error: Into<BodyFailure>,
{
    /// Pools without connections yet. Connections are sockets, to IP addresses only.
    pub fn new() -> Self {
        Self {
            h1: H1Pool::new(),
            h2: H2Pool::new(),
            connector: Connector::default(),
        }
    }

    /// Pools without connections yet. Connections are sockets; `resolver` resolves host names.
    pub fn with_resolver(resolver: Arc<dyn Resolve>) -> Self {
        let mut pools = Self::new();
        pools.connector.resolver = Some(resolver);
        pools
    }

    /// Pools without connections yet. Connections are made by `connector`.
    pub fn with_connector(connector: Rc<dyn Connect>) -> Self {
        let mut pools = Self::new();
        pools.connector.substitute = Some(connector);
        pools
    }

    /// Makes a connection that no pool knows.
    ///
    /// # Errors
    /// [`ConnectError`]: the system's failure, or that the time limit has passed.
    pub async fn connect(&self, target: &Target, settings: &PoolSettings) -> Result<Connected, ConnectError> {
        connect::connect(&self.connector, target, Offer::Nothing, settings.connect_timeout).await
    }

    /// Sends a request over HTTP/1.1 and waits for the head of the response, however long that takes. One that `needs_fresh` goes
    /// out on a connection of its own.
    ///
    /// # Panics
    /// There must be a request.
    ///
    /// # Errors
    /// [`AttemptError`] with a [`Progress`](crate::Progress). The request is put back if nothing of it was written, or if it was not
    /// answered.
    pub fn send_h1(
        &self,
        target: &Target,
        settings: &PoolSettings,
        request: &mut Option<Box<H1Request<B>>>,
        needs_fresh: bool,
    ) -> impl Future<Output = Result<H1Response<B>, AttemptError>> {
        h1::send(&self.h1, &self.connector, target, settings, request, needs_fresh)
    }

    /// Sends a request over HTTP/2 and waits for the head of the response, however long that takes. One that `needs_fresh` is the
    /// first on a connection.
    ///
    /// # Errors
    /// [`AttemptError`] with a [`Progress`](crate::Progress). The request can be sent again if that says so.
    pub fn send_h2(
        &self,
        target: &Target,
        settings: &PoolSettings,
        request: &mut H2Request<B>,
        needs_fresh: bool,
    ) -> impl Future<Output = Result<Received, AttemptError>> {
        h2::send(&self.h2, &self.connector, target, settings, request, needs_fresh)
    }

    /// Sends a request over the HTTP version that the endpoint chooses, and waits for the head of the response, however long that takes.
    /// `repeats`: the number of times that it has gone out in vain.
    ///
    /// # Errors
    /// [`AttemptError`] with a [`Progress`](crate::Progress). The request can be sent again if that says so.
    pub async fn send_auto(
        &self,
        target: &Target,
        settings: &PoolSettings,
        request: &mut AutoRequest<B>,
        repeats: u32,
    ) -> Result<Received, AttemptError> {
        let ways = Ways {
            h1: &self.h1,
            h2: &self.h2,
            connector: &self.connector,
        };
        ways.send(target, settings, request, repeats).await
    }
}

impl<B> Default for ConnectionPools<B>
where
    B: Body<Data = Bytes> + Unpin + 'static,
    B::Error: Into<BodyFailure>,
{
    fn default() -> Self {
        Self::new()
    }
}

impl<B> Clone for ConnectionPools<B>
where
    B: Body<Data = Bytes> + Unpin + 'static,
    B::Error: Into<BodyFailure>,
{
    fn clone(&self) -> Self {
        Self {
            h1: Rc::clone(&self.h1),
            h2: Rc::clone(&self.h2),
            connector: self.connector.clone(),
        }
    }
}

impl<B> fmt::Debug for ConnectionPools<B>
where
    B: Body<Data = Bytes> + Unpin + 'static,
    B::Error: Into<BodyFailure>,
{
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.debug_struct("ConnectionPools").finish_non_exhaustive()
    }
}
