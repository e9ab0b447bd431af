//! The reports of `/api/upstreams` and `/api/overlay`, and the bodies of its changes: plain data. Field names and comments are the
//! documentation in docs/admin-api.md.

use std::collections::BTreeMap;

use lockgate_overlay::{BreakerOverride, Overlay};
use lockgate_upstream::Weight;
use schemars::JsonSchema;
use serde::{Deserialize, Deserializer, Serialize};

/// An upstream.
#[derive(Debug, Clone, PartialEq, Serialize, JsonSchema)]
pub struct UpstreamReport {
    /// Name of the upstream.
    pub name: String,
    /// State of its circuit breaker: `closed`, `open` or `half_open`. `closed` if it has none.
    pub breaker: &'static str,
    /// State that the breaker is held in by the admin API; `null` if it follows its own rules.
    pub breaker_override: Option<BreakerOverride>,
    /// How its discovery is doing; `null` if it has none that is asked.
    pub discovery: Option<DiscoveryReport>,
    /// Its endpoints: those of the configuration and of discovery in their order, then the registered ones.
    pub endpoints: Vec<EndpointReport>,
}

/// How the discovery of an upstream is doing.
#[derive(Debug, Clone, PartialEq, Serialize, JsonSchema)]
pub struct DiscoveryReport {
    /// `discovery.type`.
    pub source: &'static str,
    /// Seconds since the source has confirmed the list in force; `null` if there is no list.
    pub age_seconds: Option<f64>,
    /// Why the last attempt to get a list failed; `null` if it did not.
    pub last_error: Option<String>,
}

/// An endpoint.
#[derive(Debug, Clone, PartialEq, Serialize, JsonSchema)]
pub struct EndpointReport {
    /// Address of the endpoint.
    pub address: String,
    /// Weight that is in force.
    pub weight: Weight,
    /// Labels of the endpoint.
    pub labels: BTreeMap<String, String>,
    /// `healthy`, `unhealthy` (health checks), `ejected` (outlier detection) or `draining` (the admin API).
    pub state: &'static str,
    /// Reason for a state other than `healthy`.
    pub why: Option<String>,
    /// Open requests and connections.
    pub active: u64,
    /// Requests since the endpoint was added.
    pub requests: u64,
    /// Failed ones among them: no response, or a status from 500.
    pub failures: u64,
    /// Where it comes from: `configuration`, `discovery` or `registration`.
    pub source: &'static str,
    /// Seconds until its registration ends; `null` if it does not.
    pub expires_in_seconds: Option<f64>,
    /// Whether its weight was changed, or it was set to drain, by the admin API.
    pub turned: bool,
}

/// The overlay: what was changed by the admin API, over the configuration and discovery.
#[derive(Debug, Clone, PartialEq, Serialize, JsonSchema)]
pub struct OverlayReport {
    /// File that it is kept in; `null` if it is not kept.
    pub file: Option<String>,
    /// Why the last change is not in the file; `null` if it is.
    pub error: Option<String>,
    /// Changes by the name of the upstream.
    #[serde(flatten)]
    pub overlay: Overlay,
}

/// The result of a change of an endpoint.
#[derive(Debug, Clone, PartialEq, Serialize, JsonSchema)]
pub struct EndpointChanged {
    /// Whether the change is on disk, so that it outlives a restart.
    pub persisted: bool,
    /// The endpoint after the change; `null` if it is gone.
    pub endpoint: Option<EndpointReport>,
}

/// The result of a change of an upstream.
#[derive(Debug, Clone, PartialEq, Serialize, JsonSchema)]
pub struct UpstreamChanged {
    /// Whether the change is on disk, so that it outlives a restart.
    pub persisted: bool,
    /// The upstream after the change.
    pub upstream: UpstreamReport,
}

/// A change of an endpoint.
#[derive(Debug, Clone, Default, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct EndpointChange {
    /// Weight in place of its own; `null`: its own again.
    #[serde(deserialize_with = "present")]
    #[schemars(with = "Option<Weight>")]
    pub weight: Option<Option<Weight>>,
    /// Whether it drains: it gets no new requests, and those in progress end.
    pub draining: Option<bool>,
}

/// A change of an upstream.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct UpstreamChange {
    /// State to hold the circuit breaker in.
    pub breaker: BreakerChange,
}

/// The state to hold a circuit breaker in.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum BreakerChange {
    /// No request passes.
    Open,
    /// Every request passes.
    Closed,
    /// It follows its own rules.
    Auto,
}

/// Tells a `null` from an absent field.
fn present<'de, D: Deserializer<'de>, T: Deserialize<'de>>(deserializer: D) -> Result<Option<T>, D::Error> {
    T::deserialize(deserializer).map(Some)
}
