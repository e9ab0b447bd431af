//! What a normal path is, by example and by property.

use http::uri::PathAndQuery;
use proptest::prelude::*;

use super::{normalise, rewritten};
use crate::problem::Malformed;
use crate::settings::EscapedSlashes;
use crate::settings::EscapedSlashes::{Keep, Reject};

fn target(text: &str) -> PathAndQuery {
    text.parse().unwrap()
}

/// The normal form as text, also when nothing had to change.
fn normal(text: &str, escaped: EscapedSlashes) -> Result<String, Malformed> {
    let target = target(text);
    Ok(normalise(&target, escaped)?.unwrap_or(target).to_string())
}

#[test]
fn a_normal_path_is_left_alone() {
    for text in [
        "/",
        "/a",
        "/a/",
        "/a/b.c",
        "/.well-known/x",
        "/...",
        "/a/..b/.c",
        "/a;b=c,d/@!$&'()*+",
        "/a%20b",
        "/%C3%A9",
        "/a%25",
        "*",
    ] {
        assert!(normalise(&target(text), Reject).unwrap().is_none(), "{text}");
    }
}

#[test]
fn a_dot_segment_with_parameters_is_ambiguous() {
    for text in [
        "/x/..;/admin",
        "/..;x=1",
        "/.;/admin",
        "/x/.;a/b",
        "/x/%2e%2E;/admin",
        "/x/..%3b/admin",
        "/x/%2E.%3Bx/admin",
        "//..;",
    ] {
        assert_eq!(normal(text, Reject), Err(Malformed::AmbiguousPath), "{text}");
    }
    assert_eq!(normal("/x/..;/admin", Keep).as_deref(), Ok("/x/..;/admin"));
    for text in ["/...;x", "/a..;x", "/.a;x", "/a;../b", "/;/a"] {
        assert_eq!(normal(text, Reject).as_deref(), Ok(text), "{text}");
    }
}

#[test]
fn longer_forms_of_a_code_are_refused() {
    for text in [
        "/%C0%AF",
        "/%c0%ae%c0%ae/etc",
        "/a%C1%9Cb",
        "/%E0%80%AF",
        "/%e0%9f%bf",
        "/%F0%80%80%AF",
        "/%f0%8f%bf%bf",
    ] {
        assert_eq!(normal(text, Reject), Err(Malformed::AmbiguousPath), "{text}");
        assert!(normal(text, Keep).is_ok(), "{text}");
    }
    for text in ["/%C2%A9", "/%E0%A0%80", "/%F0%90%80%80", "/%E2%82%AC"] {
        assert!(normal(text, Reject).is_ok(), "{text}");
    }
}

#[test]
fn one_path_has_one_spelling() {
    for (text, expected) in [
        ("/a/./b", "/a/b"),
        ("/a/../b", "/b"),
        ("/a/b/../../..", "/"),
        ("/../../etc/passwd", "/etc/passwd"),
        ("/a/.", "/a/"),
        ("/a/..", "/"),
        ("/a/b/..", "/a/"),
        ("/.", "/"),
        ("/..", "/"),
        ("//", "/"),
        ("//a///b//", "/a/b/"),
        ("/a//../b", "/b"),
        ("/%61%2Db", "/a-b"),
        ("/%2e%2E/a", "/a"),
        ("/a/%2e/b", "/a/b"),
        ("/a/.%2e/b", "/b"),
        ("/%c3%a9", "/%C3%A9"),
        ("/é", "/%C3%A9"),
        ("/a/%7Euser", "/a/~user"),
        ("/a%3fb", "/a%3Fb"),
    ] {
        assert_eq!(normal(text, Reject).as_deref(), Ok(expected), "{text}");
    }
}

#[test]
fn the_query_is_not_touched() {
    assert_eq!(
        normal("/a/../b?x=/../%2F%2e//", Reject).as_deref(),
        Ok("/b?x=/../%2F%2e//")
    );
    assert_eq!(normal("/a?x=%zz", Reject).as_deref(), Ok("/a?x=%zz"));
}

#[test]
fn a_target_without_a_path_gets_one() {
    assert_eq!(normal("?x=1", Reject).as_deref(), Ok("/?x=1"));
}

#[test]
fn what_upstreams_read_differently_is_refused() {
    for text in [
        "/a%2Fb",
        "/a%2f..%2fb",
        "/a%5Cb",
        "/a%5cb",
        "/a%00",
        "/a\\b",
        "/%252e%252e/",
        "/%2541",
        "/%25%34%31",
        "/%25%341",
        "/%2%35",
    ] {
        let expected = if text == "/%2%35" {
            Malformed::Escape
        } else {
            Malformed::AmbiguousPath
        };
        assert_eq!(normal(text, Reject), Err(expected), "{text}");
    }
}

#[test]
fn a_listener_may_accept_escaped_slashes() {
    for (text, expected) in [
        ("/a%2fb", "/a%2Fb"),
        ("/a%5Cb", "/a%5Cb"),
        ("/a\\b", "/a\\b"),
        ("/%252e/./x", "/%252e/x"),
        ("/a/%2f../b", "/a/%2F../b"),
    ] {
        assert_eq!(normal(text, Keep).as_deref(), Ok(expected), "{text}");
    }
}

#[test]
fn a_malformed_escape_is_refused_everywhere() {
    for text in ["/%", "/%4", "/%4g", "/a%zz", "/%%41"] {
        assert_eq!(normal(text, Reject), Err(Malformed::Escape), "{text}");
        assert_eq!(normal(text, Keep), Err(Malformed::Escape), "{text}");
    }
}

/// Paths rich in what normalisation is about.
fn paths() -> impl Strategy<Value = String> {
    let pieces = proptest::sample::select(vec![
        "/", "/", "/", ".", "..", "a", "b", "%2e", "%2E", "%2f", "%5C", "\\", "%25", "%41", "%", "25", "2e", "é",
        "%c3%a9", "~", "%00", "?", ";",
    ]);
    proptest::collection::vec(pieces, 0..16).prop_map(|pieces| format!("/{}", pieces.concat()))
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(4096))]

    #[test]
    fn a_normal_path_stays_normal_and_is_unambiguous(text in paths(), keep in any::<bool>()) {
        let escaped = if keep { Keep } else { Reject };
        let Ok(once) = normal(&text, escaped) else { return Ok(()) };
        prop_assert_eq!(normal(&once, escaped), Ok(once.clone()));

        let path = once.split('?').next().unwrap();
        prop_assert!(path.starts_with('/') && path.is_ascii());
        prop_assert!(!path.contains("//"));
        prop_assert!(!path.split('/').any(|segment| segment == "." || segment == ".."));
        if !keep {
            let lower = path.to_lowercase();
            for forbidden in ["%2f", "%5c", "%00", "%2e", "\\"] {
                prop_assert!(!lower.contains(forbidden), "{}", path);
            }
        }
    }

    #[test]
    fn a_rejecting_listener_lets_through_only_what_decodes_once(text in paths()) {
        let Ok(once) = normal(&text, Reject) else { return Ok(()) };
        let path = once.split('?').next().unwrap();
        prop_assert_eq!(decode_all(&decode_all(path.as_bytes())), decode_all(path.as_bytes()));
    }

    #[test]
    fn the_query_never_changes(text in paths()) {
        let Ok(once) = normal(&text, Keep) else { return Ok(()) };
        prop_assert_eq!(once.split_once('?').map(|parts| parts.1), text.split_once('?').map(|parts| parts.1));
    }
}

/// A careless upstream's decoder: every escape, and what is none stays.
fn decode_all(path: &[u8]) -> Vec<u8> {
    let mut out = Vec::new();
    let mut at = 0;
    while at < path.len() {
        let byte = if path[at] == b'%' {
            super::escape_at(path, at)
        } else {
            None
        };
        out.push(byte.unwrap_or(path[at]));
        at += if byte.is_some() { 3 } else { 1 };
    }
    out
}

#[test]
fn a_rewritten_path_is_normal_or_refused() {
    for (path, expected) in [
        ("/a/b", Some("/a/b?q=/../x")),
        ("//a///b/", Some("/a/b/?q=/../x")),
        ("/%61%2d", Some("/a-?q=/../x")),
        ("/\u{e4}", Some("/%C3%A4?q=/../x")),
        ("/a..b/...", Some("/a..b/...?q=/../x")),
        ("", None),
        ("a", None),
        ("http://evil.example/", None),
        ("/a/../b", None),
        ("/..", None),
        ("/.", None),
        ("/a/%2e%2E/b", None),
        ("/a/..;x/b", None),
        ("/a%2Fb", None),
        ("/a\\b", None),
        ("/a%2541", None),
        ("/a%4", None),
        ("/a%zz", None),
        ("/a?b", None),
        ("/a#b", None),
        ("/a b", None),
        ("/a\r\nb", None),
    ] {
        let got = rewritten(path, Some("q=/../x"), Reject);
        assert_eq!(got.as_ref().ok().map(PathAndQuery::as_str), expected, "{path:?}");
        assert!(got.is_ok() || got == Err(Malformed::RewrittenPath));
    }
    assert_eq!(rewritten("/a%2Fb", None, Keep).unwrap().as_str(), "/a%2Fb");
    assert!(rewritten("/a/%2E%2e", None, Keep).is_err());
}

proptest! {
    #[test]
    fn a_rewritten_path_is_not_changed_by_another_normalisation(path in "[/a.;%0-9A-F\\\\ ?\u{e9}-]{0,24}") {
        if let Ok(made) = rewritten(&path, None, Reject) {
            prop_assert_eq!(normalise(&made, Reject), Ok(None));
            prop_assert!(!made.as_str().starts_with("//"));
        }
    }
}
