//! Which of several routes is found, by example.

use super::*;

#[test]
fn no_route_matches_nothing() {
    assert_eq!(find(&table(vec![]), "a", "/"), None);
}

#[test]
fn a_prefix_means_whole_segments() {
    let table = table(vec![on(&[], prefix("/a"))]);
    for (path, expected) in [
        ("/a", Some(0)),
        ("/a/", Some(0)),
        ("/a/b", Some(0)),
        ("/a?x", Some(0)),
        ("/ab", None),
        ("/", None),
    ] {
        assert_eq!(find(&table, "h", path), expected, "{path}");
    }
}

#[test]
fn the_longest_prefix_wins_whatever_the_order() {
    let table = table(vec![
        on(&[], prefix("/")),
        on(&[], prefix("/a/b")),
        on(&[], prefix("/a")),
        on(&[], prefix("/a/b/c/d")),
    ]);
    for (path, expected) in [
        ("/", 0),
        ("/x", 0),
        ("/a", 2),
        ("/a/bc", 2),
        ("/a/b", 1),
        ("/a/b/c", 1),
        ("/a/b/c/d/e", 3),
        ("/a/b/c/de", 1),
    ] {
        assert_eq!(find(&table, "h", path), Some(expected), "{path}");
    }
}

#[test]
fn exact_beats_prefix_beats_regex_beats_any() {
    let table = table(vec![
        on(&[], PathMatch::Any),
        on(&[], regex("/a.*")),
        on(&[], prefix("/a/b")),
        on(&[], exact("/a/b/c")),
    ]);
    for (path, expected) in [
        ("/a/b/c", 3),
        ("/a/b/c/", 2),
        ("/a/b", 2),
        ("/abc", 1),
        ("/x", 0),
        ("*", 0),
    ] {
        assert_eq!(find(&table, "h", path), Some(expected), "{path}");
    }
}

#[test]
fn a_wildcard_matches_any_depth_below_its_name_and_not_the_name() {
    let table = table(vec![
        on(&["*.example.com"], PathMatch::Any),
        on(&["*.b.example.com"], PathMatch::Any),
        on(&["a.b.example.com"], PathMatch::Any),
    ]);
    for (authority, expected) in [
        ("x.example.com", Some(0)),
        ("x.y.z.example.com:8080", Some(0)),
        ("X.Example.COM", Some(0)),
        ("x.example.com.", Some(0)),
        ("example.com", None),
        (".example.com", None),
        ("badexample.com", None),
        ("c.b.example.com", Some(1)),
        ("b.example.com", Some(0)),
        ("a.b.example.com", Some(2)),
        ("[::1]:80", None),
    ] {
        assert_eq!(find(&table, authority, "/"), expected, "{authority}");
    }
}

#[test]
fn an_address_is_a_host_with_or_without_its_port() {
    let table = table(vec![on(&["127.0.0.1"], PathMatch::Any), on(&["[::1]"], PathMatch::Any)]);
    for (authority, expected) in [
        ("127.0.0.1:80", 0),
        ("127.0.0.1", 0),
        ("[::1]:80", 1),
        ("[::1]", 1),
        ("[0:0:0:0:0:0:0:1]", 1),
        ("[0::1]:8080", 1),
        ("[::0001]", 1),
    ] {
        assert_eq!(find(&table, authority, "/"), Some(expected), "{authority}");
    }
}

#[test]
fn a_host_outweighs_every_path_but_falls_back_when_its_paths_do_not_match() {
    let table = table(vec![
        on(&[], exact("/a")),
        on(&["*.h"], prefix("/a")),
        on(&["x.h"], prefix("/")),
    ]);
    assert_eq!(find(&table, "x.h", "/a"), Some(2));
    assert_eq!(find(&table, "y.h", "/a"), Some(1));
    assert_eq!(find(&table, "y.h", "/b"), None);
    assert_eq!(find(&table, "z", "/a"), Some(0));
}

#[test]
fn an_overlong_host_matches_only_routes_for_any_host() {
    let long = format!("{}.example.com", "a.".repeat(500));
    let table = table(vec![on(&["*.example.com"], PathMatch::Any), on(&[], prefix("/"))]);
    assert_eq!(find(&table, &long, "/"), Some(1));
}

#[test]
fn methods_then_headers_then_parameters_then_the_files_order() {
    let header = |name: &'static str| (HeaderName::from_static(name), ValueMatch::Present);
    let parameter = |name: &str| (name.to_owned(), ValueMatch::Present);
    let table = table(vec![
        Match { ..Match::default() },
        Match {
            query: vec![parameter("q")],
            ..Match::default()
        },
        Match {
            headers: vec![header("x")],
            ..Match::default()
        },
        Match {
            headers: vec![header("x"), header("y")],
            ..Match::default()
        },
        Match {
            methods: vec![Method::POST, Method::PUT],
            ..Match::default()
        },
        Match { ..Match::default() },
    ]);
    let with = |method: &str, path: &str, fields: &[&'static str]| {
        let mut request = request(method, "h", path);
        for name in fields {
            request.headers.insert(*name, HeaderValue::from_static("1"));
        }
        table.find(&request, "web").unwrap().0
    };
    assert_eq!(with("GET", "/", &[]), 0);
    assert_eq!(with("GET", "/?q", &[]), 1);
    assert_eq!(with("GET", "/?q", &["x"]), 2);
    assert_eq!(with("GET", "/?q", &["x", "y"]), 3);
    assert_eq!(with("PUT", "/?q", &["x", "y"]), 4);
}

#[test]
fn values_are_compared_completely_and_parameters_decoded() {
    let holds = |name: &str, value: ValueMatch, path: &str| {
        find(
            &table(vec![Match {
                query: vec![(name.into(), value)],
                ..Match::default()
            }]),
            "h",
            path,
        )
        .is_some()
    };
    let is = |text: &str| ValueMatch::Exact(text.into());
    assert!(holds("a b", is("c&d"), "/?x=1&a+b=c%26d"));
    assert!(holds("a", is(""), "/?a"));
    assert!(holds("a", is("1"), "/?a=1&a=2"));
    assert!(!holds("a", is("2"), "/?a=1&a=2"));
    assert!(!holds("a", is("1"), "/?ab=1"));
    assert!(holds("a", is("%zz"), "/?a=%zz"));
    assert!(holds("a", ValueMatch::Regex(Regex::new("^v[0-9]$").unwrap()), "/?a=v1"));
    assert!(!holds("a", ValueMatch::Present, "/"));
}

#[test]
fn one_of_several_header_lines_is_enough() {
    let table = table(vec![Match {
        headers: vec![(HeaderName::from_static("x"), ValueMatch::Exact("b".into()))],
        ..Match::default()
    }]);
    let mut request = request("GET", "h", "/");
    request.headers.append("x", HeaderValue::from_static("a"));
    assert_eq!(table.find(&request, "web"), None);
    request.headers.append("x", HeaderValue::from_static("b"));
    assert_eq!(table.find(&request, "web"), Some(RouteIndex(0)));
}

#[test]
fn a_higher_priority_comes_before_every_condition() {
    let regex = |priority| Match {
        priority,
        ..on(&[], regex("/users/[0-9]+"))
    };
    let table = |first: Match| table(vec![on(&["h"], exact("/users/7")), on(&[], prefix("/")), first]);
    assert_eq!(find(&table(regex(0)), "h", "/users/7"), Some(0));
    assert_eq!(
        find(&table(regex(0)), "x", "/users/7"),
        Some(1),
        "a prefix comes before an expression"
    );
    assert_eq!(find(&table(regex(1)), "h", "/users/7"), Some(2));
    assert_eq!(find(&table(regex(1)), "x", "/users/x"), Some(1));
    assert_eq!(find(&table(regex(-1)), "x", "/users/7"), Some(1));
}

#[test]
fn a_route_with_a_listener_or_a_scheme_takes_only_its_requests_and_comes_first() {
    let all = on(&[], prefix("/"));
    let table = table(vec![
        all.clone(),
        Match {
            listeners: vec!["internal".into(), "admin".into()],
            ..all.clone()
        },
        Match {
            scheme: Some(Scheme::Https),
            ..all
        },
    ]);
    let find = |listener: &str, scheme| {
        let request = RequestHead {
            scheme,
            ..request("GET", "h", "/a")
        };
        table.find(&request, listener).unwrap().0
    };
    assert_eq!(find("web", Scheme::Http), 0);
    assert_eq!(find("web", Scheme::Https), 2);
    assert_eq!(find("internal", Scheme::Http), 1);
    assert_eq!(find("admin", Scheme::Https), 1, "a listener counts more than a scheme");
}
