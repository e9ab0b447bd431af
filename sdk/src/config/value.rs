//! [`Value`]: a configuration as a tree.

use std::borrow::Cow;

use crate::error::ConfigError;

/// A JSON value. Numbers are as they were written, so that none loses a digit on its way to its type.
#[derive(Debug, Clone, PartialEq)]
pub enum Value<'a> {
    /// `null`
    Null,
    /// `true` or `false`
    Bool(bool),
    /// As it was written.
    Number(&'a str),
    /// Unescaped.
    Text(Cow<'a, str>),
    /// In order.
    List(Vec<Value<'a>>),
    /// In order; no name is there twice.
    Object(Vec<(Cow<'a, str>, Value<'a>)>),
}

/// Longer texts are cut in messages.
const MAX_SHOWN: usize = 60;

impl<'a> Value<'a> {
    /// The same object without one of its members.
    pub fn without(&self, name: &str) -> Value<'a> {
        match self {
            Value::Object(members) => {
                let others = members.iter().filter(|(known, _)| known != name);
                Value::Object(others.cloned().collect())
            }
            other => other.clone(),
        }
    }

    /// An error about this value: what was found here, and what was expected.
    pub fn mismatch(&self, expected: &str) -> ConfigError {
        ConfigError::new(["found ", &self.shown(), ", expected ", expected].concat())
    }

    /// The text, if it is one.
    pub fn text(&self) -> Option<&str> {
        match self {
            Value::Text(text) => Some(text),
            _ => None,
        }
    }

    /// The value in a message: short, on one line.
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

/// A text in a message: in quotes, cut short, its control characters replaced.
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
