//! Serde over the tree: reads any `Deserialize` type from a [`Node`]. An error has the JSON pointer of its value.
//!
//! Members marked as faulty are skipped, so that one mistake does not hide the others. No error shows a value that was
//! substituted from the environment or a file.

use std::fmt;

use serde::de::{self, DeserializeOwned, DeserializeSeed, IntoDeserializer, Visitor};

use crate::mistake::Mistake;
use crate::pointer::Pointer;
use crate::tree::{Member, Node, Value};

/// Reads a `T` from `node`, the value at `here`.
///
/// # Errors
/// The first mistake that `T` finds.
pub fn decode<T: DeserializeOwned>(node: &Node, here: &Pointer) -> Result<T, Mistake> {
    T::deserialize(NodeDeserializer(node)).map_err(|error| {
        let mut pointer = here.clone();
        let mut value = Some(node);
        for segment in error.path.iter().rev() {
            (pointer, value) = match segment {
                PathSegment::Key(key) => (pointer.key(key), value.and_then(|node| node.member(key))),
                PathSegment::Index(index) => (pointer.index(*index), value.and_then(|node| node.items().get(*index))),
            };
        }
        match value {
            Some(node) if !node.is_secret() => Mistake::new(pointer, error.message),
            _ => Mistake::invalid(pointer, "another value")
                .hint("the value comes from the environment or a file and is not shown"),
        }
    })
}

enum PathSegment {
    Key(String),
    Index(usize),
}

/// What went wrong, and the path from the value to the top.
struct DecodeError {
    path: Vec<PathSegment>,
    message: String,
}

impl DecodeError {
    fn inside(mut self, segment: PathSegment) -> DecodeError {
        self.path.push(segment);
        self
    }
}

impl de::Error for DecodeError {
    fn custom<T: fmt::Display>(message: T) -> DecodeError {
        DecodeError {
            path: Vec::new(),
            message: message.to_string(),
        }
    }
}

impl fmt::Display for DecodeError {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.write_str(&self.message)
    }
}

impl fmt::Debug for DecodeError {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.write_str(&self.message)
    }
}

impl std::error::Error for DecodeError {}

struct NodeDeserializer<'a>(&'a Node);

impl<'de> de::Deserializer<'de> for NodeDeserializer<'_> {
    type Error = DecodeError;

    fn deserialize_any<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, DecodeError> {
        match &self.0.value {
            Value::Null => visitor.visit_unit(),
            Value::Bool(value) => visitor.visit_bool(*value),
            Value::Number(written) => number(written, visitor),
            Value::String(text) => visitor.visit_str(&text.value),
            Value::Array(items) => visitor.visit_seq(ItemAccess { items, at: 0 }),
            Value::Object(members) => visitor.visit_map(MemberAccess { members, at: 0 }),
        }
    }

    fn deserialize_option<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, DecodeError> {
        match self.0.value {
            Value::Null => visitor.visit_none(),
            _ => visitor.visit_some(self),
        }
    }

    fn deserialize_newtype_struct<V: Visitor<'de>>(self, _: &'static str, visitor: V) -> Result<V::Value, DecodeError> {
        visitor.visit_newtype_struct(self)
    }

    fn deserialize_enum<V: Visitor<'de>>(
        self,
        _: &'static str,
        _: &'static [&'static str],
        visitor: V,
    ) -> Result<V::Value, DecodeError> {
        match &self.0.value {
            Value::String(text) => visitor.visit_enum(text.value.as_str().into_deserializer()),
            Value::Object(members) => {
                visitor.visit_enum(de::value::MapAccessDeserializer::new(MemberAccess { members, at: 0 }))
            }
            _ => Err(de::Error::custom(format!("found {}, expected a name", self.0.shown()))),
        }
    }

    serde::forward_to_deserialize_any! {
        bool i8 i16 i32 i64 i128 u8 u16 u32 u64 u128 f32 f64 char str string bytes byte_buf unit unit_struct seq tuple
        tuple_struct map struct identifier ignored_any
    }
}

fn number<'de, V: Visitor<'de>>(written: &str, visitor: V) -> Result<V::Value, DecodeError> {
    if let Ok(value) = written.parse::<u64>() {
        return visitor.visit_u64(value);
    }
    if let Ok(value) = written.parse::<i64>() {
        return visitor.visit_i64(value);
    }
    // The reader accepts only numbers that are finite as floats.
    visitor.visit_f64(written.parse().map_err(|_| de::Error::custom("not a number"))?)
}

struct ItemAccess<'a> {
    items: &'a [Node],
    at: usize,
}

impl<'de> de::SeqAccess<'de> for ItemAccess<'_> {
    type Error = DecodeError;

    fn next_element_seed<T: DeserializeSeed<'de>>(&mut self, seed: T) -> Result<Option<T::Value>, DecodeError> {
        let Some(item) = self.items.get(self.at) else {
            return Ok(None);
        };
        let index = self.at;
        self.at += 1;
        seed.deserialize(NodeDeserializer(item))
            .map(Some)
            .map_err(|error| error.inside(PathSegment::Index(index)))
    }

    fn size_hint(&self) -> Option<usize> {
        Some(self.items.len() - self.at)
    }
}

struct MemberAccess<'a> {
    members: &'a [Member],
    /// Index after the member whose key was read last.
    at: usize,
}

impl<'de> de::MapAccess<'de> for MemberAccess<'_> {
    type Error = DecodeError;

    fn next_key_seed<K: DeserializeSeed<'de>>(&mut self, seed: K) -> Result<Option<K::Value>, DecodeError> {
        while let Some(member) = self.members.get(self.at) {
            self.at += 1;
            if !member.node.faulty {
                let key = seed.deserialize(member.name.as_str().into_deserializer());
                return key
                    .map(Some)
                    .map_err(|error: DecodeError| error.inside(PathSegment::Key(member.name.clone())));
            }
        }
        Ok(None)
    }

    fn next_value_seed<V: DeserializeSeed<'de>>(&mut self, seed: V) -> Result<V::Value, DecodeError> {
        let member = &self.members[self.at - 1];
        seed.deserialize(NodeDeserializer(&member.node))
            .map_err(|error| error.inside(PathSegment::Key(member.name.clone())))
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use lockgate_units::Period;
    use serde::Deserialize;

    use super::*;
    use crate::mistake::Mistakes;
    use crate::reader;
    use crate::tree::Text;

    #[derive(Debug, Deserialize, PartialEq)]
    #[serde(deny_unknown_fields)]
    struct Sample {
        periods: Vec<Period>,
        #[serde(default)]
        mode: Mode,
        names: Option<BTreeMap<String, i8>>,
    }

    #[derive(Debug, Default, Deserialize, PartialEq)]
    #[serde(rename_all = "snake_case")]
    enum Mode {
        #[default]
        Plain,
        Odd,
    }

    fn tree(text: &str) -> Node {
        reader::read(text, &mut Mistakes::default()).unwrap()
    }

    #[test]
    fn a_tree_decodes_like_its_text() {
        let text = r#"{"periods": ["5s", "1m"], "mode": "odd", "names": {"a": -3, "b": 7}}"#;
        let read: Sample = decode(&tree(text), &Pointer::root()).unwrap();
        assert_eq!(read, serde_json::from_str(text).unwrap());
    }

    #[test]
    fn an_error_has_its_pointer() {
        for (text, pointer, message) in [
            (
                r#"{"periods": ["5s", "5"]}"#,
                "/x/periods/1",
                "a duration with its unit",
            ),
            (r#"{"periods": [], "mode": "even"}"#, "/x/mode", "even"),
            (r#"{"periods": [], "names": {"a/b": 300}}"#, "/x/names/a~1b", "300"),
            (r#"{"period": []}"#, "/x/period", "unknown field"),
            (r#"{}"#, "/x", "missing field `periods`"),
        ] {
            let mistake = decode::<Sample>(&tree(text), &Pointer::root().key("x")).unwrap_err();
            assert_eq!(mistake.pointer.as_str(), pointer);
            assert!(mistake.message.as_ref().unwrap().contains(message), "{mistake:?}");
        }
    }

    #[test]
    fn a_faulty_member_is_skipped_and_a_secret_is_not_shown() {
        let mut node = tree(r#"{"periods": [], "names": {"a": "x", "b": 1}}"#);
        node.mark("/names/a");
        let read: Sample = decode(&node, &Pointer::root()).unwrap();
        assert_eq!(read.names.unwrap().len(), 1);
        let text = Text {
            value: "hunter2".into(),
            written: Some("${env:P}".into()),
        };
        let secret = Node::new(0, Value::Array(vec![Node::new(0, Value::String(text))]));
        let mistake = decode::<Vec<Period>>(&secret, &Pointer::root()).unwrap_err();
        assert!(!format!("{mistake:?}").contains("hunter2"), "{mistake:?}");
    }
}
