//! The settings of a connection, as they are written in gateway.json.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// Protocol of the endpoints, without TLS.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Protocol {
    /// HTTP/1.1: one request at a time on a connection.
    #[default]
    Http1,
    /// HTTP/2 with prior knowledge: many concurrent requests on a connection. gRPC needs it.
    Http2,
}
