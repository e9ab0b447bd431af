//! [`FixedResponse`]: what a route answers by itself.

use bytes::Bytes;
use http::{HeaderMap, StatusCode};

/// A response that is always the same. Its length is not among the headers: whoever sends the body knows it.
#[derive(Debug, Clone)]
pub struct FixedResponse {
    /// Its status, 200 to 599.
    pub status: StatusCode,
    /// Its headers.
    pub headers: HeaderMap,
    /// Its body; empty for a status that has none.
    pub body: Bytes,
}

impl FixedResponse {
    /// Whether responses of this status never have a body (RFC 9110, sections 15.3.5, 15.3.6 and 15.4.5).
    pub fn has_no_body(status: StatusCode) -> bool {
        matches!(
            status,
            StatusCode::NO_CONTENT | StatusCode::RESET_CONTENT | StatusCode::NOT_MODIFIED
        )
    }
}
