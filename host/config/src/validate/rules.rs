//! Reads the keywords of one schema.

use serde_json::{Map, Value as Json};

/// A count that the rules set.
pub(super) fn bound(rules: &Map<String, Json>, key: &str) -> Option<u64> {
    rules.get(key)?.as_u64()
}

/// The text that a keyword carries.
pub(super) fn text<'a>(rules: &'a Map<String, Json>, key: &str) -> Option<&'a str> {
    rules.get(key)?.as_str()
}

/// The list that a keyword carries.
pub(super) fn list<'a>(rules: &'a Map<String, Json>, key: &str) -> Option<&'a [Json]> {
    rules.get(key)?.as_array().map(Vec::as_slice)
}

/// The words that are allowed here, if only words are.
pub(super) fn names(rules: &Map<String, Json>) -> Option<Vec<&str>> {
    match (rules.get("const"), list(rules, "enum")) {
        (Some(only), _) => only.as_str().map(|only| vec![only]),
        (None, Some(all)) => Some(all.iter().filter_map(Json::as_str).collect()),
        (None, None) => None,
    }
}
