//! The `Host` that an upstream sees.

use std::borrow::Cow;

use http::HeaderValue;
use http::uri::Authority;
use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::de::Error as _;
use serde::{Deserialize, Deserializer, Serialize};

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
