//! The rules for single values, and what types are called in a sentence.

use lockgate_units::{Period, Size};
use serde_json::{Map, Value as Json};

use super::rules::{bound, list, text};
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
    let limit = |key: &str| rules.get(key).and_then(Json::as_f64);
    let fits = limit("minimum").is_none_or(|least| value >= least)
        && limit("maximum").is_none_or(|most| value <= most)
        && limit("exclusiveMinimum").is_none_or(|least| value > least)
        && limit("exclusiveMaximum").is_none_or(|most| value < most);
    if !fits {
        return Some(Problem::unfit(here.clone(), type_names(rules)));
    }
    let step = limit("multipleOf").filter(|step| *step > 0.0)?;
    let steps = value / step;
    // 0.3 is no multiple of 0.1 in binary; what is meant is.
    ((steps - steps.round()).abs() > 1e-9 * steps.abs().max(1.0))
        .then(|| Problem::unfit(here.clone(), format!("a multiple of {step}")))
}

/// A text of the wrong length.
pub(super) fn length(value: &str, rules: &Map<String, Json>, here: &Pointer) -> Option<Problem> {
    let length = value.chars().count() as u64;
    if let Some(least) = bound(rules, "minLength").filter(|least| length < *least) {
        let expected = match least {
            1 => "a text that is not empty".to_owned(),
            least => format!("at least {least} characters"),
        };
        return Some(Problem::unfit(here.clone(), expected));
    }
    let most = bound(rules, "maxLength").filter(|most| length > *most)?;
    Some(Problem::unfit(here.clone(), format!("at most {most} characters")))
}

/// A text that is not of its format, or beyond the bounds that are set for it.
pub(super) fn format(value: &str, rules: &Map<String, Json>, here: &Pointer) -> Option<Problem> {
    let bounds = (text(rules, "formatMinimum"), text(rules, "formatMaximum"));
    let unfit = |expected: &str| Some(Problem::unfit(here.clone(), expected));
    match text(rules, "format")? {
        "ipv4" if value.parse::<std::net::Ipv4Addr>().is_err() => unfit("an IPv4 address"),
        "ipv6" if value.parse::<std::net::Ipv6Addr>().is_err() => unfit("an IPv6 address"),
        "lockgate-duration" => within::<Period>(value, Period::EXPECTED, bounds, "a duration", here),
        "lockgate-size" => within::<Size>(value, Size::EXPECTED, bounds, "a size", here),
        _ => None,
    }
}

fn within<T: std::str::FromStr + PartialOrd>(
    value: &str,
    expected: &str,
    (least, most): (Option<&str>, Option<&str>),
    what: &str,
    here: &Pointer,
) -> Option<Problem> {
    let Ok(value) = value.parse::<T>() else {
        return Some(Problem::unfit(here.clone(), expected));
    };
    let read = |bound: Option<&str>| bound.and_then(|bound| bound.parse::<T>().ok());
    let fits = read(least).is_none_or(|least| value >= least) && read(most).is_none_or(|most| value <= most);
    let range = match (least, most) {
        (Some(least), Some(most)) => format!("{what} from {least} to {most}"),
        (Some(least), None) => format!("{what} of at least {least}"),
        (None, Some(most)) => format!("{what} of at most {most}"),
        (None, None) => what.to_owned(),
    };
    (!fits).then(|| Problem::unfit(here.clone(), range))
}

/// Whether a value is the same as one in a schema. Numbers are compared as floats.
pub(super) fn equals(node: &Node, json: &Json) -> bool {
    match (&node.value, json) {
        (Value::Null, Json::Null) => true,
        (Value::Bool(one), Json::Bool(other)) => one == other,
        (Value::Number(written), Json::Number(number)) => written
            .parse::<f64>()
            .ok()
            .is_some_and(|value| number.as_f64() == Some(value)),
        (Value::String(text), Json::String(other)) => text.value == *other,
        (Value::Array(items), Json::Array(others)) => {
            items.len() == others.len() && items.iter().zip(others).all(|(item, other)| equals(item, other))
        }
        (Value::Object(members), Json::Object(others)) => {
            let is_same = |member: &crate::tree::Member| {
                others
                    .get(&member.name)
                    .is_some_and(|other| equals(&member.node, other))
            };
            members.len() == others.len() && members.iter().all(is_same)
        }
        _ => false,
    }
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
