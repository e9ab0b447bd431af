//! The handlers of the API, by subject. Each takes a call's parts and returns its response.

mod body;
pub(crate) mod health;
pub(crate) mod log;
pub(crate) mod plugins;
pub(crate) mod routes;
pub(crate) mod trace;
pub(crate) mod upstreams;

use hyper::body::Incoming;

/// The parts of a request that handlers read.
pub(crate) struct Call {
    /// The value of `{name}` in the route's path; empty if the path has none.
    pub(crate) name: String,
    /// The value of `{address}`, likewise.
    pub(crate) address: String,
    /// The query, without the question mark.
    pub(crate) query: String,
    pub(crate) body: Incoming,
}
