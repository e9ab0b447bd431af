//! Trailers of plugins go out whether or not somebody has announced any, as long as they may be trailers.

use lockgate_tests::{Gateway, Upstream, get, post, request};
use serde_json::json;

#[test]
fn a_plugins_own_trailers_reach_the_upstream_though_the_client_announced_none() {
    let upstream = Upstream::echo();
    let gateway = Gateway::start(json!({
        "upstreams": { "app": { "endpoints": [upstream.address().to_string()] } },
        "plugins": { "raw": { "module": "raw" } },
        "global_chain": ["raw"],
    }));
    let script =
        "@request_body.end ; add_header_map_value 1 'x-own' '1' ; add_header_map_value 1 'authorization' 'forged'";
    for body in [post("/", "body"), request("POST", "/").chunks(&["some", "thing"], &[])] {
        let response = gateway.send(body.header("x-script", script).header("x-token", "t"));
        assert_eq!(response.status(), 200);
        let seen = upstream.last_request();
        assert_eq!(seen.trailers, [("x-own".to_string(), "1".to_string())], "{seen:?}");
    }
    let report = gateway.send(get("/").header("x-report", "t")).text();
    assert!(
        report.contains("add_header_map_value 1 'authorization' 'forged' = 0"),
        "{report}"
    );
}
