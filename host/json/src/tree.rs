//! A JSON document as a tree that remembers where every value stands and, for strings, what was written there.
//!
//! Why not `serde_json::Value`: errors need places, secrets must not be shown, numbers and the order of members are
//! passed on to plugins as they were written.

use crate::pointer;

/// A value and where it begins.
#[derive(Clone, PartialEq)]
pub struct Node {
    /// Byte offset of its first character.
    pub at: usize,
    /// The value.
    pub value: Value,
    /// A mistake in it was already told: whoever reads the object that it is in reads on as if it were not there.
    pub faulty: bool,
}

/// What JSON knows.
#[derive(Clone, PartialEq)]
pub enum Value {
    /// `null`.
    Null,
    /// `true` or `false`.
    Bool(bool),
    /// As it was written; its shape was checked.
    Number(String),
    /// A text, its escapes undone.
    String(Text),
    /// The elements, in order.
    Array(Vec<Node>),
    /// The members, in order.
    Object(Vec<Member>),
}

/// A string.
#[derive(Clone, PartialEq)]
pub struct Text {
    /// What it means.
    pub value: String,
    /// What was written, if something from the environment or a file was put in: shown instead of the value.
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

/// Longer strings are cut in messages.
const SHOWN_CHARS: usize = 60;

impl Node {
    /// A value at `at`.
    pub fn new(at: usize, value: Value) -> Node {
        Node {
            at,
            value,
            faulty: false,
        }
    }

    /// The members of an object; of anything else none.
    pub fn members(&self) -> &[Member] {
        match &self.value {
            Value::Object(members) => members,
            _ => &[],
        }
    }

    /// The items of an array; of anything else none.
    pub fn items(&self) -> &[Node] {
        match &self.value {
            Value::Array(items) => items,
            _ => &[],
        }
    }

    /// The member called `name`, unless a mistake in it was already told.
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

    /// The value that `pointer` leads to.
    pub fn find(&self, pointer: &str) -> Option<&Node> {
        pointer::steps(pointer)?.try_fold(self, |node, step| node.step(&step))
    }

    /// Where the name of the member that `pointer` leads to stands.
    pub fn find_name(&self, pointer: &str) -> Option<usize> {
        let (parent, _) = pointer.rsplit_once('/')?;
        let name = pointer::steps(pointer)?.last()?;
        self.find(parent)?
            .members()
            .iter()
            .find(|member| member.name == name)
            .map(|member| member.at)
    }

    fn step(&self, step: &str) -> Option<&Node> {
        match &self.value {
            Value::Object(members) => members
                .iter()
                .find(|member| member.name == step)
                .map(|member| &member.node),
            // Only the canonical form is an index: no sign, no leading zeros.
            Value::Array(items) => items.get(step.parse::<usize>().ok().filter(|index| index.to_string() == step)?),
            _ => None,
        }
    }

    /// Marks the smallest member around the value at `pointer` as faulty; an array's items cannot be left out alone,
    /// as the ones behind them would change places.
    pub fn mark(&mut self, pointer: &str) {
        let Some(steps) = pointer::steps(pointer) else { return };
        let steps: Vec<String> = steps.collect();
        mark_along(self, &steps);
    }

    /// Whether something from the environment or a file was put in anywhere inside.
    pub fn is_secret(&self) -> bool {
        match &self.value {
            Value::String(text) => text.written.is_some(),
            Value::Array(items) => items.iter().any(Node::is_secret),
            Value::Object(members) => members.iter().any(|member| member.node.is_secret()),
            _ => false,
        }
    }

    /// The value as a message may show it: as it was written, cut short, on one line.
    pub fn shown(&self) -> String {
        match &self.value {
            Value::Null => "null".to_owned(),
            Value::Bool(value) => value.to_string(),
            Value::Number(number) => number.chars().take(SHOWN_CHARS).collect(),
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

    /// The value as JSON text, secrets put in: what a plugin gets.
    pub fn to_json(&self) -> String {
        let mut out = String::new();
        write_json(self, &mut out);
        out
    }
}

/// Whether the mark found its member.
fn mark_along(node: &mut Node, steps: &[String]) -> bool {
    let Some((step, rest)) = steps.split_first() else {
        return false;
    };
    match &mut node.value {
        Value::Object(members) => {
            let Some(member) = members.iter_mut().find(|member| member.name == *step) else {
                return false;
            };
            if !mark_along(&mut member.node, rest) {
                member.node.faulty = true;
            }
            true
        }
        Value::Array(items) => {
            let item = step.parse::<usize>().ok().and_then(|index| items.get_mut(index));
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

/// `text` in quotes for a message, cut short.
pub fn quoted(text: &str) -> String {
    if text.chars().count() <= SHOWN_CHARS {
        return json_string(text);
    }
    let short: String = text.chars().take(SHOWN_CHARS).collect();
    json_string(&format!("{short}…"))
}
