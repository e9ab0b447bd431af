//! `node.*`: this gateway in the form of Envoy's node, as the configuration describes it.

use std::collections::BTreeMap;

use lockgate_abi::PropertyValue;
use lockgate_abi::protobuf::Message;

use super::{Bytes, pairs, text};
use crate::settings::{Locality, NodeSettings, NodeValue};

/// Reads `node` and what is below it.
pub(super) fn node(node: &NodeSettings, parts: &[&str]) -> Option<Bytes> {
    match parts {
        [] => Some(Bytes::from_vec(message(node))),
        ["id"] => Some(text(&node.id)),
        ["cluster"] => Some(text(&node.cluster)),
        ["user_agent_name"] => Some(text("lockgate")),
        ["metadata", path @ ..] => metadata(&node.metadata, path),
        ["locality"] => Some(Bytes::from_vec(locality(&node.locality))),
        ["locality", "region"] => Some(text(&node.locality.region)),
        ["locality", "zone"] => Some(text(&node.locality.zone)),
        ["locality", "sub_zone"] => Some(text(&node.locality.sub_zone)),
        _ => None,
    }
}

/// A value of the metadata. Names may contain dots, as Kubernetes' do: the longest name that fits is taken.
fn metadata(values: &BTreeMap<String, NodeValue>, path: &[&str]) -> Option<Bytes> {
    if path.is_empty() {
        return Some(map(values));
    }
    (1..=path.len()).rev().find_map(|length| {
        let value = match length {
            1 => values.get(path[0])?,
            length => values.get(&path[..length].join("."))?,
        };
        match (value, &path[length..]) {
            (NodeValue::Map(inner), rest) => metadata(inner, rest),
            (value, []) => Some(encoded(value)),
            _ => None,
        }
    })
}

/// A value as `get_property` returns it.
fn encoded(value: &NodeValue) -> Bytes {
    match value {
        NodeValue::Text(value) => text(value),
        NodeValue::Number(value) => Bytes::from_slice(&value.to_le_bytes()),
        NodeValue::Flag(value) => Bytes::from_slice(&PropertyValue::Bool(*value).to_bytes()),
        NodeValue::Map(values) => map(values),
    }
}

/// A map: pairs of names and values. An empty one has a count of 0.
fn map(values: &BTreeMap<String, NodeValue>) -> Bytes {
    let encoded: Vec<_> = values
        .iter()
        .map(|(name, value)| (name.as_bytes(), encoded(value)))
        .collect();
    pairs(encoded.iter().map(|(name, value)| (*name, &value[..])))
}

/// Envoy's message `Node`, without metadata.
fn message(node: &NodeSettings) -> Vec<u8> {
    let message = Message::default()
        .bytes(1, node.id.as_bytes())
        .bytes(2, node.cluster.as_bytes());
    message.bytes(4, &locality(&node.locality)).finish()
}

/// Envoy's message `Locality`.
fn locality(locality: &Locality) -> Vec<u8> {
    Message::default()
        .bytes(1, locality.region.as_bytes())
        .bytes(2, locality.zone.as_bytes())
        .bytes(3, locality.sub_zone.as_bytes())
        .finish()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn settings() -> NodeSettings {
        let inner = BTreeMap::from([("app.kubernetes.io/name".to_owned(), NodeValue::Text("web".to_owned()))]);
        NodeSettings {
            id: "n1".to_owned(),
            cluster: "edge".to_owned(),
            metadata: BTreeMap::from([
                ("LABELS".to_owned(), NodeValue::Map(inner)),
                ("PORT".to_owned(), NodeValue::Number(1.5)),
                ("READY".to_owned(), NodeValue::Flag(true)),
            ]),
            locality: Locality {
                region: "eu".to_owned(),
                ..Locality::default()
            },
        }
    }

    fn read(path: &[&str]) -> Option<Vec<u8>> {
        node(&settings(), path).map(|value| value.to_vec())
    }

    #[test]
    fn the_configurations_node_is_read_part_by_part() {
        assert_eq!(read(&["id"]).unwrap(), b"n1");
        assert_eq!(read(&["cluster"]).unwrap(), b"edge");
        assert_eq!(read(&["locality", "region"]).unwrap(), b"eu");
        assert_eq!(read(&["locality"]).unwrap(), b"\x0a\x02eu");
        assert_eq!(read(&[]).unwrap(), b"\x0a\x02n1\x12\x04edge\x22\x04\x0a\x02eu");
        assert_eq!(read(&["metadata", "PORT"]).unwrap(), 1.5f64.to_le_bytes());
        assert_eq!(read(&["metadata", "READY"]).unwrap(), [1]);
        let label = ["metadata", "LABELS", "app", "kubernetes", "io/name"];
        assert_eq!(read(&label).unwrap(), b"web", "a name with dots");
        assert_eq!(read(&["metadata", "LABELS", "app.kubernetes.io/name"]).unwrap(), b"web");
        assert_eq!(
            (read(&["metadata", "NONE"]), read(&["metadata", "PORT", "x"])),
            (None, None)
        );
    }

    #[test]
    fn an_empty_map_has_a_count() {
        let empty = NodeSettings::default();
        assert_eq!(node(&empty, &["metadata"]).unwrap()[..], [0; 4]);
        assert_eq!(node(&empty, &["id"]).unwrap()[..], *b"lockgate");
        assert!(node(&empty, &["locality"]).unwrap().is_empty());
    }
}
