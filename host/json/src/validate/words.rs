//! The words of mistakes: unknown keys, lists of allowed values, counts.

use serde_json::{Map, Value as Json};

use super::rules::text;
use crate::diagnostic::{did_you_mean, listed};
use crate::mistake::Mistake;
use crate::pointer::Pointer;

/// The mistake of a key that is none of those `known`. The hint is one of those `free`, which the object does not have yet.
pub(super) fn unknown_key<'a>(
    name: &str,
    inside: Pointer,
    known: &Map<String, Json>,
    free: impl Iterator<Item = &'a str> + Clone,
) -> Mistake {
    let mistake = Mistake::new(inside, format!("unknown key \"{name}\"")).at_key();
    match known.is_empty() {
        true => mistake,
        false => {
            let all = listed(known.keys().map(String::as_str).filter(|key| !key.starts_with('$')));
            mistake.expected(all).optional_hint(did_you_mean(name, free))
        }
    }
}

/// The purpose of a missing key: the first sentence of its description.
pub(super) fn purpose(name: &str, schema: &Json) -> Option<String> {
    let description = text(schema.as_object()?, "description")?;
    let text = description.replace('\n', " ");
    let sentence = text.split([';', ':']).next().and_then(|part| part.split(". ").next());
    sentence.map(|sentence| format!("\"{name}\": {}", sentence.trim_end_matches('.')))
}

/// `one of "a", "b"`, or the only one.
pub(super) fn one_of_names(names: &[&str]) -> String {
    match names {
        [only] => format!("\"{only}\""),
        names => format!("one of {}", listed(names.iter().copied()).replace(" or ", ", ")),
    }
}

/// The allowed values: texts as a list of names, others as JSON.
pub(super) fn one_of_values(allowed: &[&Json]) -> String {
    let names: Vec<&str> = allowed.iter().filter_map(|value| value.as_str()).collect();
    if names.len() == allowed.iter().filter(|value| !value.is_null()).count() {
        return one_of_names(&names);
    }
    let shown: Vec<String> = allowed.iter().take(20).map(|value| value.to_string()).collect();
    format!("one of {}", shown.join(", "))
}

/// `one item`, `2 items`.
pub(super) fn counted(count: u64, one: &str, many: &str) -> String {
    match count {
        1 => format!("one {one}"),
        count => format!("{count} {many}"),
    }
}
