//! The table finds what looking at every route finds, whatever the routes.

use super::*;

/// Precedence as the contract words it, by looking at every route.
fn reference(routes: &[Match], request: &RequestHead, listener: &str) -> Option<usize> {
    let candidates = routes.iter().enumerate().filter_map(|(index, m)| {
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
        if !(m.listeners.is_empty() || m.listeners.iter().any(|name| name == listener)) {
            return None;
        }
        if m.scheme.is_some_and(|scheme| scheme != request.scheme) {
            return None;
        }
        let query: Vec<_> = request.path.query().unwrap_or("").split('&').collect();
        if !m.query.iter().all(|(name, _)| query.contains(&name.as_str())) {
            return None;
        }
        let place = (!m.listeners.is_empty(), m.scheme.is_some());
        let rest = (!m.methods.is_empty(), m.headers.len(), m.query.len(), Reverse(index));
        Some(((m.priority, host, path, place, rest), index))
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
        (
            prop_oneof![4 => Just(0), 1 => -1..2],
            proptest::sample::subsequence(vec!["web", "internal"], 0..=1),
            some_scheme(),
        ),
    )
        .prop_map(|(hosts, path, methods, headers, query, place)| Match {
            priority: place.0,
            listeners: place.1.into_iter().map(str::to_owned).collect(),
            scheme: place.2,
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

fn some_scheme() -> impl Strategy<Value = Option<Scheme>> {
    select(vec![None, None, None, Some(Scheme::Http), Some(Scheme::Https)])
}

fn some_request() -> impl Strategy<Value = RequestHead> {
    let names = |from: Vec<&'static str>| proptest::sample::subsequence(from, 0..=2);
    (
        some_host(),
        some_path(),
        select(vec!["GET", "PUT", "POST"]),
        names(vec!["x", "y"]),
        names(vec!["p", "q"]),
        some_scheme(),
    )
        .prop_map(|(host, path, method, headers, query, scheme)| {
            let mut request = request(method, &host, &format!("{path}?{}", query.join("&")));
            request.scheme = scheme.unwrap_or(Scheme::Http);
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
        let table = RouteTable::new(&matches);
        for request in &requests {
            for listener in ["web", "other"] {
                let found = table.find(request, listener).map(|index| index.0);
                prop_assert_eq!(found, reference(&matches, request, listener), "{:?}", request);
            }
        }
    }

    #[test]
    fn no_request_reaches_a_route_that_is_called_unreachable(
        matches in proptest::collection::vec(some_match(), 0..8),
        requests in proptest::collection::vec(some_request(), 1..24),
    ) {
        let table = RouteTable::new(&matches);
        let unreachable = crate::unreachable::unreachable(&matches.iter().collect::<Vec<_>>());
        for request in &requests {
            for listener in ["web", "other"] {
                let found = table.find(request, listener).map(|index| index.0);
                prop_assert!(unreachable.iter().all(|(index, _)| Some(*index) != found), "{:?} {:?}", unreachable, request);
            }
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
                if table.find(&request, "web").is_none() {
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
                    assert!(std::hint::black_box(table.find(std::hint::black_box(request), "web")).is_some());
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
