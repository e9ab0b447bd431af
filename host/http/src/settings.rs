//! What a listener's settings say of HTTP: how much a client may use up, and how paths are read.

use lockgate_units::{Period, Size};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// What one listener lets a client use up.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct ListenerLimits {
    /// Most bytes of a request's head: request line and headers together. More: 431.
    pub header_bytes: Size,
    /// Most header fields in a request. More: 431.
    #[schemars(range(min = 1, max = 10_000))]
    pub headers: usize,
    /// Longest time from the first byte of a request's head to its last. Longer: 408.
    pub header_timeout: Period,
    /// Longest time that a connection may be open without a request. With protocol `tcp`: without a byte in either direction, and
    /// an hour unless it is said.
    pub idle_timeout: Period,
    /// Most bytes of a request's body; absent: as many as the client sends. More: 413.
    pub body: Option<Size>,
    /// Most connections that are open at once, over all workers. More are closed at once.
    #[schemars(range(min = 1))]
    pub connections: usize,
}

impl Default for ListenerLimits {
    fn default() -> ListenerLimits {
        ListenerLimits {
            header_bytes: Size::kib(64),
            headers: 100,
            header_timeout: Period::seconds(10),
            idle_timeout: Period::seconds(60),
            body: None,
            connections: 10_000,
        }
    }
}

/// What happens to a request whose path holds `%2F`, `%5C`, `%00`, a double encoding or a backslash.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum EscapedSlashes {
    /// 400, as upstreams do not agree on what such a path means.
    #[default]
    Reject,
    /// They are kept as they are, and matched as the bytes that they are.
    Keep,
}
