//! Which route a request takes, seen from outside: precedence, path normalisation, chains.

use lockgate_tests::http::Request;
use lockgate_tests::{Gateway, Upstream, get, request};
use serde_json::{Value, json};

/// One upstream for each name; its body is the name.
fn named(names: &[&'static str]) -> (Vec<Upstream>, Value) {
    let upstreams: Vec<_> = names.iter().map(|name| Upstream::fixed(name)).collect();
    let entries = names.iter().zip(&upstreams).map(|(name, upstream)| {
        (
            name.to_string(),
            json!({ "endpoints": [upstream.address().to_string()] }),
        )
    });
    let config = Value::Object(entries.collect());
    (upstreams, config)
}

/// A route to the upstream of the same name.
fn route(name: &str, matches: Value) -> Value {
    json!({ "name": name, "match": matches, "upstream": name })
}

#[test]
fn the_more_specific_route_wins_whatever_the_order_in_the_file() {
    let routes = [
        ("any", json!({})),
        ("regex", json!({ "path_regex": "/orders/[0-9]+" })),
        ("prefix", json!({ "path_prefix": "/orders" })),
        ("longer", json!({ "path_prefix": "/orders/open" })),
        ("exact", json!({ "path": "/orders/open/today" })),
        ("method", json!({ "path_prefix": "/orders", "methods": ["DELETE"] })),
        (
            "header",
            json!({ "path_prefix": "/orders", "headers": { "x-version": "2" } }),
        ),
        (
            "headers",
            json!({ "path_prefix": "/orders", "headers": { "x-version": "2", "x-beta": { "present": true } } }),
        ),
        (
            "query",
            json!({ "path_prefix": "/orders", "query": { "debug": { "regex": "on|yes" } } }),
        ),
        ("wildcard", json!({ "hosts": ["*.example.com"] })),
        ("deeper", json!({ "hosts": ["*.eu.example.com"] })),
        ("host", json!({ "hosts": ["api.example.com"] })),
    ];
    let names: Vec<_> = routes.iter().map(|(name, _)| *name).collect();
    let (_upstreams, upstreams) = named(&names);
    let forwards: Vec<_> = routes
        .iter()
        .map(|(name, matches)| route(name, matches.clone()))
        .collect();
    let backwards: Vec<_> = forwards.iter().rev().cloned().collect();
    let asked: Vec<(Request, &str)> = vec![
        (get("/"), "any"),
        (get("/orders"), "prefix"),
        (get("/orders/"), "prefix"),
        (get("/orders/x"), "prefix"),
        (get("/ordersx"), "any"),
        (get("/orders/open"), "longer"),
        (get("/orders/open/x"), "longer"),
        (get("/orders/opened"), "prefix"),
        (get("/orders/open/today"), "exact"),
        (get("/orders/open/today/"), "longer"),
        (request("DELETE", "/orders/x"), "method"),
        (get("/orders/x").header("x-version", "2"), "header"),
        (get("/orders/x").header("x-version", "3"), "prefix"),
        (
            get("/orders/x").header("X-Version", "2").header("x-beta", "anything"),
            "headers",
        ),
        (get("/orders/x?debug=yes"), "query"),
        (get("/orders/x?debug=perhaps"), "prefix"),
        (
            request("DELETE", "/orders/x?debug=on").header("x-version", "2"),
            "method",
        ),
        (get("/orders").header("host", "api.example.com"), "host"),
        (get("/orders/open/today").header("host", "API.Example.com"), "host"),
        (get("/").header("host", "api.example.com:8080"), "host"),
        (get("/").header("host", "www.example.com"), "wildcard"),
        (get("/").header("host", "a.b.example.com"), "wildcard"),
        (get("/").header("host", "a.eu.example.com"), "deeper"),
        (get("/").header("host", "eu.example.com"), "wildcard"),
        (get("/").header("host", "example.com"), "any"),
        (get("/").header("host", "notexample.com"), "any"),
    ];
    for routes in [forwards, backwards] {
        let gateway = Gateway::start(json!({ "upstreams": upstreams, "routes": routes }));
        for (request, expected) in &asked {
            assert_eq!(
                gateway.send(request.clone()).text(),
                *expected,
                "{}",
                String::from_utf8_lossy(&request.bytes())
            );
        }
    }
}

#[test]
fn equals_are_taken_in_the_order_of_the_file() {
    let (_upstreams, upstreams) = named(&["one", "two"]);
    let gateway = Gateway::start(json!({
        "upstreams": upstreams,
        "routes": [ route("two", json!({ "path_prefix": "/a", "headers": { "x": "1" } })), route("one", json!({ "path_prefix": "/a", "headers": { "y": "1" } })) ],
    }));
    assert_eq!(gateway.send(get("/a").header("y", "1").header("x", "1")).text(), "two");
}

#[test]
fn a_regex_is_tried_only_where_no_prefix_fits() {
    let (_upstreams, upstreams) = named(&["regex", "prefix"]);
    let gateway = Gateway::start(json!({
        "upstreams": upstreams,
        "routes": [ route("regex", json!({ "path_regex": "/(a|b)/[0-9]+" })), route("prefix", json!({ "path_prefix": "/a" })) ],
    }));
    assert_eq!(gateway.get("/a/1").text(), "prefix");
    assert_eq!(gateway.get("/b/1").text(), "regex");
    assert_eq!(gateway.get("/b/x").status(), 404);
    assert_eq!(gateway.get("/b/1/more").status(), 404, "the whole path must match");
}

#[test]
fn no_route_is_404_as_a_problem_and_the_global_chain_has_run() {
    let upstream = Upstream::fixed("the answer");
    let gateway = Gateway::start(json!({
        "upstreams": { "app": { "endpoints": [upstream.address().to_string()] } },
        "plugins": { "tag": { "module": "tag" } },
        "global_chain": ["tag"],
        "routes": [ { "name": "one", "match": { "path": "/one" }, "upstream": "app" } ],
    }));
    let response = gateway.get("/two");
    assert_eq!(
        (response.status(), response.header("content-type")),
        (404, Some("application/problem+json"))
    );
    assert_eq!(response.header("x-tag"), Some("untagged"));
    assert_eq!(upstream.requests().len(), 0);
}

#[test]
fn paths_are_normal_before_they_are_matched_and_sent_on() {
    let upstream = Upstream::echo();
    let gateway = Gateway::start(json!({
        "upstreams": { "app": { "endpoints": [upstream.address().to_string()] } },
        "routes": [ { "name": "open", "match": { "path_prefix": "/open" }, "upstream": "app" } ],
    }));
    for (sent, seen) in [
        ("/open/a/../b", "/open/b"),
        ("/open/./a//b", "/open/a/b"),
        ("/closed/../open", "/open"),
        ("/%6fpen/%7euser", "/open/~user"),
        ("/open/%2e%2e/open/x", "/open/x"),
        ("/open/a%20b?q=%2F&r=a//b/../c", "/open/a%20b?q=%2F&r=a//b/../c"),
        ("/open/%e4%b8%ad", "/open/%E4%B8%AD"),
        ("/open/?", "/open/?"),
    ] {
        let response = gateway.get(sent);
        assert_eq!(response.status(), 200, "{sent}: {}", response.text());
        assert_eq!(
            response.json()["path"].as_str().map(str::to_uppercase),
            Some(seen.to_uppercase()),
            "{sent}"
        );
    }
    for sent in ["/open/../closed", "/open/%2e%2e/closed", "/../../etc/passwd"] {
        assert_eq!(gateway.get(sent).status(), 404, "{sent}");
    }
    let seen = upstream.requests().len();
    for sent in [
        "/open/a%2Fb",
        "/open/a%2fb",
        "/open/a%5Cb",
        "/open/a\\b",
        "/open/a%00b",
        "/open/%252e%252e/closed",
        "/open/%zz",
        "/open/%4",
        "/open/a%252Fb",
    ] {
        let response = gateway.get(sent);
        assert_eq!(
            (response.status(), response.header("content-type")),
            (400, Some("application/problem+json")),
            "{sent}"
        );
    }
    assert_eq!(upstream.requests().len(), seen, "none of these was sent on");
}

#[test]
fn escaped_slashes_stay_where_the_listener_keeps_them() {
    let upstream = Upstream::echo();
    let gateway = Gateway::start(json!({
        "listeners": { "web": { "escaped_slashes": "keep" } },
        "upstreams": { "app": { "endpoints": [upstream.address().to_string()] } },
    }));
    assert_eq!(gateway.get("/a%2Fb").json()["path"], "/a%2Fb");
}

#[test]
fn rewrite_replaces_the_matched_prefix() {
    let upstream = Upstream::echo();
    let gateway = Gateway::start(json!({
        "upstreams": { "app": { "endpoints": [upstream.address().to_string()] } },
        "routes": [
            { "name": "a", "match": { "path_prefix": "/orders" }, "upstream": "app", "rewrite": { "prefix": "/v1/o" } },
            { "name": "b", "match": { "path_prefix": "/bare" }, "upstream": "app", "rewrite": { "prefix": "/" } },
        ],
    }));
    for (sent, seen) in [
        ("/orders", "/v1/o"),
        ("/orders/1?x=/orders", "/v1/o/1?x=/orders"),
        ("/bare/x", "/x"),
        ("/bare", "/"),
        ("/bare?q", "/?q"),
    ] {
        assert_eq!(gateway.get(sent).json()["path"], seen, "{sent}");
    }
}

#[test]
fn chains_run_in_order_and_come_back_in_reverse() {
    let upstream = Upstream::fixed("the answer");
    let plugins = tempfile::tempdir().expect("a temporary folder can be made");
    std::fs::create_dir(plugins.path().join("plugins")).expect("the folder is writable");
    for name in ["one", "two", "three"] {
        lockgate_tests::gateway::install(
            &plugins.path().join("plugins"),
            name,
            &lockgate_tests::modules::tag(name),
        );
    }
    let gateway = Gateway::start_in(
        plugins,
        json!({
            "upstreams": { "app": { "endpoints": [upstream.address().to_string()] } },
            "plugins": { "one": { "module": "one" }, "two": { "module": "two" } },
            "chains": { "named": ["one", "two"] },
            "global_chain": ["two"],
            "routes": [
                { "name": "a", "match": { "path_prefix": "/a" }, "chain": "named", "upstream": "app" },
                { "name": "b", "match": { "path_prefix": "/b" }, "chain": ["two", { "module": "three" }, "one"], "upstream": "app" },
                { "name": "c", "match": { "path_prefix": "/c" }, "chain": [], "upstream": "app" },
            ],
        }),
    );
    // The tag is replaced by each plugin on the way back: the last to touch it is the first of the global chain.
    assert_eq!(gateway.get("/a").all("x-tag"), ["two"]);
    assert_eq!(gateway.get("/b").all("x-tag"), ["two"]);
    assert_eq!(gateway.get("/c").all("x-tag"), ["two"]);
    let seconds = gateway.metrics();
    for (plugin, times) in [("one", 2.0), ("two", 5.0)] {
        let count = seconds.sum(
            "lockgate_plugin_duration_seconds_count",
            &[("plugin", plugin), ("phase", "response_headers")],
        );
        assert_eq!(count, times, "{plugin}: {}", seconds.text());
    }
}

#[test]
fn thousands_of_routes_are_distinguished() {
    let upstream = Upstream::echo();
    let routes: Vec<_> = (0..5000)
        .map(|nth| json!({ "name": format!("r{nth}"), "match": { "path_prefix": format!("/r{nth}") }, "upstream": "app", "rewrite": { "prefix": format!("/to/{nth}") } }))
        .collect();
    let gateway = Gateway::start(
        json!({ "upstreams": { "app": { "endpoints": [upstream.address().to_string()] } }, "routes": routes }),
    );
    for nth in [0, 1, 499, 2500, 4999] {
        assert_eq!(
            gateway.get(&format!("/r{nth}/x")).json()["path"],
            format!("/to/{nth}/x")
        );
    }
    assert_eq!(gateway.get("/r5000").status(), 404);
}
