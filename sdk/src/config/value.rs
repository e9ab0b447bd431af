//! [`Value`]: a JSON value as a tree.

use std::borrow::Cow;

use crate::error::ConfigError;

/// A JSON value. Numbers are kept as text, so that none loses a digit before it is parsed as its type.
#[derive(Debug, Clone, PartialEq)]
pub enum Value<'a> {
    /// `null`
    Null,
    /// `true` or `false`
    Bool(bool),
    /// A number, as text.
    Number(&'a str),
    /// A string, unescaped.
    Text(Cow<'a, str>),
    /// An array, in order.
    List(Vec<Value<'a>>),
    /// An object, in order, with unique names.
    Object(Vec<(Cow<'a, str>, Value<'a>)>),
}

/// The maximum number of characters of a text in a message.
const MAX_SHOWN: usize = 60;

impl<'a> Value<'a> {
    /// The same object without a member.
    pub fn without(&self, name: &str) -> Value<'a> {
        match self {
            Value::Object(members) => {
                let others = members.iter().filter(|(known, _)| known != name);
                Value::Object(others.cloned().collect())
            }
            other => other.clone(),
        }
    }

    /// The error that this value was found in place of `expected`.
    pub fn mismatch(&self, expected: &str) -> ConfigError {
        ConfigError::new(["found ", &self.shown(), ", expected ", expected].concat())
    }

    /// The text, if it is a string.
    pub fn text(&self) -> Option<&str> {
        match self {
            Value::Text(text) => Some(text),
            _ => None,
        }
    }

    /// The value as shown in a message: short, on one line.
    fn shown(&self) -> String {
        match self {
            Value::Null => "null".to_owned(),
            Value::Bool(true) => "true".to_owned(),
            Value::Bool(false) => "false".to_owned(),
            Value::Number(number) => (*number).to_owned(),
            Value::Text(text) => quoted(text),
            Value::List(_) => "an array".to_owned(),
            Value::Object(_) => "an object".to_owned(),
        }
    }
}

/// A text as shown in a message: quoted, truncated, with control characters replaced.
pub(super) fn quoted(text: &str) -> String {
    let mut out = String::from("\"");
    for (index, character) in text.chars().enumerate() {
        if index == MAX_SHOWN {
            out.push('…');
            break;
        }
        if matches!(character, '"' | '\\') {
            out.push('\\');
        }
        out.push(if character.is_control() { '\u{fffd}' } else { character });
    }
    out.push('"');
    out
}
