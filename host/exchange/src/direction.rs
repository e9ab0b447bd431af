//! [`Direction`]: which way a message or a byte travels.

/// The direction in which data passes a chain.
///
/// It names the data, not an end of the connection. On a TCP connection, proxy-wasm's downstream data (from the client) go in the
/// request direction and its upstream data (from the upstream) go in the response direction.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Direction {
    /// From the client to the upstream: a request, or `DownstreamData`. The first plugin of the chain comes first.
    Request,
    /// From the upstream to the client: a response, or `UpstreamData`. The last plugin of the chain comes first.
    Response,
}
