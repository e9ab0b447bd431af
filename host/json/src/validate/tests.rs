//! The validator against schemas of all kinds. The crate that makes the schema of gateway.json tests it with that one.

use lockgate_units::{Period, Size};

use super::*;
use crate::mistake::Mistakes;
use crate::reader;

const FORMATS: &[Format] = &[
    Format {
        name: "lockgate-duration",
        noun: "a duration",
        expected: Period::EXPECTED,
        parse: |text| text.parse::<Period>().ok().map(|period| period.0.as_nanos()),
        hint_for_number: |number| format!("write \"{number}s\""),
    },
    Format {
        name: "lockgate-size",
        noun: "a size",
        expected: Size::EXPECTED,
        parse: |text| text.parse::<Size>().ok().map(|size| size.bytes().into()),
        hint_for_number: |number| format!("write \"{number}B\""),
    },
];

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
fn of_several_branches_the_intended_one_is_reported() {
    let schema = serde_json::json!({ "anyOf": [
        { "type": "string", "enum": ["on", "off"] },
        { "type": "object", "properties": { "n": { "type": "integer", "minimum": 1 } }, "additionalProperties": false },
        { "type": "null" }
    ]});
    for (text, told) in [
        ("\"on\"", None),
        ("null", None),
        ("{\"n\": 3}", None),
        ("{\"n\": 0}", Some("/n||a whole number of at least 1")),
        ("{\"m\": 0}", Some("/m|unknown key \"m\"|\"n\"")),
        ("\"of\"", Some("||one of \"on\", \"off\"")),
        ("7", Some("||one of \"on\", \"off\" or an object")),
    ] {
        assert_eq!(mistakes(text, &schema).first().map(String::as_str), told, "{text}");
    }
}

/// The first mistake in `text`, as `pointer|message|expected`.
fn first(text: &str, schema: &Json) -> Option<String> {
    mistakes(text, schema).into_iter().next()
}

#[test]
fn keywords_beyond_those_of_our_own_schema_are_checked() {
    let cases = [
        (r#"{ "allOf": [ { "minimum": 2 }, { "maximum": 4 } ] }"#, "3", "5"),
        (r#"{ "oneOf": [ { "type": "integer" }, { "minimum": 2 } ] }"#, "1", "3"),
        (r#"{ "not": { "const": 3 } }"#, "4", "3"),
        (
            r#"{ "if": { "type": "string" }, "then": { "minLength": 2 }, "else": { "minimum": 7 } }"#,
            "\"ab\"",
            "\"a\"",
        ),
        (
            r#"{ "if": { "type": "string" }, "then": { "minLength": 2 }, "else": { "minimum": 7 } }"#,
            "7",
            "6",
        ),
        (
            r#"{ "patternProperties": { "^x-": { "type": "integer" } }, "additionalProperties": false }"#,
            r#"{"x-a":1}"#,
            r#"{"x-a":""}"#,
        ),
        (
            r#"{ "patternProperties": { "^x-": {} }, "additionalProperties": false }"#,
            r#"{"x-a":1}"#,
            r#"{"y":1}"#,
        ),
        (
            r#"{ "propertyNames": { "pattern": "^[a-z]+$" } }"#,
            r#"{"a":1}"#,
            r#"{"A":1}"#,
        ),
        (
            r#"{ "dependentRequired": { "a": ["b"] } }"#,
            r#"{"a":1,"b":1}"#,
            r#"{"a":1}"#,
        ),
        (r#"{ "maxProperties": 1 }"#, r#"{"a":1}"#, r#"{"a":1,"b":1}"#),
        (
            r#"{ "prefixItems": [ { "type": "string" } ], "items": { "type": "integer" } }"#,
            r#"["a",1]"#,
            r#"["a","b"]"#,
        ),
        (
            r#"{ "items": { "type": "integer" }, "maxItems": 2, "uniqueItems": true }"#,
            "[1,2]",
            "[1,1]",
        ),
        (r#"{ "maxItems": 2 }"#, "[1,2]", "[1,2,3]"),
        (r#"{ "exclusiveMinimum": 1, "exclusiveMaximum": 2 }"#, "1.5", "2"),
        (r#"{ "multipleOf": 0.1 }"#, "0.3", "0.35"),
        (r#"{ "enum": [1, null, ["a", {"b": 2.0}]] }"#, r#"["a",{"b":2}]"#, "2"),
        (r#"{ "const": { "a": 1 } }"#, r#"{"a":1.0}"#, r#"{"a":2}"#),
        (r#"{ "properties": { "a": false } }"#, "{}", r#"{"a":1}"#),
        (
            r##"{ "$defs": { "n": { "type": "integer" } }, "items": { "$ref": "#/$defs/n", "minimum": 3 } }"##,
            "[3]",
            "[2]",
        ),
        (
            r#"{ "type": "string", "format": "lockgate-duration", "formatMinimum": "1s", "formatMaximum": "1h" }"#,
            "\"5s\"",
            "\"2h\"",
        ),
        (
            r#"{ "format": "lockgate-size", "formatMaximum": "1MiB" }"#,
            "\"64KiB\"",
            "\"2MiB\"",
        ),
        (
            r#"{ "anyOf": [ { "format": "ipv4" }, { "format": "ipv6" } ] }"#,
            "\"::1\"",
            "\"::x\"",
        ),
        (
            r#"{ "unevaluatedProperties": false, "contains": { "const": 1 } }"#,
            "[2]",
            "impossible",
        ),
    ];
    for (schema, good, bad) in cases {
        let schema: Json = serde_json::from_str(schema).unwrap();
        assert_eq!(first(good, &schema), None, "{schema} allows {good}");
        if bad != "impossible" {
            assert!(first(bad, &schema).is_some(), "{schema} refuses {bad}");
        }
    }
}

#[test]
fn a_format_bounds_its_amounts_and_hints_at_the_unit_of_a_bare_number() {
    let bounded = serde_json::json!({ "format": "lockgate-duration", "formatMinimum": "1s", "formatMaximum": "1h" });
    for (text, mistake) in [
        ("\"60m\"", None),
        ("\"61m\"", Some("||a duration from 1s to 1h")),
        (
            "\"5\"",
            Some("||a duration with its unit, like \"250ms\", \"5s\" or \"3m\""),
        ),
    ] {
        assert_eq!(first(text, &bounded).as_deref(), mistake, "{text}");
    }
    let titled = serde_json::json!({ "type": "string", "title": Period::EXPECTED });
    let root = reader::read("5", &mut Mistakes::default()).unwrap();
    let hints: Vec<_> = validate(&root, &titled, FORMATS)
        .into_iter()
        .map(|mistake| mistake.hint)
        .collect();
    assert_eq!(hints, [Some("write \"5s\"".to_owned())]);
}

#[test]
fn of_tagged_objects_the_named_one_is_reported() {
    let tagged = |name: &str, key: &str| {
        serde_json::json!({ "type": "object", "required": ["kind", key], "additionalProperties": false,
            "properties": { "kind": { "const": name }, key: { "type": "integer" } } })
    };
    let schema =
        serde_json::json!({ "oneOf": [tagged("fixed", "size"), tagged("sliding", "window"), { "type": "null" }] });
    for (text, told) in [
        (r#"{ "kind": "fixed", "size": 1 }"#, None),
        ("null", None),
        (r#"{ "kind": "fixed", "size": "x" }"#, Some("/size||a whole number")),
        (
            r#"{ "kind": "slding", "window": 1 }"#,
            Some("/kind||one of \"fixed\", \"sliding\""),
        ),
        (
            r#"{ "window": 1 }"#,
            Some("|the key \"kind\" is missing|one of \"fixed\", \"sliding\""),
        ),
        (
            r#"{ "kind": "sliding", "windw": 1 }"#,
            Some("/windw|unknown key \"windw\"|\"kind\" or \"window\""),
        ),
    ] {
        assert_eq!(first(text, &schema).as_deref(), told, "{text}");
    }
}

#[test]
fn of_objects_with_one_key_each_the_one_with_that_key_is_reported() {
    let named = |name: &str| {
        serde_json::json!({ "type": "object", "required": [name], "additionalProperties": false,
            "properties": { name: { "type": "string" } } })
    };
    let schema = serde_json::json!({ "oneOf": [{ "enum": ["body"] }, named("header"), named("cookie")] });
    assert_eq!(first("\"body\"", &schema), None);
    assert_eq!(
        first(r#"{ "cookie": 1 }"#, &schema).as_deref(),
        Some("/cookie||a string")
    );
    assert_eq!(first("\"boby\"", &schema).as_deref(), Some("||\"body\""));
    assert_eq!(first("7", &schema).as_deref(), Some("||\"body\" or an object"));
}

#[test]
fn a_schema_that_takes_too_much_work_is_given_up() {
    let node = reader::read("{\"a\": [1, 2, 3]}", &mut Mistakes::default()).unwrap();
    for schema in [
        serde_json::json!({ "$ref": "#" }),
        serde_json::json!({ "anyOf": [{ "$ref": "#" }, { "$ref": "#" }] }),
    ] {
        assert_eq!(
            validate_at(&node, &Pointer::root(), &schema, &[]),
            Err(TooMuchWork),
            "{schema}"
        );
    }
    let nested = (0..30).fold("a".to_owned(), |pattern, _| format!("({pattern}){{1,50}}"));
    let schema = serde_json::json!({ "properties": { "a": { "items": { "pattern": nested } } } });
    assert_eq!(
        validate_at(&node, &Pointer::root(), &schema, &[]),
        Ok(Vec::new()),
        "a pattern that is too large is ignored"
    );
}
