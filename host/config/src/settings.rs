//! The knobs that the gateway itself obeys: plain values with their defaults, the same in JSON and in the model.
//!
//! The gateway crate stands above this one, so its knobs are declared here; those of plugins, upstreams and stores are
//! declared in the crates that obey them.

use std::collections::BTreeMap;

use lockgate_units::Period;
use schemars::JsonSchema;
use serde::Deserialize;

/// Signatures of module files.
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct SignatureSettings {
    /// Ed25519 public keys in PEM, by name, as `openssl pkey -pubout` writes them: `"release": "${file:release.pub}"`. The signature of
    /// `NAME.wasm` is the file `NAME.wasm.sig` beside it: 64 bytes, or their Base64.
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
