//! What is told about a mistake, in words.

use lockgate_units::{Period, Size};
use serde_json::{Map, Value as Json};

use super::rules::text;
use crate::diagnostic::{did_you_mean, listed};
use crate::pointer::Pointer;
use crate::problem::Problem;
use crate::tree::{Node, Value};

/// A key that is none of those `known`; `free` are the ones that are not there yet.
pub(super) fn unknown_key<'a>(
    name: &str,
    inside: Pointer,
    known: &Map<String, Json>,
    free: impl Iterator<Item = &'a str> + Clone,
) -> Problem {
    let problem = Problem::told(inside, format!("unknown key \"{name}\"")).at_name();
    match known.is_empty() {
        true => problem,
        false => {
            let all = listed(known.keys().map(String::as_str).filter(|key| !key.starts_with('$')));
            problem.expected(all).hinted(did_you_mean(name, free))
        }
    }
}

/// A bare number where a unit is needed: what it may have been meant to be.
pub(super) fn unit_hint(node: &Node, rules: &Map<String, Json>) -> Option<String> {
    let Value::Number(number) = &node.value else {
        return None;
    };
    match text(rules, "title") {
        Some(Period::EXPECTED) => Some(format!(
            "write \"{number}s\" for seconds, \"{number}ms\" for milliseconds"
        )),
        Some(Size::EXPECTED) => Some(format!(
            "write \"{number}B\" for bytes, \"{number}KiB\" for units of 1024 bytes"
        )),
        _ => None,
    }
}

/// What a missing key is for, by the first sentence of its description.
pub(super) fn purpose(name: &str, schema: &Json) -> Option<String> {
    let description = text(schema.as_object()?, "description")?;
    let text = description.replace('\n', " ");
    let sentence = text.split([';', ':']).next().and_then(|part| part.split(". ").next());
    sentence.map(|sentence| format!("\"{name}\": {}", sentence.trim_end_matches('.')))
}

/// `one of "a", "b"`, or the only one.
pub(super) fn one_of(names: &[&str]) -> String {
    match names {
        [only] => format!("\"{only}\""),
        names => format!("one of {}", listed(names.iter().copied()).replace(" or ", ", ")),
    }
}

/// The values that are allowed: texts as a list of names, others as JSON.
pub(super) fn values(allowed: &[&Json]) -> String {
    let names: Vec<&str> = allowed.iter().filter_map(|value| value.as_str()).collect();
    if names.len() == allowed.iter().filter(|value| !value.is_null()).count() {
        return one_of(&names);
    }
    let shown: Vec<String> = allowed.iter().take(20).map(|value| value.to_string()).collect();
    format!("one of {}", shown.join(", "))
}

/// `1 item`, `2 items`.
pub(super) fn counted(count: u64, one: &str, many: &str) -> String {
    match count {
        1 => format!("one {one}"),
        count => format!("{count} {many}"),
    }
}
