//! The schema of gateway.json, by the validator that checks gateway.json with it.

use lockgate_json::mistake::{Mistake, Mistakes};
use lockgate_json::reader;
use lockgate_json::validate::{KEYWORDS, validate};
use regex::Regex;
use serde_json::Value as Json;

use super::{schema, strict};
use crate::FORMATS;

fn mistakes(text: &str, schema: &Json) -> Vec<String> {
    let root = reader::read(text, &mut Mistakes::default()).unwrap();
    let shown = |mistake: Mistake| {
        let Mistake {
            pointer,
            message,
            expected,
            ..
        } = mistake;
        format!(
            "{pointer}|{}|{}",
            message.unwrap_or_default(),
            expected.unwrap_or_default()
        )
    };
    validate(&root, schema, FORMATS).into_iter().map(shown).collect()
}

#[test]
fn the_validator_knows_every_keyword_of_the_schema() {
    fn walk(schema: &Json, count: &mut usize) {
        for (key, value) in schema.as_object().into_iter().flatten() {
            assert!(
                KEYWORDS.contains(&key.as_str()),
                "the validator does not know \"{key}\": {schema}"
            );
            *count += 1;
            match (key.as_str(), value) {
                ("properties" | "$defs", Json::Object(inner)) => inner.values().for_each(|inner| walk(inner, count)),
                ("items" | "additionalProperties", inner) => walk(inner, count),
                ("anyOf" | "oneOf", Json::Array(inner)) => inner.iter().for_each(|inner| walk(inner, count)),
                _ => {}
            }
        }
    }
    let mut count = 0;
    walk(&schema(), &mut count);
    assert!(count > 300, "only {count} keywords were seen");
}

#[test]
fn every_reference_resolves_and_every_pattern_compiles() {
    let schema = schema();
    let text = schema.to_string();
    let references: Vec<&str> = text
        .split("\"$ref\":\"#")
        .skip(1)
        .filter_map(|rest| rest.split('"').next())
        .collect();
    assert!(references.len() > 10);
    for reference in references {
        assert!(schema.pointer(reference).is_some(), "{reference}");
    }
    fn patterns(schema: &Json) -> Vec<&str> {
        let inner = match schema {
            Json::Object(members) => members.values().flat_map(patterns).collect(),
            Json::Array(items) => items.iter().flat_map(patterns).collect(),
            _ => Vec::new(),
        };
        schema
            .get("pattern")
            .and_then(Json::as_str)
            .into_iter()
            .chain(inner)
            .collect()
    }
    let patterns = patterns(&schema);
    assert!(
        patterns.len() >= 3 && patterns.iter().all(|pattern| Regex::new(pattern).is_ok()),
        "{patterns:?}"
    );
}

#[test]
fn every_key_of_the_format_is_described() {
    fn walk(here: &str, schema: &Json) {
        for (name, property) in schema.get("properties").and_then(Json::as_object).into_iter().flatten() {
            assert!(
                property.get("description").is_some(),
                "{here}/{name} has no description"
            );
        }
        for (name, inner) in schema.get("$defs").and_then(Json::as_object).into_iter().flatten() {
            walk(name, inner);
        }
    }
    walk("", &schema());
}

#[test]
fn the_documented_example_is_valid_and_a_changed_one_is_not() {
    let schema = strict();
    let example = include_str!("../../tests/gateway.json");
    assert_eq!(mistakes(example, &schema), Vec::<String>::new());
    for key in ["listen", "endpoints", "module", "path_prefix", "deadline", "prefix"] {
        let changed = example.replacen(&format!("\"{key}\""), "\"zzzzzz\"", 1);
        assert!(
            mistakes(&changed, &schema)
                .iter()
                .any(|mistake| mistake.contains("unknown key")),
            "{key}"
        );
    }
}

#[test]
fn editors_accept_a_substitution_in_place_of_a_pattern() {
    let text = r#"{ "listeners": { "web": { "listen": "${env:LISTEN}" } }, "drain_timeout": "${env:DRAIN}",
        "upstreams": { "up": { "endpoints": [ "${env:HOST}:80", { "address": "${file:host}" } ] } } }"#;
    assert_eq!(mistakes(text, &schema()), Vec::<String>::new());
    assert!(
        mistakes(text, &strict())
            .iter()
            .any(|mistake| mistake.starts_with("/drain_timeout"))
    );
    let wrong = text.replace("${env:DRAIN}", "soon");
    assert!(
        mistakes(&wrong, &schema())
            .iter()
            .any(|mistake| mistake.starts_with("/drain_timeout"))
    );
}

#[test]
fn the_formats_of_plugins_and_cases_are_checked_with_their_bounds() {
    for (schema, valid, invalid, mistake) in [
        (
            r#"{ "format": "lockgate-duration", "formatMinimum": "1s", "formatMaximum": "1h" }"#,
            "\"60m\"",
            "\"2h\"",
            "||a duration from 1s to 1h",
        ),
        (
            r#"{ "format": "lockgate-size", "formatMaximum": "1MiB" }"#,
            "\"64KiB\"",
            "\"2MiB\"",
            "||a size of at most 1MiB",
        ),
    ] {
        let schema: Json = serde_json::from_str(schema).unwrap();
        assert_eq!(mistakes(valid, &schema), Vec::<String>::new());
        assert_eq!(mistakes(invalid, &schema), [mistake]);
    }
}
