//! The settings of an upstream, as they are written in gateway.json under `upstreams.NAME`.
//!
//! Each value is known to be well-formed. An [`Upstream`](crate::Upstream) is made of them.

use std::borrow::Cow;
use std::collections::BTreeMap;
use std::num::NonZeroUsize;
use std::time::Duration;

use http::HeaderValue;
use http::uri::Authority;
use lockgate_client::{Address, Protocol, ResponseHeadLimits};
use lockgate_units::{Period, Size};
use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::de::value::MapAccessDeserializer;
use serde::de::{Error as _, MapAccess, Visitor};
use serde::{Deserialize, Deserializer, Serialize};

/// A group of endpoints that requests go to.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct UpstreamSettings {
    /// Endpoints of the upstream, in the order of balancing.
    #[schemars(length(min = 1))]
    pub endpoints: Vec<EndpointSettings>,
    /// Other names of the upstream for plugins: in callouts, gRPC calls and the property `lockgate.upstream`. Modules for Istio use
    /// names that are no keys here, such as `outbound|443||auth.default.svc.cluster.local`.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub aliases: Vec<String>,
    /// How an endpoint is chosen for a request.
    #[serde(default)]
    pub balance: Balance,
    /// The `Host` that the upstream sees.
    #[serde(default)]
    pub host: HostPolicy,
    /// Protocol of the endpoints.
    #[serde(default)]
    pub protocol: Protocol,
    /// Maximum concurrent requests on one HTTP/2 connection; fewer if the endpoint takes fewer. More open another connection, per
    /// endpoint and worker.
    #[serde(default = "max_streams")]
    #[schemars(range(min = 1))]
    pub max_streams: NonZeroUsize,
    /// Maximum time to connect, name lookup included. After it, the next endpoint is tried.
    #[serde(default = "connect_timeout")]
    pub connect_timeout: Period,
    /// Limits of the time that a request may take without progress.
    #[serde(default)]
    pub timeouts: UpstreamTimeouts,
    /// Time that an unused connection is kept for reuse.
    #[serde(default = "idle_timeout")]
    pub idle_timeout: Period,
    /// Maximum unused connections, per endpoint and worker. 0: a new connection for every request.
    #[serde(default = "max_idle")]
    pub max_idle: usize,
    /// Limits of responses.
    #[serde(default)]
    pub limits: ResponseLimits,
}

/// Limits of an upstream's responses.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct ResponseLimits {
    /// Maximum size of a response's header section, status line included. Larger: 502.
    pub header_bytes: Size,
    /// Maximum number of header fields in a response. More: 502.
    #[schemars(range(min = 1, max = 10_000))]
    pub headers: u32,
}

impl Default for ResponseLimits {
    fn default() -> Self {
        Self {
            header_bytes: Size::kib(64),
            headers: 128,
        }
    }
}

impl ResponseLimits {
    pub(crate) fn response_head(&self) -> ResponseHeadLimits {
        ResponseHeadLimits {
            bytes: u32::try_from(self.header_bytes.0).unwrap_or(u32::MAX),
            fields: self.headers,
        }
    }
}

fn connect_timeout() -> Period {
    Period(Duration::from_secs(5))
}

fn idle_timeout() -> Period {
    Period(Duration::from_secs(60))
}

fn max_idle() -> usize {
    256
}

fn max_streams() -> NonZeroUsize {
    const { NonZeroUsize::new(100).unwrap() }
}

impl UpstreamSettings {
    /// Settings for these endpoints, with the defaults for all others.
    pub fn of(endpoints: impl IntoIterator<Item = Address>) -> Self {
        Self {
            endpoints: endpoints.into_iter().map(EndpointSettings::at).collect(),
            aliases: Vec::new(),
            balance: Balance::default(),
            host: HostPolicy::default(),
            protocol: Protocol::default(),
            max_streams: max_streams(),
            connect_timeout: connect_timeout(),
            timeouts: UpstreamTimeouts::default(),
            idle_timeout: idle_timeout(),
            max_idle: max_idle(),
            limits: ResponseLimits::default(),
        }
    }
}

/// Limits of the time that a request may take without progress. The whole of it is limited by a route's `timeout`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct UpstreamTimeouts {
    /// Maximum time without progress before the response's headers: from the last byte of the request that went on. Longer: 504. Time
    /// that passes in plugins counts. `"0s"`: no limit.
    pub first_byte: Period,
    /// Maximum time without a byte in either direction once the response has begun. Longer: the response breaks off. `"0s"`: no limit.
    pub idle: Period,
}

impl Default for UpstreamTimeouts {
    fn default() -> Self {
        Self {
            first_byte: Period(Duration::from_secs(60)),
            idle: Period(Duration::from_secs(300)),
        }
    }
}

/// One server of an upstream: `"HOST:PORT"`, or an object with a weight and labels.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct EndpointSettings {
    /// Address of the endpoint.
    pub address: Address,
    /// Weight of the endpoint, relative to the others. 0: no requests.
    pub weight: Weight,
    /// Labels of the endpoint. Not used yet.
    pub labels: BTreeMap<String, String>,
}

impl EndpointSettings {
    /// An endpoint of weight 1 without labels.
    pub fn at(address: Address) -> Self {
        Self {
            address,
            weight: Weight::default(),
            labels: BTreeMap::new(),
        }
    }
}

/// The long form of an endpoint.
#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
struct EndpointObject {
    /// HOST:PORT.
    address: Address,
    /// Weight of the endpoint, relative to the others. 0: no requests.
    #[serde(default)]
    weight: Weight,
    /// Labels of the endpoint. Not used yet.
    #[serde(default)]
    labels: BTreeMap<String, String>,
}

// Written out rather than left to an untagged enum, so that an error names what is wrong inside the object.
impl<'de> Deserialize<'de> for EndpointSettings {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Form;
        impl<'de> Visitor<'de> for Form {
            type Value = EndpointSettings;

            fn expecting(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                formatter.write_str("an endpoint: \"HOST:PORT\" or an object with an `address`")
            }

            fn visit_str<E: serde::de::Error>(self, text: &str) -> Result<Self::Value, E> {
                text.parse().map(EndpointSettings::at).map_err(E::custom)
            }

            fn visit_map<A: MapAccess<'de>>(self, map: A) -> Result<Self::Value, A::Error> {
                let EndpointObject {
                    address,
                    weight,
                    labels,
                } = EndpointObject::deserialize(MapAccessDeserializer::new(map))?;
                Ok(EndpointSettings {
                    address,
                    weight,
                    labels,
                })
            }
        }
        deserializer.deserialize_any(Form)
    }
}

impl JsonSchema for EndpointSettings {
    fn schema_name() -> Cow<'static, str> {
        "Endpoint".into()
    }

    fn json_schema(generator: &mut SchemaGenerator) -> Schema {
        let short = generator.subschema_for::<Address>();
        let long = generator.subschema_for::<EndpointObject>();
        json_schema!({
            "description": "One server of an upstream: \"HOST:PORT\", or an object with a weight and labels.",
            "anyOf": [short, long],
        })
    }
}

/// How an endpoint is chosen for a request. All algorithms use the weights.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Balance {
    /// In turn, in proportion to the weights and evenly spread. Exact over every cycle and across workers.
    #[default]
    RoundRobin,
    /// At random.
    Random,
}

/// An endpoint's share of the requests, relative to the others: 0 (none) to 1000.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
pub struct Weight(u16);

impl Weight {
    /// The heaviest.
    pub const MAX: u16 = 1000;

    /// A weight, unless it is above [`Weight::MAX`].
    pub fn new(weight: u16) -> Option<Self> {
        (weight <= Self::MAX).then_some(Self(weight))
    }

    /// The number.
    pub fn value(self) -> u16 {
        self.0
    }
}

impl Default for Weight {
    fn default() -> Self {
        Self(1)
    }
}

impl<'de> Deserialize<'de> for Weight {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let number = u64::deserialize(deserializer)?;
        u16::try_from(number)
            .ok()
            .and_then(Self::new)
            .ok_or_else(|| D::Error::custom(format_args!("{number} is not a weight; expected 0 to {}", Self::MAX)))
    }
}

impl JsonSchema for Weight {
    fn schema_name() -> Cow<'static, str> {
        "Weight".into()
    }

    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        json_schema!({
            "type": "integer", "minimum": 0, "maximum": Self::MAX, "default": 1,
            "description": "A whole number from 0 to 1000.",
        })
    }
}

/// The `Host` that an upstream sees: `"pass"` (the client's), `"endpoint"` (the endpoint's address), or a name.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum HostPolicy {
    /// What the client sent.
    #[default]
    Pass,
    /// The chosen endpoint's own address, as written in the configuration.
    Endpoint,
    /// Always this name (a host with an optional port).
    #[serde(untagged, serialize_with = "as_text")]
    Name(HeaderValue),
}

fn as_text<S: serde::Serializer>(name: &HeaderValue, serializer: S) -> Result<S::Ok, S::Error> {
    serializer.serialize_str(&String::from_utf8_lossy(name.as_bytes()))
}

impl<'de> Deserialize<'de> for HostPolicy {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = Cow::<'de, str>::deserialize(deserializer)?;
        match &*text {
            "pass" => Ok(Self::Pass),
            "endpoint" => Ok(Self::Endpoint),
            name => match (name.parse::<Authority>(), HeaderValue::from_str(name)) {
                (Ok(authority), Ok(value)) if !authority.as_str().contains('@') => Ok(Self::Name(value)),
                _ => Err(D::Error::custom(format_args!(
                    "{name:?} is not a host name; expected \"pass\", \"endpoint\" or a name"
                ))),
            },
        }
    }
}

impl JsonSchema for HostPolicy {
    fn schema_name() -> Cow<'static, str> {
        "HostPolicy".into()
    }

    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        json_schema!({
            "type": "string", "minLength": 1, "default": "pass",
            "description": "The Host that the upstream sees: \"pass\" (the client's), \"endpoint\" (the endpoint's address), or a name.",
            "examples": ["pass", "endpoint", "orders.internal"],
        })
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn read(value: serde_json::Value) -> Result<UpstreamSettings, String> {
        serde_json::from_value(value).map_err(|error| error.to_string())
    }

    #[test]
    fn the_documented_example_is_read_with_its_defaults() {
        let settings = read(json!({
            "endpoints": ["127.0.0.1:9001", { "address": "127.0.0.1:9002", "weight": 2, "labels": { "version": "v2" } }],
            "balance": "round_robin"
        }))
        .expect("the example of the documentation");
        assert_eq!(settings.endpoints[0].weight.value(), 1);
        assert_eq!(settings.endpoints[1].weight.value(), 2);
        assert_eq!(settings.endpoints[1].labels["version"], "v2");
        assert_eq!(settings.connect_timeout, Period(Duration::from_secs(5)));
        assert_eq!(settings.host, HostPolicy::Pass);
    }

    #[test]
    fn settings_survive_being_written_and_read_again() {
        for host in ["pass", "endpoint", "orders.internal:81"] {
            let text = json!({ "endpoints": ["a:1"], "host": host, "balance": "random", "max_idle": 3 });
            let settings = read(text).expect("well-formed settings");
            let written = serde_json::to_value(&settings).expect("settings are plain JSON");
            assert_eq!(written["host"], host);
            assert_eq!(read(written), Ok(settings));
        }
    }

    #[test]
    fn mistakes_are_reported_with_their_place() {
        let weight = read(json!({ "endpoints": [{ "address": "a:1", "weight": 1001 }] })).expect_err("weight too high");
        assert!(weight.contains("1001 is not a weight"), "{weight}");
        let unknown = read(json!({ "endpoints": [{ "address": "a:1", "wieght": 1 }] })).expect_err("unknown key");
        assert!(unknown.contains("wieght"), "{unknown}");
        let url = read(json!({ "endpoints": ["http://a:1"] })).expect_err("a URL");
        assert!(url.contains("is a URL"), "{url}");
        let host = read(json!({ "endpoints": ["a:1"], "host": "a b" })).expect_err("no host");
        assert!(host.contains("is not a host name"), "{host}");
    }
}
