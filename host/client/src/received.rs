//! [`Received`]: a response and the connection that it came on.

use std::net::SocketAddr;

use http::Response;

use crate::body::PooledBody;

/// A response and the connection that it came on.
#[derive(Debug)]
pub struct Received {
    /// The response. Its framing has been checked. It still has its hop-by-hop headers, except a `connection` that says no
    /// more than whether the connection stays open.
    pub response: Response<PooledBody>,
    /// The address of the endpoint.
    pub peer: SocketAddr,
    /// The address of this side.
    pub local: SocketAddr,
}
