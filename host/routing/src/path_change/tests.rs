//! Changes of paths: prefixes, expressions, and what no change may make.

use proptest::prelude::*;

use super::*;

fn target(text: &str) -> PathAndQuery {
    text.parse().unwrap()
}

fn regex_change(regex: &str, to: &str) -> Result<RegexChange, TemplateError> {
    RegexChange::new(Regex::new(regex).unwrap(), to)
}

fn changed(regex: &str, to: &str, path: &str) -> Option<String> {
    match regex_change(regex, to).unwrap().apply(path) {
        ChangedPath::Same => None,
        ChangedPath::Raw(path) => Some(path),
        ChangedPath::Normal(_) => panic!("an expression makes no normal path"),
    }
}

#[test]
fn a_prefix_is_replaced_in_whole_segments() {
    for (text, prefix, replacement, expected) in [
        ("/orders/7", "/orders", "/v1", Some("/v1/7")),
        ("/orders", "/orders", "/v1", Some("/v1")),
        ("/orders?x=1", "/orders", "/v1", Some("/v1?x=1")),
        ("/orders/", "/orders", "/v1", Some("/v1/")),
        ("/ordersX", "/orders", "/v1", None),
        ("/a", "/", "/v1", Some("/v1/a")),
        ("/", "/", "/v1", Some("/v1/")),
        ("/orders/7", "/orders", "/", Some("/7")),
        ("/orders", "/orders", "/", Some("/")),
        ("/orders?x", "/orders", "/", Some("/?x")),
        ("/x", "/", "/", Some("/x")),
    ] {
        let got = replace_prefix(&target(text), prefix, replacement);
        assert_eq!(
            got.as_ref().map(PathAndQuery::as_str),
            expected,
            "{text} {prefix} {replacement}"
        );
    }
}

#[test]
fn a_whole_path_is_replaced_and_the_query_is_kept() {
    for (text, expected) in [("/a/b", "/new"), ("/a?x=1&y", "/new?x=1&y"), ("/?", "/new?")] {
        let change = PathChange::Full("/new".to_owned());
        let got = change.apply(&target(text), &PathMatch::Any);
        assert_eq!(got, ChangedPath::Normal(target(expected)), "{text}");
    }
}

#[test]
fn matches_are_replaced_with_their_groups() {
    for (regex, to, path, expected) in [
        (
            "^/users/([0-9]+)/orders",
            "/orders/by-user/$1",
            "/users/7/orders/9",
            Some("/orders/by-user/7/9"),
        ),
        ("^/users/(?<id>[0-9]+)$", "/u/${id}x", "/users/7", Some("/u/7x")),
        ("^/(\\w+)/(\\w+)$", "/$2/$1", "/a/b", Some("/b/a")),
        ("^/(\\w+)/(\\w+)$", "/${2}0/$0", "/a/b", Some("/b0//a/b")),
        ("/old", "/new", "/old/old", Some("/new/new")),
        ("/(a)|/(b)", "/x$1$2", "/b", Some("/xb")),
        ("x", "$$1", "/x", Some("/$1")),
        (".*", "/all", "/a/b", Some("/all")),
        ("^/none", "/x", "/some", None),
        ("/Ä", "/x", "/%C3%84", None),
    ] {
        assert_eq!(changed(regex, to, path).as_deref(), expected, "{regex} {to} {path}");
    }
}

#[test]
fn a_replacement_that_can_never_be_right_is_refused() {
    use TemplateError::{Backslash, Character, Dollar, DotSegment, UnknownGroup};
    let unknown = |written: &str, meant: Option<&str>| UnknownGroup {
        written: written.to_owned(),
        meant: meant.map(str::to_owned),
    };
    for (to, error) in [
        ("/$2", unknown("$2", None)),
        ("/${id}", unknown("${id}", None)),
        ("/$1x", unknown("$1x", Some("${1}x"))),
        ("/$1_a/b", unknown("$1_a", Some("${1}_a"))),
        ("/$", Dollar),
        ("/$/x", Dollar),
        ("/${1", Dollar),
        ("/\\1", Backslash),
        ("/a b", Character(' ')),
        ("/a?b=$1", Character('?')),
        ("/a#$1", Character('#')),
        ("/ä", Character('ä')),
        ("/a\r\nb", Character('\r')),
        ("/../$1", DotSegment),
        ("/$1/.", DotSegment),
        ("/a/../b", DotSegment),
    ] {
        assert_eq!(regex_change("^/(.*)$", to).unwrap_err(), error, "{to}");
    }
    for to in ["/$1.", "/.$1", "/a..b", "/$1..", "", ".", "/%41$1", "//$1"] {
        assert!(regex_change("^/(.*)$", to).is_ok(), "{to}");
    }
}

#[test]
fn a_replacement_that_grows_without_end_is_cut() {
    let to = format!("/{}", "$0".repeat(1000));
    let made = changed("[a-z/]", &to, &"/a".repeat(4000)).unwrap();
    assert_eq!(made.len(), MAX_PATH + 1);
    assert!(PathAndQuery::try_from(made).is_err());
}

proptest! {
    #[test]
    fn what_an_expression_makes_is_what_the_library_makes(
        path in "/[a-c/.]{0,20}",
        regex in prop::sample::select(vec!["a", "(b+)", "^/(.)", "(a)|(b)", "c*", "/([^/]*)", "(?<x>.)c"]),
    ) {
        let compiled = Regex::new(regex).unwrap();
        let to = if compiled.captures_len() > 1 { "/x${1}y" } else { "/z" };
        let expected = compiled.replace_all(&path, to);
        match RegexChange::new(compiled.clone(), to).unwrap().apply(&path) {
            ChangedPath::Same => prop_assert!(!compiled.is_match(&path)),
            ChangedPath::Raw(made) => prop_assert_eq!(made, expected.into_owned()),
            ChangedPath::Normal(_) => prop_assert!(false),
        }
    }

    #[test]
    fn a_replaced_prefix_leaves_the_rest_and_stays_a_path(rest in "(/[a-z0-9]{1,5}){0,4}(\\?[a-z=&]{0,8})?") {
        let change = PathChange::Prefix("/new".to_owned());
        let got = change.apply(&target(&format!("/old{rest}")), &PathMatch::Prefix("/old".to_owned()));
        prop_assert_eq!(got, ChangedPath::Normal(target(&format!("/new{rest}"))));
    }
}
