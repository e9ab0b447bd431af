//! The knobs that the gateway itself obeys: plain values with their defaults, the same in JSON and in the model.
//!
//! The gateway crate stands above this one, so its knobs are declared here; those of plugins, upstreams and stores are
//! declared in the crates that obey them.

use std::collections::BTreeMap;

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

/// Whether a client of a TLS listener must show a certificate.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum ClientCertificates {
    /// The handshake fails without one.
    #[default]
    Required,
    /// It may come without; plugins see the property `connection.mtls`.
    Optional,
}

/// The response cache that plugins share: one store for all workers.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct CacheSettings {
    /// Most bytes that all entries take together, heads included.
    pub bytes: Size,
    /// Largest body that is kept.
    pub max_entry: Size,
}

impl Default for CacheSettings {
    fn default() -> CacheSettings {
        CacheSettings {
            bytes: Size::mib(64),
            max_entry: Size::mib(1),
        }
    }
}

/// Whose modules are run: signatures over the bytes of a module's file.
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct SignatureSettings {
    /// Ed25519 public keys in PEM, by name, as `openssl pkey -pubout` writes them: `"release": "${file:release.pub}"`. The signature of
    /// `NAME.wasm` lies beside it, as `NAME.wasm.sig`: its 64 bytes, or Base64 of them.
    pub keys: BTreeMap<String, String>,
    /// Whether every plugin's module must be signed with one of these keys.
    pub required: bool,
}

/// How long a TCP connection may be open without a byte, unless the listener says otherwise.
pub(crate) const DEFAULT_TCP_IDLE_TIMEOUT: Period = Period::seconds(3600);

/// The time that open requests get to end in after SIGTERM, unless the file says otherwise.
pub const DEFAULT_DRAIN_TIMEOUT: Period = Period::seconds(30);

/// The time that a request gets, from its head to its answer's end, unless its route says otherwise.
pub const DEFAULT_ROUTE_TIMEOUT: Period = Period::seconds(60);
