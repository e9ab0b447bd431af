//! What plugins ask the pipeline to do. Asking is noting; the pipeline acts when the callback has returned.

use bytes::Bytes;
use http::{HeaderMap, StatusCode};

/// Open wishes of the plugins of one exchange. The pipeline takes them.
#[derive(Debug, Default)]
pub struct Asked {
    /// Answer the client with this instead of asking the upstream.
    pub local_response: Option<LocalResponse>,
    /// Let the held request go on.
    pub resume_request: bool,
    /// Let the held response go on.
    pub resume_response: bool,
    /// End the stream.
    pub close: bool,
}

impl Asked {
    /// Whether there is anything to do.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.local_response.is_none() && !self.resume_request && !self.resume_response && !self.close
    }
}

/// An answer that a plugin gives itself.
#[derive(Clone, Debug)]
pub struct LocalResponse {
    /// 200 to 599.
    pub status: StatusCode,
    /// For the access log (`response.code_details`); may be empty.
    pub details: String,
    /// Headers, checked as every header write is.
    pub headers: HeaderMap,
    /// The body; its length becomes `content-length`.
    pub body: Bytes,
    /// A gRPC status for a gRPC client; `None` if it was not set (-1).
    pub grpc_status: Option<u32>,
    /// Where in the chain the plugin stands that answered.
    pub position: usize,
}
