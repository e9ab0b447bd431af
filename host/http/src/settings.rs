//! A listener's settings of HTTP: limits for clients, and the handling of paths.

use std::sync::Arc;

use http::HeaderName;
use lockgate_units::{Period, Size};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// Limits for clients of one listener.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct ListenerLimits {
    /// Maximum size of a request's header section, request line included. Larger: 431.
    pub header_bytes: Size,
    /// Maximum number of header fields in a request. More: 431.
    #[schemars(range(min = 1, max = 10_000))]
    pub headers: usize,
    /// Maximum time from the first to the last byte of a request's header section. Longer: 408.
    pub header_timeout: Period,
    /// Maximum time without a byte of a request's body, while somebody waits for it. Longer: 408.
    pub body_timeout: Period,
    /// Maximum time without a byte that the client takes of a response. Longer: the connection is reset; on HTTP/2, where the connection
    /// takes bytes and the stream does not, the stream is.
    pub write_timeout: Period,
    /// Maximum time that a connection may be open without a request. With protocol `tcp`: without a byte in either direction,
    /// with a default of one hour.
    pub idle_timeout: Period,
    /// Maximum size of a request body. Larger: 413. Absent: no limit.
    pub body: Option<Size>,
    /// Maximum number of open connections, over all workers. Further ones are closed at once.
    #[schemars(range(min = 1))]
    pub connections: usize,
}

impl Default for ListenerLimits {
    fn default() -> ListenerLimits {
        ListenerLimits {
            header_bytes: Size::kib(64),
            headers: 100,
            header_timeout: Period::seconds(10),
            body_timeout: Period::seconds(30),
            write_timeout: Period::seconds(30),
            idle_timeout: Period::seconds(60),
            body: None,
            connections: 10_000,
        }
    }
}

/// Handling of a request whose path contains `%2F`, `%5C`, `%00`, a double encoding, a backslash, or a dot segment with parameters (`..;`).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum EscapedSlashes {
    /// The request is refused with 400, because upstreams disagree on what such a path means.
    #[default]
    Reject,
    /// The path stays as it is and is matched byte by byte.
    Keep,
}

/// Handling of a request's field names that hold a character other than letters, digits and hyphens, such as `X_Forwarded_For`. Many
/// upstreams cannot tell them from the names with a hyphen, which the gateway or a plugin sets.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum AmbiguousNames {
    /// The field is left out.
    #[default]
    Drop,
    /// The request is refused with 400.
    Reject,
    /// The field goes on as it is.
    Pass,
}

/// Handling of an HTTP/1 request with `<`, `>` or a backtick in its path, or `<`, `>` or `"` in its query.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum UnsafeCharacters {
    /// They are percent-encoded.
    #[default]
    Encode,
    /// The request is refused with 400.
    Reject,
}

/// Names of the trailers that a request may have: an allow-list.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TrailerNames(Arc<[String]>);

impl TrailerNames {
    /// The names that go on by default: digests of the body and what gRPC says about a call. Their senders know them only at the end, and
    /// no upstream takes one for a statement about the client.
    pub const DEFAULT: [&str; 5] = ["content-digest", "content-md5", "digest", "grpc-*", "repr-digest"];

    /// A list of names in any case. `"x-*"` stands for all names that start with `x-`.
    pub fn new<T: AsRef<str>>(names: impl IntoIterator<Item = T>) -> Self {
        Self(
            names
                .into_iter()
                .map(|name| name.as_ref().to_ascii_lowercase())
                .collect(),
        )
    }

    /// Whether the name is on the list.
    pub fn allow(&self, name: &HeaderName) -> bool {
        self.0.iter().any(|entry| match entry.strip_suffix('*') {
            Some(start) => name.as_str().starts_with(start),
            None => entry == name.as_str(),
        })
    }
}

impl Default for TrailerNames {
    fn default() -> Self {
        Self::new(Self::DEFAULT)
    }
}
