//! Limits of time.

use std::time::Duration;

use lockgate_units::Period;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// Limits of the time that a request may take at an upstream. The whole of it is limited by a route's `timeout`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct UpstreamTimeouts {
    /// Maximum time to connect, name lookup and TLS handshake included. After it, the next endpoint is tried. None left: 504.
    pub connect: Period,
    /// Maximum time of one attempt, from its beginning to the response's headers. Longer: 504, unless `retry` has `timeout`. `"0s"` or
    /// absent: no limit.
    #[serde(rename = "try")]
    pub per_try: Period,
    /// Maximum time without progress before the response's headers: from the last byte of the request that went on. Longer: 504. Time
    /// that passes in plugins counts. `"0s"`: no limit.
    pub first_byte: Period,
    /// Maximum time without a byte in either direction once the response has begun. Longer: the response breaks off. `"0s"`: no limit.
    pub idle: Period,
    /// Maximum time without a byte in either direction in a tunnel, such as a WebSocket: pings of the protocol count as bytes. Longer: the
    /// tunnel is closed. `"0s"`: no limit.
    pub tunnel: Period,
}

impl Default for UpstreamTimeouts {
    fn default() -> Self {
        Self {
            connect: Period::seconds(5),
            per_try: Period::default(),
            first_byte: Period(Duration::from_secs(60)),
            idle: Period(Duration::from_secs(300)),
            tunnel: Period(Duration::from_secs(3600)),
        }
    }
}
