//! What a route does beside naming one upstream, as it is written in gateway.json under `routes`.
//!
//! Texts that mean more than text (upstreams, paths, expressions) stay text here; `host/config` gives them their meaning.

mod percent;

use std::collections::BTreeMap;

use lockgate_units::{Period, Size};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::Value;

pub use percent::Percent;

/// One of the upstreams that a route's requests are spread over.
#[derive(Debug, Clone, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Branch {
    /// Name of the upstream.
    #[schemars(required)]
    pub upstream: Option<String>,
    /// Share of the requests, relative to the other weights. 0: no requests.
    #[serde(default = "one")]
    #[schemars(range(max = 1_000_000))]
    pub weight: u32,
}

fn one() -> u32 {
    1
}

/// A redirect. Scheme, host, port and path that are not given are those of the request; the query is kept.
#[derive(Debug, Clone, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct RedirectSettings {
    /// Status of the response: 301, 302, 303, 307 or 308. With 307 and 308, clients send the same method and body again.
    #[serde(default = "found")]
    #[schemars(extend("enum" = [301, 302, 303, 307, 308]))]
    pub status: u16,
    /// Scheme of the new address. Given without a port, the port is the scheme's own, which is left out.
    pub scheme: Option<RedirectScheme>,
    /// Host of the new address, without a port.
    #[schemars(example = &"www.example.com")]
    pub host: Option<String>,
    /// Port of the new address. Absent: that of `scheme`, or without one that of the request's `Host`. 80 and 443 are left out where they are
    /// the scheme's own.
    #[schemars(range(min = 1, max = 65535))]
    pub port: Option<u16>,
    /// Path of the new address, in place of the whole path.
    #[schemars(example = &"/moved")]
    pub path: Option<String>,
    /// Replacement for the matched `path_prefix`, or for `/` in a route without a condition on the path.
    #[schemars(example = &"/v2")]
    pub prefix: Option<String>,
    /// Regular expression; each of its matches in the path is replaced by `to`.
    #[schemars(example = &"^/blog/([0-9]+)")]
    pub regex: Option<String>,
    /// Replacement for what `regex` matches, as in a rewrite.
    #[schemars(example = &"/articles/$1")]
    pub to: Option<String>,
    /// Whether the query is left out of the new address.
    #[serde(default)]
    pub strip_query: bool,
}

fn found() -> u16 {
    302
}

/// Scheme of an address that clients are redirected to.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum RedirectScheme {
    /// Without TLS.
    Http,
    /// With TLS.
    Https,
}

impl RedirectScheme {
    /// `"http"` or `"https"`.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Http => "http",
            Self::Https => "https",
        }
    }
}

/// A response that the gateway makes by itself. At most one of `body`, `json` and `body_file` is allowed.
#[derive(Debug, Clone, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct RespondSettings {
    /// Status of the response.
    #[serde(default = "ok")]
    #[schemars(range(min = 200, max = 599))]
    pub status: u16,
    /// Headers of the response. Without `content-type`, a body has the type that follows from its key: `text/plain; charset=utf-8` for
    /// `body`, `application/json` for `json`, and the type of the file's extension for `body_file`.
    #[serde(default)]
    pub headers: BTreeMap<String, String>,
    /// Body of the response, as text.
    pub body: Option<String>,
    /// Body of the response, as JSON.
    pub json: Option<Value>,
    /// File with the body of the response, at most 1 MiB. It is read when the configuration is loaded, and again when it changes.
    #[schemars(example = &"maintenance.html", length(min = 1))]
    pub body_file: Option<String>,
}

fn ok() -> u16 {
    200
}

/// A change of the path before the request goes to the upstream: exactly one of `path`, `prefix`, and `regex` with `to`.
#[derive(Debug, Clone, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct RewriteSettings {
    /// New path, in place of the whole path. The query is kept.
    #[schemars(example = &"/v1/status")]
    pub path: Option<String>,
    /// Replacement for the matched `path_prefix`, or for `/` in a route without a condition on the path.
    #[schemars(example = &"/v1")]
    pub prefix: Option<String>,
    /// Regular expression; each of its matches in the normalised path is replaced by `to`. The query is no part of it. A path without a
    /// match stays as it is.
    #[schemars(example = &"^/users/([0-9]+)/orders")]
    pub regex: Option<String>,
    /// Replacement for what `regex` matches. `$1` or `${1}` is the first group in parentheses, `${name}` the group `(?<name>…)`, `$0` the whole
    /// match, and `$$` a dollar sign. The new path is normalised; one with dot segments is refused with 400.
    #[schemars(example = &"/orders/by-user/$1")]
    pub to: Option<String>,
}

/// A mirror: copies of requests go to a shadow upstream, whose responses are discarded.
#[derive(Debug, Clone, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct MirrorSettings {
    /// Name of the shadow upstream.
    #[schemars(required)]
    pub upstream: Option<String>,
    /// Share of the requests that are copied.
    #[serde(default)]
    pub percent: Percent,
    /// Maximum size of a request body. Requests with a larger one are not copied.
    #[serde(default = "max_body")]
    pub max_body: Size,
    /// Maximum copies that a worker has on the way to this upstream. Requests above it are not copied.
    #[serde(default = "max_copies")]
    #[schemars(range(min = 1, max = 100_000))]
    pub max_concurrent: usize,
    /// Maximum time of a copy, from its first byte to the end of its response.
    #[serde(default = "mirror_timeout")]
    pub timeout: Period,
    /// Text behind the host's name in the copies: `"-shadow"` makes `api.example.com-shadow`.
    #[serde(default)]
    #[schemars(length(max = 63))]
    pub host_suffix: String,
}

impl Default for MirrorSettings {
    fn default() -> Self {
        Self {
            upstream: None,
            percent: Percent::default(),
            max_body: max_body(),
            max_concurrent: max_copies(),
            timeout: mirror_timeout(),
            host_suffix: String::new(),
        }
    }
}

fn max_body() -> Size {
    Size::kib(64)
}

fn max_copies() -> usize {
    100
}

fn mirror_timeout() -> Period {
    Period::seconds(5)
}

/// A delay of requests after their chain and before their destination, for tests of clients and to slow traffic down.
#[derive(Debug, Clone, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct DelaySettings {
    /// Time that a request is delayed.
    #[schemars(example = &"100ms")]
    pub duration: Period,
    /// Share of the requests that are delayed.
    #[serde(default)]
    pub percent: Percent,
    /// Maximum requests that a worker delays at the same time, those of other routes among them. Requests above it are not delayed.
    #[serde(default = "max_delayed")]
    #[schemars(range(min = 1, max = 1_000_000))]
    pub max_concurrent: usize,
}

fn max_delayed() -> usize {
    10_000
}

/// An abort: the request gets an error of the gateway after its chain, in place of its destination. For tests of clients.
#[derive(Debug, Clone, Default, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct AbortSettings {
    /// Status of the response. Absent: the one that fits `grpc_status`.
    #[schemars(range(min = 400, max = 599))]
    pub status: Option<u16>,
    /// gRPC status that gRPC clients get. Absent: the one that fits `status`.
    #[schemars(range(min = 1, max = 16))]
    pub grpc_status: Option<u8>,
    /// Share of the requests that are aborted.
    #[serde(default)]
    pub percent: Percent,
}

/// Limits of the time that a route's requests may take without progress, in place of those of the upstream.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct RouteTimeouts {
    /// Maximum time to connect to an endpoint. Absent: the upstream's.
    pub connect: Option<Period>,
    /// Maximum time of one attempt, from its beginning to the response's headers. `"0s"`: no limit. Absent: the upstream's.
    #[serde(rename = "try")]
    pub per_try: Option<Period>,
    /// Maximum time without progress before the response's headers. Longer: 504. `"0s"`: no limit. Absent: the upstream's.
    pub first_byte: Option<Period>,
    /// Maximum time without a byte in either direction once the response has begun. `"0s"`: no limit. Absent: the upstream's.
    pub idle: Option<Period>,
}
