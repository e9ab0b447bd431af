//! Reads the keywords of one schema.

use serde_json::{Map, Value as Json};

/// The count that a keyword has.
pub(super) fn bound(rules: &Map<String, Json>, key: &str) -> Option<u64> {
    rules.get(key)?.as_u64()
}

/// The text that a keyword has.
pub(super) fn text<'a>(rules: &'a Map<String, Json>, key: &str) -> Option<&'a str> {
    rules.get(key)?.as_str()
}

/// The list that a keyword has.
pub(super) fn list<'a>(rules: &'a Map<String, Json>, key: &str) -> Option<&'a [Json]> {
    rules.get(key)?.as_array().map(Vec::as_slice)
}

/// The values that `const` or `enum` allows.
pub(super) fn allowed(rules: &Map<String, Json>) -> Option<Vec<&Json>> {
    match (rules.get("const"), list(rules, "enum")) {
        (Some(only), _) => Some(vec![only]),
        (None, Some(all)) => Some(all.iter().collect()),
        (None, None) => None,
    }
}

/// The names that `const` or `enum` allows, if all its values are texts or null.
pub(super) fn names(rules: &Map<String, Json>) -> Option<Vec<&str>> {
    let allowed = allowed(rules)?;
    let is_name = |value: &&Json| value.is_string() || value.is_null();
    allowed
        .iter()
        .all(is_name)
        .then(|| allowed.iter().filter_map(|value| value.as_str()).collect())
}
