//! The rules for single values, and what types are called in a sentence.

use serde_json::{Map, Value as Json};

use super::rules::{list, text};
use crate::pointer::Pointer;
use crate::problem::Problem;
use crate::tree::{Node, Value};

/// Whether `node` is of the JSON Schema type `name`.
pub(super) fn is_a(node: &Node, name: &str) -> bool {
    match (&node.value, name) {
        (Value::Null, "null")
        | (Value::Bool(_), "boolean")
        | (Value::String(_), "string")
        | (Value::Array(_), "array")
        | (Value::Object(_), "object")
        | (Value::Number(_), "number") => true,
        // `1.0` is an integer to JSON Schema, but not to the types that read it.
        (Value::Number(written), "integer") => written.bytes().all(|b| b.is_ascii_digit() || b == b'-'),
        _ => false,
    }
}

/// A number outside of its range.
pub(super) fn number(written: &str, rules: &Map<String, Json>, here: &Pointer) -> Option<Problem> {
    let value: f64 = written.parse().ok()?;
    let least = rules.get("minimum").and_then(Json::as_f64);
    let most = rules.get("maximum").and_then(Json::as_f64);
    let fits = least.is_none_or(|least| value >= least) && most.is_none_or(|most| value <= most);
    (!fits).then(|| Problem::unfit(here.clone(), type_names(rules)))
}

/// What a text with a pattern should look like.
pub(super) fn text_like(rules: &Map<String, Json>) -> String {
    if let Some(title) = text(rules, "title") {
        return title.to_owned();
    }
    let examples: Vec<&str> = list(rules, "examples")
        .into_iter()
        .flatten()
        .filter_map(Json::as_str)
        .collect();
    match examples.as_slice() {
        [] => format!("a text that matches {}", text(rules, "pattern").unwrap_or_default()),
        examples => format!("a text like {}", crate::diagnostic::listed(examples.iter().copied())),
    }
}

/// What the rules' type is called, with its range.
pub(super) fn type_names(rules: &Map<String, Json>) -> String {
    let types: Vec<&str> = match rules.get("type") {
        Some(Json::Array(types)) => types
            .iter()
            .filter_map(Json::as_str)
            .filter(|name| *name != "null")
            .collect(),
        Some(name) => name.as_str().into_iter().collect(),
        None => return "any value".to_owned(),
    };
    let words: Vec<String> = types.iter().map(|name| type_name(name, rules)).collect();
    words.join(" or ")
}

fn type_name(name: &str, rules: &Map<String, Json>) -> String {
    let number = |kind: &str| match (rules.get("minimum"), rules.get("maximum")) {
        (Some(least), Some(most)) => format!("{kind} from {least} to {most}"),
        (Some(least), None) => format!("{kind} of at least {least}"),
        (None, Some(most)) => format!("{kind} of at most {most}"),
        (None, None) => kind.to_owned(),
    };
    match name {
        "integer" => number("a whole number"),
        "number" => number("a number"),
        "boolean" => "true or false".to_owned(),
        "string" if rules.contains_key("examples") => text_like(rules),
        "array" => "an array".to_owned(),
        "object" => "an object".to_owned(),
        other => format!("a {other}"),
    }
}
