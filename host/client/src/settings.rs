//! The knobs of a connection to an upstream, as they stand in gateway.json.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// What is spoken to endpoints, in the clear.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Protocol {
    /// HTTP/1.1: one request at a time on a connection.
    #[default]
    Http1,
    /// HTTP/2 without asking first: many requests at once on a connection. What gRPC needs.
    Http2,
}
