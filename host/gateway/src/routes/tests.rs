//! Precedence by example, and by property against a reference that looks at every route.

use std::cmp::Reverse;

use http::{HeaderMap, HeaderName, HeaderValue, Method};
use lockgate_config::model::{HostPattern, Match, PathMatch, Route, UpstreamIndex, ValueMatch};
use lockgate_sandbox::exchange::{RequestHead, Scheme};
use proptest::prelude::*;
use proptest::sample::select;
use regex::Regex;

use super::{RouteIndex, RouteTable};

fn table(matches: Vec<Match>) -> RouteTable {
    RouteTable::new(&routes(matches))
}

fn routes(matches: Vec<Match>) -> Vec<Route> {
    let route = |(order, matches)| Route {
        name: format!("r{order}").into(),
        matches,
        chain: vec![],
        upstream: UpstreamIndex(0),
        timeout: None,
        rewrite: None,
        order,
    };
    matches.into_iter().enumerate().map(route).collect()
}

fn request(method: &str, authority: &str, path: &str) -> RequestHead {
    RequestHead {
        method: method.parse().unwrap(),
        path: path.parse().unwrap(),
        authority: HeaderValue::from_str(authority).unwrap(),
        scheme: Scheme::Http,
        headers: HeaderMap::new(),
    }
}

fn find(table: &RouteTable, authority: &str, path: &str) -> Option<usize> {
    table.find(&request("GET", authority, path)).map(|index| index.0)
}

fn host(pattern: &str) -> HostPattern {
    match pattern.strip_prefix('*') {
        Some(suffix) => HostPattern::Wildcard(suffix.into()),
        None => HostPattern::Exact(pattern.into()),
    }
}

fn on(hosts: &[&str], path: PathMatch) -> Match {
    Match {
        hosts: hosts.iter().copied().map(host).collect(),
        path,
        ..Match::default()
    }
}

fn exact(path: &str) -> PathMatch {
    PathMatch::Exact(path.into())
}

fn prefix(path: &str) -> PathMatch {
    PathMatch::Prefix(path.into())
}

fn regex(expression: &str) -> PathMatch {
    PathMatch::Regex(Regex::new(&format!("^(?:{expression})$")).unwrap())
}

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
    for (authority, expected) in [("127.0.0.1:80", 0), ("127.0.0.1", 0), ("[::1]:80", 1), ("[::1]", 1)] {
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
fn a_host_longer_than_any_is_only_served_by_routes_for_every_host() {
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
        table.find(&request).unwrap().0
    };
    assert_eq!(with("GET", "/", &[]), 0);
    assert_eq!(with("GET", "/?q", &[]), 1);
    assert_eq!(with("GET", "/?q", &["x"]), 2);
    assert_eq!(with("GET", "/?q", &["x", "y"]), 3);
    assert_eq!(with("PUT", "/?q", &["x", "y"]), 4);
}

#[test]
fn values_are_compared_whole_and_parameters_decoded() {
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
    assert_eq!(table.find(&request), None);
    request.headers.append("x", HeaderValue::from_static("b"));
    assert_eq!(table.find(&request), Some(RouteIndex(0)));
}

/// Precedence as the contract words it, by looking at every route.
fn reference(routes: &[Route], request: &RequestHead) -> Option<usize> {
    let candidates = routes.iter().enumerate().filter_map(|(index, route)| {
        let m = &route.matches;
        let authority = request.authority.to_str().unwrap().to_lowercase();
        let name = authority.split(':').next().unwrap();
        let host = m.hosts.iter().filter_map(|pattern| match pattern {
            HostPattern::Exact(host) => (host == name).then_some((2, host.len())),
            HostPattern::Wildcard(suffix) => {
                (name.ends_with(suffix.as_str()) && name.len() > suffix.len()).then_some((1, suffix.len()))
            }
        });
        let host = if m.hosts.is_empty() { (0, 0) } else { host.max()? };
        let path = request.path.path();
        let path = match &m.path {
            PathMatch::Exact(exact) => (path == exact).then_some((3, 0))?,
            PathMatch::Prefix(prefix) => {
                let segments = |text: &str| {
                    text.split('/')
                        .filter(|s| !s.is_empty())
                        .map(str::to_owned)
                        .collect::<Vec<_>>()
                };
                segments(path)
                    .starts_with(&segments(prefix))
                    .then_some((2, prefix.len()))?
            }
            PathMatch::Regex(regex) => regex.is_match(path).then_some((1, 0))?,
            PathMatch::Any => (0, 0),
        };
        if !(m.methods.is_empty() || m.methods.contains(&request.method)) {
            return None;
        }
        if !m.headers.iter().all(|(name, _)| request.headers.contains_key(name)) {
            return None;
        }
        let query: Vec<_> = request.path.query().unwrap_or("").split('&').collect();
        if !m.query.iter().all(|(name, _)| query.contains(&name.as_str())) {
            return None;
        }
        let rest = (
            !m.methods.is_empty(),
            m.headers.len(),
            m.query.len(),
            Reverse(route.order),
        );
        Some(((host, path, rest), index))
    });
    candidates.max().map(|(_, index)| index)
}

fn some_path() -> impl Strategy<Value = String> {
    proptest::collection::vec(select(vec!["a", "b", "ab", "c"]), 0..5)
        .prop_map(|segments| format!("/{}", segments.join("/")))
}

fn some_host() -> impl Strategy<Value = String> {
    proptest::collection::vec(select(vec!["a", "b"]), 1..5).prop_map(|labels| labels.join("."))
}

fn some_match() -> impl Strategy<Value = Match> {
    let host = (some_host(), any::<bool>()).prop_map(|(host, wild)| match wild {
        true => HostPattern::Wildcard(format!(".{host}")),
        false => HostPattern::Exact(host),
    });
    let path = prop_oneof![
        Just(PathMatch::Any),
        some_path().prop_map(PathMatch::Exact),
        some_path().prop_map(PathMatch::Prefix),
        select(vec!["/a/?.*", "/b.*", ".*c", "/.*/a"]).prop_map(regex),
    ];
    let names = |from: Vec<&'static str>| proptest::sample::subsequence(from, 0..=2);
    let hosts = proptest::collection::vec(host, 0..3);
    (
        hosts,
        path,
        names(vec!["GET", "PUT"]),
        names(vec!["x", "y"]),
        names(vec!["p", "q"]),
    )
        .prop_map(|(hosts, path, methods, headers, query)| Match {
            hosts,
            path,
            methods: methods.iter().map(|method| method.parse().unwrap()).collect(),
            headers: headers
                .iter()
                .map(|name| (HeaderName::from_static(name), ValueMatch::Present))
                .collect(),
            query: query
                .iter()
                .map(|name| ((*name).to_owned(), ValueMatch::Present))
                .collect(),
        })
}

fn some_request() -> impl Strategy<Value = RequestHead> {
    let names = |from: Vec<&'static str>| proptest::sample::subsequence(from, 0..=2);
    (
        some_host(),
        some_path(),
        select(vec!["GET", "PUT", "POST"]),
        names(vec!["x", "y"]),
        names(vec!["p", "q"]),
    )
        .prop_map(|(host, path, method, headers, query)| {
            let mut request = request(method, &host, &format!("{path}?{}", query.join("&")));
            for name in headers {
                request.headers.insert(name, HeaderValue::from_static("1"));
            }
            request
        })
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(2048))]

    #[test]
    fn the_table_finds_what_looking_at_every_route_finds(
        matches in proptest::collection::vec(some_match(), 0..24),
        requests in proptest::collection::vec(some_request(), 1..12),
    ) {
        let routes = routes(matches);
        let table = RouteTable::new(&routes);
        for request in &requests {
            prop_assert_eq!(table.find(request).map(|index| index.0), reference(&routes, request), "{:?}", request);
        }
    }
}

/// Prints nanoseconds per look-up for tables of growing size; run it with `--ignored --nocapture` in release.
#[test]
#[ignore = "a measurement, not a promise: machines differ"]
fn cost_by_number_of_routes() {
    for count in [10, 100, 1_000, 10_000] {
        let shapes: [fn(usize) -> Match; 3] = [
            |i| on(&[], prefix(&format!("/service-{i}/v1"))),
            |i| on(&[], exact(&format!("/service-{i}/v1/items"))),
            |i| on(&[&format!("service-{i}.example.com")], prefix("/v1")),
        ];
        let costs = shapes.map(|shape| {
            let table = table((0..count).map(shape).collect());
            let request = |i| {
                let mut request = request(
                    "GET",
                    &format!("service-{i}.example.com"),
                    &format!("/service-{i}/v1/items"),
                );
                if table.find(&request).is_none() {
                    request.path = "/v1/items".parse().unwrap();
                }
                request
            };
            // The same ten requests whatever the size, so that the machine's caches are not what is measured.
            let requests: Vec<_> = (0..10).map(|i| request(i * count / 10)).collect();
            let rounds = 200_000;
            let start = std::time::Instant::now();
            for _ in 0..rounds {
                for request in &requests {
                    assert!(std::hint::black_box(table.find(std::hint::black_box(request))).is_some());
                }
            }
            start.elapsed().as_nanos() as f64 / f64::from(rounds * 10)
        });
        println!(
            "{count:>6} routes: prefix {:.0} ns, exact {:.0} ns, host and prefix {:.0} ns",
            costs[0], costs[1], costs[2]
        );
    }
}
