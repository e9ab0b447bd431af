//! [`ProbeRequest`]: the request of a probe.

use bytes::Bytes;
use http::{HeaderMap, HeaderValue, Method};

/// The request of a probe.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct ProbeRequest {
    pub(crate) method: Method,
    pub(crate) path: String,
    /// None: the address of the endpoint.
    pub(crate) host: Option<HeaderValue>,
    pub(crate) headers: HeaderMap,
    pub(crate) body: Bytes,
}
