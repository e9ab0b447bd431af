//! The schema of gateway.json, judged by the validator that judges gateway.json.

use lockgate_json::problem::{Problem, Problems};
use lockgate_json::reader;
use lockgate_json::validate::{KEYWORDS, validate};
use regex::Regex;
use serde_json::Value as Json;

use super::{schema, strict};

fn problems(text: &str, schema: &Json) -> Vec<String> {
    let root = reader::read(text, &mut Problems::default()).unwrap();
    let told = |problem: Problem| {
        let Problem {
            pointer,
            message,
            expected,
            ..
        } = problem;
        format!(
            "{pointer}|{}|{}",
            message.unwrap_or_default(),
            expected.unwrap_or_default()
        )
    };
    validate(&root, schema).into_iter().map(told).collect()
}

#[test]
fn schema_keywords_are_all_understood() {
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
fn every_reference_leads_somewhere_and_every_pattern_compiles() {
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
    assert_eq!(problems(example, &schema), Vec::<String>::new());
    for key in ["listen", "endpoints", "module", "path_prefix", "deadline", "prefix"] {
        let changed = example.replacen(&format!("\"{key}\""), "\"zzzzzz\"", 1);
        assert!(
            problems(&changed, &schema)
                .iter()
                .any(|told| told.contains("unknown key")),
            "{key}"
        );
    }
}

#[test]
fn editors_accept_a_substitution_where_the_loader_wants_a_shape() {
    let text = r#"{ "listeners": { "web": { "listen": "${env:LISTEN}" } }, "drain_timeout": "${env:DRAIN}",
        "upstreams": { "up": { "endpoints": [ "${env:HOST}:80", { "address": "${file:host}" } ] } } }"#;
    assert_eq!(problems(text, &schema()), Vec::<String>::new());
    assert!(
        problems(text, &strict())
            .iter()
            .any(|told| told.starts_with("/drain_timeout"))
    );
    let wrong = text.replace("${env:DRAIN}", "soon");
    assert!(
        problems(&wrong, &schema())
            .iter()
            .any(|told| told.starts_with("/drain_timeout"))
    );
}
