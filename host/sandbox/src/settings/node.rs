//! [`NodeSettings`]: what plugins read as the properties `node`, which describe the proxy in Envoy.

use std::collections::BTreeMap;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// What plugins read as the property `node`.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct NodeSettings {
    /// Property `node.id`.
    pub id: String,
    /// Property `node.cluster`.
    pub cluster: String,
    /// Properties `node.metadata` and `node.metadata.NAME`. Modules for Istio read their workload here.
    pub metadata: BTreeMap<String, NodeValue>,
    /// Property `node.locality`.
    pub locality: Locality,
}

/// A value of a node's metadata: text, a number, true or false, or an object of such values.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(untagged)]
#[schemars(title = "a value of text, a number, true, false or an object of such values")]
pub enum NodeValue {
    /// Text.
    Text(String),
    /// A number.
    Number(f64),
    /// True or false.
    Flag(bool),
    /// More values, by name.
    Map(BTreeMap<String, NodeValue>),
}

/// Where the gateway runs.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct Locality {
    /// Property `node.locality.region`.
    pub region: String,
    /// Property `node.locality.zone`.
    pub zone: String,
    /// Property `node.locality.sub_zone`.
    pub sub_zone: String,
}

impl Default for NodeSettings {
    fn default() -> Self {
        Self {
            id: "lockgate".to_owned(),
            cluster: String::new(),
            metadata: BTreeMap::new(),
            locality: Locality::default(),
        }
    }
}
