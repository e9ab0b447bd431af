//! The reader against mistakes that people make, and against `serde_json` on everything else.

use proptest::prelude::*;

use super::*;
use crate::mistake::Anchor;

fn syntax_error(text: &str) -> (usize, String) {
    let mistake = read(text, &mut Mistakes::default())
        .err()
        .unwrap_or_else(|| panic!("accepted: {text}"));
    let Mistake {
        anchor,
        message,
        expected,
        hint,
        ..
    } = mistake;
    let Anchor::Byte(at) = anchor else {
        panic!("no byte: {anchor:?}")
    };
    (
        at,
        [message, expected, hint]
            .into_iter()
            .flatten()
            .collect::<Vec<_>>()
            .join(" | "),
    )
}

#[test]
fn a_syntax_error_has_its_position_and_says_what_was_expected() {
    for (text, at, expected) in [
        ("", 0, "found the end of the file | a value"),
        ("{\"a\": 1,}", 8, "remove the comma before the closing bracket"),
        ("[1,]", 3, "remove the comma before the closing bracket"),
        ("[1 2]", 3, "found '2' | a comma or \"]\""),
        ("{\"a\" 1}", 5, "a colon after the key \"a\""),
        ("{a: 1}", 1, "a key in double quotes"),
        ("{'a': 1}", 1, "JSON knows only double quotes"),
        ("[1, // one\n2]", 4, "JSON has no comments"),
        ("\n{\"a\": [1,\n2\n", 13, "the \"[\" in line 2 is not closed"),
        ("{\"a\": \"b\n\"}", 6, "unclosed string"),
        ("[tru]", 1, "found tru | a value | put text in double quotes"),
        ("[01]", 1, "digits without a leading zero"),
        ("[1.]", 3, "a digit after the decimal point"),
        ("[1e+]", 4, "a digit in the exponent"),
        ("[1e999]", 1, "too large"),
        ("[\"\\x\"]", 2, "unknown escape"),
        ("[\"\\ud800\"]", 2, "surrogates in pairs"),
        ("[\"\\u00g0\"]", 2, "four hex digits"),
        ("[\"a\tb\"]", 3, "control character"),
        ("1 2", 2, "the end of the file"),
        ("[,1]", 1, "a value"),
    ] {
        let (found, message) = syntax_error(text);
        assert!(
            found == at && message.contains(expected),
            "{text:?}: {found}: {message}"
        );
    }
}

#[test]
fn a_duplicate_key_is_reported_at_its_second_position_and_reading_goes_on() {
    let mut mistakes = Mistakes::default();
    let node = read(r#"{"a": {"b": 1, "b": 2, "c": 3}, "a": 0}"#, &mut mistakes).unwrap();
    assert_eq!(node.to_json(), r#"{"a":{"b":1,"c":3}}"#);
    let found: Vec<_> = mistakes
        .0
        .iter()
        .map(|mistake| (mistake.pointer.as_str(), mistake.anchor))
        .collect();
    assert_eq!(found, [("/a/b", Anchor::Byte(15)), ("/a", Anchor::Byte(32))]);
}

#[test]
fn nesting_has_a_limit() {
    assert!(syntax_error(&"[".repeat(100_000)).1.contains("nested deeper"));
    let deep = format!("{}1{}", "[".repeat(100), "]".repeat(100));
    assert!(read(&deep, &mut Mistakes::default()).is_ok());
}

#[test]
fn a_byte_order_mark_is_skipped_and_numbers_stay_as_they_are_written() {
    let node = read(
        "\u{feff} [1.0, 1E2, 18446744073709551616, -0]",
        &mut Mistakes::default(),
    )
    .unwrap();
    assert_eq!(node.to_json(), "[1.0,1E2,18446744073709551616,-0]");
}

/// Any JSON value, without duplicate keys.
fn json() -> impl Strategy<Value = serde_json::Value> {
    let leaf = prop_oneof![
        Just(serde_json::Value::Null),
        any::<bool>().prop_map(Into::into),
        any::<i64>().prop_map(Into::into),
        any::<f64>().prop_map(Into::into),
        any::<String>().prop_map(Into::into),
    ];
    leaf.prop_recursive(4, 40, 5, |inner| {
        prop_oneof![
            prop::collection::vec(inner.clone(), 0..5).prop_map(Into::into),
            prop::collection::btree_map(any::<String>(), inner, 0..5)
                .prop_map(|map| serde_json::Value::Object(map.into_iter().collect())),
        ]
    })
}

proptest! {
    #[test]
    fn what_serde_json_writes_is_read_and_written_the_same(value in json()) {
        for text in [value.to_string(), serde_json::to_string_pretty(&value).unwrap()] {
            let mut mistakes = Mistakes::default();
            let node = read(&text, &mut mistakes).unwrap();
            prop_assert!(mistakes.0.is_empty());
            prop_assert_eq!(node.to_json(), value.to_string());
        }
    }

    #[test]
    fn reader_and_serde_json_agree_on_what_is_json(text in r#"[\[\]{}",:0-9eE.+\-tfn\\u a\n]{0,12}"#) {
        let ours = read(&text, &mut Mistakes::default()).map(|node| node.to_json());
        let theirs = serde_json::from_str::<serde_json::Value>(&text);
        prop_assert_eq!(ours.is_ok(), theirs.is_ok(), "{:?} / {:?}", ours, theirs);
    }
}
