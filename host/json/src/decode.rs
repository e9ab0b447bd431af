//! Serde over the tree: any `Deserialize` type is read from a [`Node`], and an error knows the pointer it happened at.
//!
//! Members marked faulty are left out, so that one mistake does not hide the others. Errors never show what was put in
//! from the environment or a file.

use std::fmt;

use serde::de::{self, DeserializeOwned, DeserializeSeed, IntoDeserializer, Visitor};

use crate::pointer::Pointer;
use crate::problem::Problem;
use crate::tree::{Member, Node, Value};

/// Reads a `T` from `node`, which stands at `here`.
///
/// # Errors
/// The first mistake that `T` finds.
pub fn decode<T: DeserializeOwned>(node: &Node, here: &Pointer) -> Result<T, Problem> {
    T::deserialize(Source(node)).map_err(|error| {
        let mut pointer = here.clone();
        let mut place = Some(node);
        for step in error.path.iter().rev() {
            (pointer, place) = match step {
                Step::Key(key) => (pointer.key(key), place.and_then(|node| node.member(key))),
                Step::Index(index) => (pointer.index(*index), place.and_then(|node| node.items().get(*index))),
            };
        }
        match place {
            Some(node) if !node.is_secret() => Problem::told(pointer, error.message),
            _ => Problem::unfit(pointer, "another value")
                .hint("the value comes from the environment or a file and is not shown"),
        }
    })
}

enum Step {
    Key(String),
    Index(usize),
}

/// What went wrong, and the way from it to the top.
struct Fault {
    path: Vec<Step>,
    message: String,
}

impl Fault {
    fn inside(mut self, step: Step) -> Fault {
        self.path.push(step);
        self
    }
}

impl de::Error for Fault {
    fn custom<T: fmt::Display>(message: T) -> Fault {
        Fault {
            path: Vec::new(),
            message: message.to_string(),
        }
    }
}

impl fmt::Display for Fault {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.write_str(&self.message)
    }
}

impl fmt::Debug for Fault {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.write_str(&self.message)
    }
}

impl std::error::Error for Fault {}

struct Source<'a>(&'a Node);

impl<'de> de::Deserializer<'de> for Source<'_> {
    type Error = Fault;

    fn deserialize_any<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Fault> {
        match &self.0.value {
            Value::Null => visitor.visit_unit(),
            Value::Bool(value) => visitor.visit_bool(*value),
            Value::Number(written) => number(written, visitor),
            Value::String(text) => visitor.visit_str(&text.value),
            Value::Array(items) => visitor.visit_seq(Items { items, at: 0 }),
            Value::Object(members) => visitor.visit_map(Members { members, at: 0 }),
        }
    }

    fn deserialize_option<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Fault> {
        match self.0.value {
            Value::Null => visitor.visit_none(),
            _ => visitor.visit_some(self),
        }
    }

    fn deserialize_newtype_struct<V: Visitor<'de>>(self, _: &'static str, visitor: V) -> Result<V::Value, Fault> {
        visitor.visit_newtype_struct(self)
    }

    fn deserialize_enum<V: Visitor<'de>>(
        self,
        _: &'static str,
        _: &'static [&'static str],
        visitor: V,
    ) -> Result<V::Value, Fault> {
        match &self.0.value {
            Value::String(text) => visitor.visit_enum(text.value.as_str().into_deserializer()),
            Value::Object(members) => {
                visitor.visit_enum(de::value::MapAccessDeserializer::new(Members { members, at: 0 }))
            }
            _ => Err(de::Error::custom(format!("found {}, expected a name", self.0.shown()))),
        }
    }

    serde::forward_to_deserialize_any! {
        bool i8 i16 i32 i64 i128 u8 u16 u32 u64 u128 f32 f64 char str string bytes byte_buf unit unit_struct seq tuple
        tuple_struct map struct identifier ignored_any
    }
}

fn number<'de, V: Visitor<'de>>(written: &str, visitor: V) -> Result<V::Value, Fault> {
    if let Ok(value) = written.parse::<u64>() {
        return visitor.visit_u64(value);
    }
    if let Ok(value) = written.parse::<i64>() {
        return visitor.visit_i64(value);
    }
    // The reader let only numbers through that are finite as floats.
    visitor.visit_f64(written.parse().map_err(|_| de::Error::custom("not a number"))?)
}

struct Items<'a> {
    items: &'a [Node],
    at: usize,
}

impl<'de> de::SeqAccess<'de> for Items<'_> {
    type Error = Fault;

    fn next_element_seed<T: DeserializeSeed<'de>>(&mut self, seed: T) -> Result<Option<T::Value>, Fault> {
        let Some(item) = self.items.get(self.at) else {
            return Ok(None);
        };
        let index = self.at;
        self.at += 1;
        seed.deserialize(Source(item))
            .map(Some)
            .map_err(|fault| fault.inside(Step::Index(index)))
    }

    fn size_hint(&self) -> Option<usize> {
        Some(self.items.len() - self.at)
    }
}

struct Members<'a> {
    members: &'a [Member],
    /// Behind the member whose key was handed out last.
    at: usize,
}

impl<'de> de::MapAccess<'de> for Members<'_> {
    type Error = Fault;

    fn next_key_seed<K: DeserializeSeed<'de>>(&mut self, seed: K) -> Result<Option<K::Value>, Fault> {
        while let Some(member) = self.members.get(self.at) {
            self.at += 1;
            if !member.node.faulty {
                let key = seed.deserialize(member.name.as_str().into_deserializer());
                return key
                    .map(Some)
                    .map_err(|fault: Fault| fault.inside(Step::Key(member.name.clone())));
            }
        }
        Ok(None)
    }

    fn next_value_seed<V: DeserializeSeed<'de>>(&mut self, seed: V) -> Result<V::Value, Fault> {
        let member = &self.members[self.at - 1];
        seed.deserialize(Source(&member.node))
            .map_err(|fault| fault.inside(Step::Key(member.name.clone())))
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use lockgate_units::Period;
    use serde::Deserialize;

    use super::*;
    use crate::problem::Problems;
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
        reader::read(text, &mut Problems::default()).unwrap()
    }

    #[test]
    fn a_tree_is_read_like_the_text_would_be() {
        let text = r#"{"periods": ["5s", "1m"], "mode": "odd", "names": {"a": -3, "b": 7}}"#;
        let read: Sample = decode(&tree(text), &Pointer::root()).unwrap();
        assert_eq!(read, serde_json::from_str(text).unwrap());
    }

    #[test]
    fn an_error_knows_its_pointer() {
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
            let problem = decode::<Sample>(&tree(text), &Pointer::root().key("x")).unwrap_err();
            assert_eq!(problem.pointer.as_str(), pointer);
            assert!(problem.message.as_ref().unwrap().contains(message), "{problem:?}");
        }
    }

    #[test]
    fn a_faulty_member_is_left_out_and_a_secret_is_not_told() {
        let mut node = tree(r#"{"periods": [], "names": {"a": "x", "b": 1}}"#);
        node.mark("/names/a");
        let read: Sample = decode(&node, &Pointer::root()).unwrap();
        assert_eq!(read.names.unwrap().len(), 1);
        let text = Text {
            value: "hunter2".into(),
            written: Some("${env:P}".into()),
        };
        let secret = Node::new(0, Value::Array(vec![Node::new(0, Value::String(text))]));
        let problem = decode::<Vec<Period>>(&secret, &Pointer::root()).unwrap_err();
        assert!(!format!("{problem:?}").contains("hunter2"), "{problem:?}");
    }
}
