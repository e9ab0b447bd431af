//! Settings that no crate below this one obeys: signatures of modules, and default timeouts.
//!
//! A setting is declared in the crate that obeys it, and composed here. These are obeyed by crates above this one (host/modules,
//! host/control, host/gateway), from which nothing can be imported here.

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

/// Default of `limits.idle_timeout` of a TCP listener: the maximum time without a byte.
pub(crate) const DEFAULT_TCP_IDLE_TIMEOUT: Period = Period::seconds(3600);

/// Default of `drain_timeout`: the time that open requests have to end after SIGTERM.
pub const DEFAULT_DRAIN_TIMEOUT: Period = Period::seconds(30);
