//! Keywords for scalars, and the names of types in a sentence.

use std::net::{Ipv4Addr, Ipv6Addr};

use serde_json::{Map, Value as Json};

use super::Validator;
use super::rules::{bound, list, text};
use crate::format::Format;
use crate::mistake::Mistake;
use crate::pointer::Pointer;
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
        // JSON Schema accepts `1.0` as an integer; the types that read it do not.
        (Value::Number(written), "integer") => written.bytes().all(|b| b.is_ascii_digit() || b == b'-'),
        _ => false,
    }
}

/// The range of a number, and `multipleOf`.
pub(super) fn number(written: &str, rules: &Map<String, Json>, here: &Pointer) -> Option<Mistake> {
    let value: f64 = written.parse().ok()?;
    let limit = |key: &str| rules.get(key).and_then(Json::as_f64);
    let fits = limit("minimum").is_none_or(|least| value >= least)
        && limit("maximum").is_none_or(|most| value <= most)
        && limit("exclusiveMinimum").is_none_or(|least| value > least)
        && limit("exclusiveMaximum").is_none_or(|most| value < most);
    if !fits {
        return Some(Mistake::invalid(here.clone(), type_names(rules)));
    }
    let step = limit("multipleOf").filter(|step| *step > 0.0)?;
    let steps = value / step;
    // In binary, 0.3 is not quite a multiple of 0.1.
    ((steps - steps.round()).abs() > 1e-9 * steps.abs().max(1.0))
        .then(|| Mistake::invalid(here.clone(), format!("a multiple of {step}")))
}

/// `minLength` and `maxLength`.
pub(super) fn length(value: &str, rules: &Map<String, Json>, here: &Pointer) -> Option<Mistake> {
    let length = value.chars().count() as u64;
    if let Some(least) = bound(rules, "minLength").filter(|least| length < *least) {
        let expected = match least {
            1 => "a text that is not empty".to_owned(),
            least => format!("at least {least} characters"),
        };
        return Some(Mistake::invalid(here.clone(), expected));
    }
    let most = bound(rules, "maxLength").filter(|most| length > *most)?;
    Some(Mistake::invalid(here.clone(), format!("at most {most} characters")))
}

impl Validator<'_> {
    /// `format`, with `formatMinimum` and `formatMaximum`.
    pub(super) fn format(&self, value: &str, rules: &Map<String, Json>, here: &Pointer) -> Option<Mistake> {
        let invalid = |expected: &str| Some(Mistake::invalid(here.clone(), expected));
        match text(rules, "format")? {
            "ipv4" if value.parse::<Ipv4Addr>().is_err() => invalid("an IPv4 address"),
            "ipv6" if value.parse::<Ipv6Addr>().is_err() => invalid("an IPv6 address"),
            name => {
                let format = self.formats.iter().find(|format| format.name == name)?;
                match (format.parse)(value) {
                    None => invalid(format.expected),
                    Some(amount) => out_of_range(amount, format, rules).and_then(|range| invalid(&range)),
                }
            }
        }
    }

    /// The hint for a bare number in place of a text that stands for an amount.
    pub(super) fn hint_for_number(&self, node: &Node, rules: &Map<String, Json>) -> Option<String> {
        let Value::Number(number) = &node.value else {
            return None;
        };
        let title = text(rules, "title")?;
        let format = self.formats.iter().find(|format| format.expected == title)?;
        Some((format.hint_for_number)(number))
    }
}

/// The range of a format's amounts in words, if `amount` is outside.
fn out_of_range(amount: u128, format: &Format, rules: &Map<String, Json>) -> Option<String> {
    let (minimum, maximum) = (text(rules, "formatMinimum"), text(rules, "formatMaximum"));
    let parse = |bound: Option<&str>| bound.and_then(format.parse);
    let is_within = parse(minimum).is_none_or(|minimum| amount >= minimum)
        && parse(maximum).is_none_or(|maximum| amount <= maximum);
    if is_within {
        return None;
    }
    let noun = format.noun;
    Some(match (minimum, maximum) {
        (Some(minimum), Some(maximum)) => format!("{noun} from {minimum} to {maximum}"),
        (Some(minimum), None) => format!("{noun} of at least {minimum}"),
        (None, Some(maximum)) => format!("{noun} of at most {maximum}"),
        (None, None) => noun.to_owned(),
    })
}

/// Whether a value equals one in a schema. Numbers are compared as floats.
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

/// What a text with a pattern should look like, in words.
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

/// The types that the keywords allow, in words, with the range of numbers.
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
