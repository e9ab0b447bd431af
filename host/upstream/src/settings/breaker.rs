//! The circuit breaker of an upstream.

use std::borrow::Cow;
use std::collections::BTreeMap;
use std::fmt;
use std::num::NonZeroU32;
use std::time::Duration;

use lockgate_units::Period;
use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::de::value::MapAccessDeserializer;
use serde::de::{Error as _, MapAccess, Unexpected, Visitor};
use serde::{Deserialize, Deserializer, Serialize, Serializer};

/// A circuit breaker: while the upstream fails, it gets no requests. It opens by what `mode` says. After `open` it lets `half_open` requests
/// pass, and closes if they succeed. Shared by all workers, and kept over reloads.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct BreakerSettings {
    /// What opens the breaker.
    pub mode: BreakerMode,
    /// Mode `volume`: a number of requests. `error_ratio`: a share, above 0 and up to 1. `latency`: a duration.
    pub threshold: Threshold,
    /// Minimum requests in `window` before the share of them counts. Not used by mode `volume`.
    #[serde(default = "min_requests")]
    pub min_requests: u32,
    /// Time in which requests are counted.
    #[serde(default = "window")]
    pub window: Period,
    /// Time that the breaker stays open, before probe requests.
    #[serde(default = "open")]
    pub open: Period,
    /// Number of probe requests that must succeed to close the breaker. One that fails opens it again.
    #[serde(default = "half_open")]
    #[schemars(range(min = 1))]
    pub half_open: NonZeroU32,
    /// Share of the requests that may be slower than `threshold`, above 0 and up to 1: as many open the breaker. Only for mode `latency`.
    #[serde(default = "slow_ratio")]
    pub slow_ratio: Ratio,
    /// What clients get while the breaker is open. Absent: 503 with `Retry-After`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub fallback: Option<Fallback>,
}

fn min_requests() -> u32 {
    20
}

fn window() -> Period {
    Period::seconds(10)
}

fn open() -> Period {
    Period::seconds(5)
}

fn half_open() -> NonZeroU32 {
    const { NonZeroU32::new(3).unwrap() }
}

fn slow_ratio() -> Ratio {
    Ratio(0.5)
}

/// What opens a circuit breaker.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum BreakerMode {
    /// More requests than `threshold` in `window`.
    Volume,
    /// A share of `threshold` or more fails: no response, or a status of 500 or more.
    ErrorRatio,
    /// A share of `slow_ratio` or more takes longer than `threshold`, from the request to the headers of its response.
    Latency,
}

/// A share, or a number of requests.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(transparent)]
pub struct Ratio(pub f64);

// JSON has no number that differs from itself.
impl Eq for Ratio {}

/// A number or a duration, as the mode asks for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(untagged)]
pub enum Threshold {
    /// Of the modes `volume` and `error_ratio`.
    Number(Ratio),
    /// Of the mode `latency`.
    Duration(Period),
}

impl Threshold {
    /// The number; not one that is ever reached, where it is a duration.
    pub(crate) fn number(self) -> f64 {
        match self {
            Self::Number(number) => number.0,
            Self::Duration(_) => f64::INFINITY,
        }
    }

    /// The duration; not one that is ever reached, where it is a number.
    pub(crate) fn duration(self) -> Duration {
        match self {
            Self::Number(_) => Duration::MAX,
            Self::Duration(duration) => duration.duration(),
        }
    }
}

impl fmt::Display for Threshold {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Number(number) => number.0.fmt(formatter),
            Self::Duration(duration) => duration.fmt(formatter),
        }
    }
}

impl<'de> Deserialize<'de> for Threshold {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        #[derive(Deserialize)]
        #[serde(untagged)]
        enum Either {
            Number(f64),
            Text(String),
        }
        match Either::deserialize(deserializer)? {
            Either::Number(number) => Ok(Self::Number(Ratio(number))),
            Either::Text(text) => text.parse().map(Self::Duration).map_err(D::Error::custom),
        }
    }
}

impl JsonSchema for Threshold {
    fn schema_name() -> Cow<'static, str> {
        "Threshold".into()
    }

    fn json_schema(generator: &mut SchemaGenerator) -> Schema {
        let duration = generator.subschema_for::<Period>();
        json_schema!({
            "description": "A number of requests, a share of them, or a duration: as the mode says.",
            "anyOf": [{ "type": "number", "exclusiveMinimum": 0 }, duration],
            "examples": [1000, 0.5, "800ms"],
        })
    }
}

/// What clients get while a breaker is open: an answer, the response of another upstream, or a stale one.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Fallback {
    /// This answer.
    Answer(FixedAnswer),
    /// The response of the upstream of this name, whose own policies apply.
    Upstream(String),
    /// What the response cache has.
    Stale,
}

/// An answer that the gateway gives by itself.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FixedAnswer {
    /// Its status.
    pub status: u16,
    /// Its body.
    pub body: String,
    /// Its headers, by name.
    pub headers: BTreeMap<String, String>,
}

/// An answer of the gateway, or the name of an upstream.
#[derive(Default, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
struct FallbackObject {
    /// Status of the answer. Absent: 503.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(range(min = 200, max = 599))]
    status: Option<u16>,
    /// Body of the answer. Absent: none.
    #[serde(skip_serializing_if = "Option::is_none")]
    body: Option<String>,
    /// Headers of the answer, by name. Absent: a `content-type` of plain text, if there is a body.
    #[serde(skip_serializing_if = "Option::is_none")]
    headers: Option<BTreeMap<String, String>>,
    /// Name of the upstream that gets the requests instead. Not beside an answer.
    #[serde(skip_serializing_if = "Option::is_none")]
    upstream: Option<String>,
}

const STALE: &str = "stale";

// Written out rather than left to an untagged enum, so that an error names what is wrong inside the object.
impl<'de> Deserialize<'de> for Fallback {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Form;
        impl<'de> Visitor<'de> for Form {
            type Value = Fallback;

            fn expecting(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
                formatter.write_str("a fallback: an object with `status` and `body`, or with `upstream`, or \"stale\"")
            }

            fn visit_str<E: serde::de::Error>(self, text: &str) -> Result<Self::Value, E> {
                match text {
                    STALE => Ok(Fallback::Stale),
                    other => Err(E::invalid_value(Unexpected::Str(other), &self)),
                }
            }

            fn visit_map<A: MapAccess<'de>>(self, map: A) -> Result<Self::Value, A::Error> {
                let object = FallbackObject::deserialize(MapAccessDeserializer::new(map))?;
                Fallback::try_from(object).map_err(A::Error::custom)
            }
        }
        deserializer.deserialize_any(Form)
    }
}

impl TryFrom<FallbackObject> for Fallback {
    type Error = &'static str;

    fn try_from(object: FallbackObject) -> Result<Self, Self::Error> {
        let FallbackObject {
            status,
            body,
            headers,
            upstream,
        } = object;
        match (upstream, &status, &body, &headers) {
            (Some(name), None, None, None) => Ok(Self::Upstream(name)),
            (Some(_), ..) => Err("found `upstream` beside an answer; expected one of the two"),
            (None, ..) => Ok(Self::Answer(FixedAnswer {
                status: status.unwrap_or(503),
                body: body.unwrap_or_default(),
                headers: headers.unwrap_or_default(),
            })),
        }
    }
}

impl Serialize for Fallback {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let object = match self {
            Self::Stale => return serializer.serialize_str(STALE),
            Self::Upstream(name) => FallbackObject {
                upstream: Some(name.clone()),
                ..FallbackObject::default()
            },
            Self::Answer(answer) => FallbackObject {
                status: Some(answer.status),
                body: Some(answer.body.clone()),
                headers: Some(answer.headers.clone()),
                upstream: None,
            },
        };
        object.serialize(serializer)
    }
}

impl JsonSchema for Fallback {
    fn schema_name() -> Cow<'static, str> {
        "Fallback".into()
    }

    fn json_schema(generator: &mut SchemaGenerator) -> Schema {
        let object = generator.subschema_for::<FallbackObject>();
        json_schema!({
            "description": "What clients get while a circuit breaker is open: an answer, or the response of another upstream.",
            "anyOf": [object, { "const": STALE, "description": "What the response cache has. Not available yet: refused." }],
        })
    }
}
