//! The settings of a connection, as they are written in gateway.json.

mod tls;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

pub use self::tls::{TlsForm, TlsSettings, optional_tls};

/// Protocol of the endpoints.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Protocol {
    /// Over TLS, HTTP/2 or HTTP/1.1, as the endpoint chooses (ALPN). In clear text, HTTP/1.1.
    #[default]
    Auto,
    /// HTTP/1.1: one request at a time on a connection.
    Http1,
    /// HTTP/2: many concurrent requests on a connection. gRPC needs it. Over TLS, an endpoint that does not agree on it (ALPN) is
    /// refused; in clear text, it is taken to speak it.
    Http2,
}
