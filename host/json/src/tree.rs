//! A JSON document as a tree. Every value has its position, and every string with a substitution also its text before it.
//!
//! Why not `serde_json::Value`: errors need positions, secrets must not be shown, and plugins get numbers and the order of
//! members as they were written.

use crate::pointer;

/// A value and its position.
#[derive(Clone, PartialEq)]
pub struct Node {
    /// Byte offset of its first character.
    pub at: usize,
    /// The value.
    pub value: Value,
    /// A mistake in it is already reported. The object that contains it is read as if this member were absent.
    pub faulty: bool,
}

/// A JSON value.
#[derive(Clone, PartialEq)]
pub enum Value {
    /// `null`.
    Null,
    /// `true` or `false`.
    Bool(bool),
    /// As it was written; its syntax is checked.
    Number(String),
    /// A text, unescaped.
    String(Text),
    /// The elements, in order.
    Array(Vec<Node>),
    /// The members, in order.
    Object(Vec<Member>),
}

/// A string.
#[derive(Clone, PartialEq)]
pub struct Text {
    /// The text, after substitution.
    pub value: String,
    /// The text before substitution, which messages show instead of the value. None: nothing was substituted.
    pub written: Option<String>,
}

/// A member of an object.
#[derive(Clone, PartialEq)]
pub struct Member {
    /// Its name, unescaped.
    pub name: String,
    /// Byte offset of its name's opening quote.
    pub at: usize,
    /// Its value.
    pub node: Node,
}

/// Maximum characters of a value in a message. A longer one is cut.
const MAX_SHOWN_CHARS: usize = 60;

impl Node {
    /// A value that begins at byte `at`.
    pub fn new(at: usize, value: Value) -> Node {
        Node {
            at,
            value,
            faulty: false,
        }
    }

    /// The members of an object. Another value has none.
    pub fn members(&self) -> &[Member] {
        match &self.value {
            Value::Object(members) => members,
            _ => &[],
        }
    }

    /// The items of an array. Another value has none.
    pub fn items(&self) -> &[Node] {
        match &self.value {
            Value::Array(items) => items,
            _ => &[],
        }
    }

    /// The member called `name`, unless it is faulty.
    pub fn member(&self, name: &str) -> Option<&Node> {
        self.members()
            .iter()
            .find(|member| member.name == name && !member.node.faulty)
            .map(|member| &member.node)
    }

    /// The text of a string.
    pub fn text(&self) -> Option<&str> {
        match &self.value {
            Value::String(text) => Some(&text.value),
            _ => None,
        }
    }

    /// The value at `pointer`.
    pub fn find(&self, pointer: &str) -> Option<&Node> {
        pointer::tokens(pointer)?.try_fold(self, |node, token| node.child(&token))
    }

    /// Byte offset of the key of the member at `pointer`.
    pub fn find_key(&self, pointer: &str) -> Option<usize> {
        let (parent, _) = pointer.rsplit_once('/')?;
        let name = pointer::tokens(pointer)?.last()?;
        self.find(parent)?
            .members()
            .iter()
            .find(|member| member.name == name)
            .map(|member| member.at)
    }

    fn child(&self, token: &str) -> Option<&Node> {
        match &self.value {
            Value::Object(members) => members
                .iter()
                .find(|member| member.name == token)
                .map(|member| &member.node),
            // Only the canonical form is an index: no sign, no leading zeros.
            Value::Array(items) => items.get(token.parse::<usize>().ok().filter(|index| index.to_string() == token)?),
            _ => None,
        }
    }

    /// Marks the innermost member around the value at `pointer` as faulty. An array's item is not marked by itself: without it, the
    /// items after it would have other indices.
    pub fn mark(&mut self, pointer: &str) {
        let Some(tokens) = pointer::tokens(pointer) else { return };
        let tokens: Vec<String> = tokens.collect();
        mark_along(self, &tokens);
    }

    /// Whether it contains text from the environment or a file.
    pub fn is_secret(&self) -> bool {
        match &self.value {
            Value::String(text) => text.written.is_some(),
            Value::Array(items) => items.iter().any(Node::is_secret),
            Value::Object(members) => members.iter().any(|member| member.node.is_secret()),
            _ => false,
        }
    }

    /// The value for a message: as it was written, on one line, cut to a maximum length.
    pub fn shown(&self) -> String {
        match &self.value {
            Value::Null => "null".to_owned(),
            Value::Bool(value) => value.to_string(),
            Value::Number(number) => number.chars().take(MAX_SHOWN_CHARS).collect(),
            Value::String(text) => match &text.written {
                Some(written) => format!("{} (its value is not shown)", quoted(written)),
                None => quoted(&text.value),
            },
            Value::Array(items) if items.is_empty() => "an empty array".to_owned(),
            Value::Array(_) => "an array".to_owned(),
            Value::Object(members) if members.is_empty() => "an empty object".to_owned(),
            Value::Object(_) => "an object".to_owned(),
        }
    }

    /// The value as JSON text, substitutions included: what a plugin gets.
    pub fn to_json(&self) -> String {
        let mut out = String::new();
        write_json(self, &mut out);
        out
    }
}

/// Whether a member was marked.
fn mark_along(node: &mut Node, tokens: &[String]) -> bool {
    let Some((token, rest)) = tokens.split_first() else {
        return false;
    };
    match &mut node.value {
        Value::Object(members) => {
            let Some(member) = members.iter_mut().find(|member| member.name == *token) else {
                return false;
            };
            if !mark_along(&mut member.node, rest) {
                member.node.faulty = true;
            }
            true
        }
        Value::Array(items) => {
            let item = token.parse::<usize>().ok().and_then(|index| items.get_mut(index));
            item.is_some_and(|item| mark_along(item, rest))
        }
        _ => false,
    }
}

fn write_json(node: &Node, out: &mut String) {
    match &node.value {
        Value::Null => out.push_str("null"),
        Value::Bool(value) => out.push_str(if *value { "true" } else { "false" }),
        Value::Number(number) => out.push_str(number),
        Value::String(text) => out.push_str(&json_string(&text.value)),
        Value::Array(items) => {
            out.push('[');
            for (index, item) in items.iter().enumerate() {
                if index > 0 {
                    out.push(',');
                }
                write_json(item, out);
            }
            out.push(']');
        }
        Value::Object(members) => {
            out.push('{');
            for (index, member) in members.iter().enumerate() {
                if index > 0 {
                    out.push(',');
                }
                out.push_str(&json_string(&member.name));
                out.push(':');
                write_json(&member.node, out);
            }
            out.push('}');
        }
    }
}

/// `text` as a JSON string, quotes included.
fn json_string(text: &str) -> String {
    serde_json::Value::from(text).to_string()
}

/// `text` in quotes for a message, cut to a maximum length.
pub fn quoted(text: &str) -> String {
    if text.chars().count() <= MAX_SHOWN_CHARS {
        return json_string(text);
    }
    let short: String = text.chars().take(MAX_SHOWN_CHARS).collect();
    json_string(&format!("{short}…"))
}
