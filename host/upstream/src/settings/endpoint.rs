//! Endpoints as they are written.

use std::borrow::Cow;
use std::collections::BTreeMap;

use lockgate_client::Address;
use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::de::value::MapAccessDeserializer;
use serde::de::{MapAccess, Visitor};
use serde::{Deserialize, Deserializer, Serialize};

use super::weight::Weight;

/// One server of an upstream: `"HOST:PORT"`, or an object with a weight and labels.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct EndpointSettings {
    /// Address of the endpoint.
    pub address: Address,
    /// Weight of the endpoint, relative to the others. 0: no requests.
    pub weight: Weight,
    /// Labels of the endpoint, shown by the admin API. Nothing chooses by them yet.
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
    /// Labels of the endpoint, shown by the admin API. Nothing chooses by them yet.
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
