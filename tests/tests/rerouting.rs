//! A plugin that changes what decides the route, or calls `clear_route_cache`, has the route looked for again, but never past another
//! plugin.

use lockgate_tests::{Gateway, Upstream, get};
use serde_json::json;

fn gateway(one: &Upstream, two: &Upstream) -> Gateway {
    Gateway::start(json!({
        "upstreams": {
            "one": { "endpoints": [one.address().to_string()] },
            "two": { "endpoints": [two.address().to_string()] },
        },
        "plugins": { "raw": { "module": "raw" }, "tag": { "module": "tag" } },
        "routes": [
            { "name": "one", "match": { "path_prefix": "/one" }, "chain": ["raw"], "upstream": "one" },
            { "name": "two", "match": { "path_prefix": "/two" }, "chain": ["raw"], "upstream": "two",
              "rewrite": { "prefix": "/rewritten" } },
            { "name": "inner", "match": { "path_prefix": "/one", "headers": { "x-env": "inner" } }, "chain": ["raw"], "upstream": "two" },
            { "name": "method", "match": { "path_prefix": "/one", "methods": ["DELETE"] }, "chain": ["raw"], "upstream": "two" },
            { "name": "host", "match": { "path_prefix": "/one", "hosts": ["two.test"] }, "chain": ["raw"], "upstream": "two" },
            { "name": "guarded", "match": { "path_prefix": "/guarded" }, "chain": ["tag", "raw"], "upstream": "two" },
        ],
    }))
}

/// Sends a request to route `one` whose plugin makes its path another.
fn sent(gateway: &Gateway, path: &str, clear: &str) -> (u16, String) {
    let script = format!("@request_headers ; replace_header_map_value 0 ':path' '{path}' ; {clear}");
    let answer = gateway.send(get("/one/a").header("x-script", &script).header("x-token", "t"));
    (answer.status(), answer.text())
}

const CLEAR: &str = "call_foreign_function 'clear_route_cache' '' >text";

#[test]
fn a_changed_request_takes_another_route_on_a_plugins_request() {
    let (one, two) = (Upstream::fixed("one"), Upstream::fixed("two"));
    let gateway = gateway(&one, &two);
    for clear in ["", CLEAR] {
        assert_eq!(sent(&gateway, "/two/b", clear), (200, "two".to_string()));
        assert_eq!(
            two.last_request().target(),
            "/rewritten/b",
            "the other route's rewriting"
        );
        assert_eq!(sent(&gateway, "/nowhere", clear).0, 404);
    }
    assert!(one.requests().is_empty());
}

#[test]
fn whatever_decides_the_route_decides_it_anew() {
    let (one, two) = (Upstream::fixed("one"), Upstream::fixed("two"));
    let gateway = gateway(&one, &two);
    let sent = |request: lockgate_tests::http::Request, change: &str| {
        let script = format!("@request_headers ; {change}");
        gateway
            .send(request.header("x-script", &script).header("x-token", "t"))
            .text()
    };
    for change in [
        "add_header_map_value 0 'x-env' 'inner'",
        "replace_header_map_value 0 'x-env' 'inner'",
        "replace_header_map_value 0 ':method' 'DELETE'",
        "replace_header_map_value 0 ':authority' 'two.test'",
        "replace_header_map_value 0 'host' 'two.test'",
        "set_header_map_pairs 0 {:path=/two/c,x-a=b}",
    ] {
        assert_eq!(sent(get("/one/a"), change), "two", "{change}");
    }
    assert_eq!(
        sent(
            get("/one/a").header("x-env", "inner"),
            "remove_header_map_value 0 'x-env'"
        ),
        "one"
    );
    assert_eq!(sent(get("/one/a"), "add_header_map_value 0 'x-other' 'inner'"), "one");
    assert_eq!(
        sent(get("/one/a"), "add_header_map_value 2 'x-env' 'inner'"),
        "one",
        "there is no response to write to"
    );
}

#[test]
fn no_route_is_reached_past_its_plugins() {
    let (one, two) = (Upstream::fixed("one"), Upstream::fixed("two"));
    let gateway = gateway(&one, &two);
    for clear in ["", CLEAR] {
        assert_eq!(sent(&gateway, "/guarded/b", clear), (200, "one".to_string()));
    }
    assert!(two.requests().is_empty());
}
