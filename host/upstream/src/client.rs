//! [`Client`]: one worker's way to all upstreams.

use std::fmt;
use std::rc::Rc;
use std::sync::Arc;

use bytes::Bytes;
use http_body::Body;
use lockgate_client::{BodyFailure, Connect, ConnectionPools, Resolve};

use crate::rng::Rng;

/// One worker's connections and random numbers, with which it sends requests to upstreams. A clone shares them. It stays on its
/// worker's thread, within a [`tokio::task::LocalSet`] or a local runtime, and lives as long as the worker, across reloads:
/// connections are kept by target, not by upstream.
pub struct Client<B>
where
    B: Body<Data = Bytes> + Unpin + 'static,
    B::Error: Into<BodyFailure>,
{
    pub(crate) pools: ConnectionPools<B>,
    pub(crate) rng: Rc<Rng>,
}

impl<B> Client<B>
where
    B: Body<Data = Bytes> + Unpin + 'static,
    B::Error: Into<BodyFailure>,
{
    /// A client without connections yet, to endpoints with IP addresses only.
    pub fn new() -> Self {
        Self {
            pools: ConnectionPools::new(),
            rng: Rc::new(Rng::new()),
        }
    }

    /// A client without connections yet. `resolver` resolves the host names of endpoints.
    pub fn with_resolver(resolver: Arc<dyn Resolve>) -> Self {
        Self {
            pools: ConnectionPools::with_resolver(resolver),
            rng: Rc::new(Rng::new()),
        }
    }

    /// A client whose connections are made by `connector`, and whose random numbers follow from `seed`.
    pub fn with_connector(connector: Rc<dyn Connect>, seed: u64) -> Self {
        Self {
            pools: ConnectionPools::with_connector(connector),
            rng: Rc::new(Rng::from_seed(seed)),
        }
    }
}

impl<B> Default for Client<B>
where
    B: Body<Data = Bytes> + Unpin + 'static,
    B::Error: Into<BodyFailure>,
{
    fn default() -> Self {
        Self::new()
    }
}

impl<B> Clone for Client<B>
where
    B: Body<Data = Bytes> + Unpin + 'static,
    B::Error: Into<BodyFailure>,
{
    fn clone(&self) -> Self {
        Self {
            pools: self.pools.clone(),
            rng: Rc::clone(&self.rng),
        }
    }
}

impl<B> fmt::Debug for Client<B>
where
    B: Body<Data = Bytes> + Unpin + 'static,
    B::Error: Into<BodyFailure>,
{
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.debug_struct("Client").finish_non_exhaustive()
    }
}
