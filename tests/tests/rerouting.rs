//! `clear_route_cache`: a plugin that changes a request may have its route looked for again, but never past another plugin.

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
    assert_eq!(sent(&gateway, "/two/b", ""), (200, "one".to_string()));
    assert_eq!(one.last_request().target(), "/two/b");
    assert_eq!(sent(&gateway, "/two/b", CLEAR), (200, "two".to_string()));
    assert_eq!(
        two.last_request().target(),
        "/rewritten/b",
        "the other route's rewriting"
    );
    assert_eq!(sent(&gateway, "/nowhere", CLEAR).0, 404);
}

#[test]
fn no_route_is_reached_past_its_plugins() {
    let (one, two) = (Upstream::fixed("one"), Upstream::fixed("two"));
    let gateway = gateway(&one, &two);
    assert_eq!(sent(&gateway, "/guarded/b", CLEAR), (200, "one".to_string()));
    assert!(two.requests().is_empty());
}
