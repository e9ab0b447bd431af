//! gRPC through the gateway: HTTP/2 towards upstreams, many requests on one connection, trailers from end to end, and upstreams
//! that say goodbye, keep silent or speak something else.

use lockgate_tests::grpc::{Reply, call};
use lockgate_tests::upstream::eventually;
use lockgate_tests::{Gateway, GrpcServer, Upstream, get, post};
use serde_json::json;
use std::time::Duration;

fn gateway(server: &GrpcServer, more: serde_json::Value) -> Gateway {
    let mut upstream = json!({ "endpoints": [server.address().to_string()], "protocol": "http2" });
    for (key, value) in more.as_object().into_iter().flatten() {
        upstream[key] = value.clone();
    }
    Gateway::start(json!({
        "upstreams": { "app": upstream },
        "routes": [
            { "name": "silent", "match": { "path": "/test.Echo/Silent" }, "upstream": "app", "timeout": "300ms" },
            { "name": "all", "match": {}, "upstream": "app" },
        ],
    }))
}

fn status(reply: &Reply) -> Option<&str> {
    let fields = [&reply.trailers, &reply.headers];
    fields.into_iter().find_map(|map| map.get("grpc-status")?.to_str().ok())
}

#[test]
fn a_call_passes_with_its_trailers_and_a_hundred_share_a_connection() {
    let server = GrpcServer::start();
    let gateway = gateway(&server, json!({}));
    let replies = call(gateway.address(), "/test.Echo/Unary", "hello", 100);
    for reply in &replies {
        assert_eq!((reply.status, status(reply)), (200, Some("0")), "{reply:?}");
        assert_eq!(reply.body, b"\0\0\0\0\x05hello");
        assert_eq!(reply.headers["x-c-initial"], "first");
        assert_eq!(reply.trailers["x-c-trailing"], "last");
    }
    assert_eq!((replies.len(), server.connections()), (100, 1));
    let asked = call(gateway.address(), "/test.Echo/Asked", "", 1).remove(0);
    let asked = String::from_utf8_lossy(&asked.body[5..]).into_owned();
    assert!(asked.contains("te=trailers"), "{asked}");
}

#[test]
fn a_full_connection_is_followed_by_another() {
    let server = GrpcServer::start();
    let gateway = gateway(&server, json!({ "max_streams": 2 }));
    let replies = call(gateway.address(), "/test.Echo/Unary", "hello", 20);
    assert!(replies.iter().all(|reply| status(reply) == Some("0")), "{replies:?}");
    assert!((2..=10).contains(&server.connections()), "{}", server.connections());
}

#[test]
fn trailers_only_and_streams_pass_as_they_are() {
    let server = GrpcServer::start();
    let gateway = gateway(&server, json!({}));
    let reply = call(gateway.address(), "/test.Echo/Fail", "", 1).remove(0);
    assert_eq!(
        (reply.status, status(&reply), reply.trailers.len()),
        (200, Some("7"), 0)
    );
    let reply = call(gateway.address(), "/test.Echo/Stream", "again", 1).remove(0);
    assert_eq!((&*reply.body, status(&reply)), (&b"\0\0\0\0\x05again"[..], Some("0")));
}

#[test]
fn a_goaway_costs_no_request() {
    let server = GrpcServer::start();
    let gateway = gateway(&server, json!({}));
    for _ in 0..20 {
        let reply = call(gateway.address(), "/test.Echo/Goodbye", "hello", 1).remove(0);
        assert_eq!((reply.status, status(&reply)), (200, Some("0")), "{reply:?}");
    }
    assert!(server.connections() > 1);
}

#[test]
fn a_timeout_resets_the_stream_of_its_request_and_no_other() {
    let server = GrpcServer::start();
    let gateway = gateway(&server, json!({}));
    let reply = call(gateway.address(), "/test.Echo/Silent", "hello", 1).remove(0);
    assert_eq!((reply.status, status(&reply)), (200, Some("14")), "{reply:?}");
    eventually("the upstream sees the reset", Duration::from_secs(5), || {
        server.resets() == 1
    });
    let reply = call(gateway.address(), "/test.Echo/Unary", "hello", 1).remove(0);
    assert_eq!((status(&reply), server.connections()), (Some("0"), 1));
}

#[test]
fn clients_of_http_1_reach_such_an_upstream_too() {
    let server = GrpcServer::start();
    let gateway = gateway(&server, json!({}));
    let answer = gateway.send(post("/Unary", "plain"));
    assert_eq!((answer.status(), answer.text().as_str()), (200, "plain"));
    let answer = gateway.send(get("/Unary"));
    assert_eq!((answer.status(), answer.text().as_str()), (200, ""));
}

#[test]
fn an_upstream_of_another_protocol_or_an_absent_one_is_a_502() {
    let plain = Upstream::echo();
    let gateway = Gateway::start(json!({
        "upstreams": {
            "plain": { "endpoints": [plain.address().to_string()], "protocol": "http2" },
            "dead": { "endpoints": [Upstream::nobody().to_string()], "protocol": "http2" },
        },
        "routes": [
            { "name": "plain", "match": { "path": "/plain" }, "upstream": "plain" },
            { "name": "dead", "match": { "path": "/dead" }, "upstream": "dead" },
        ],
    }));
    assert_eq!(gateway.send(get("/plain")).status(), 502);
    assert_eq!(gateway.send(get("/dead")).status(), 502);
}

#[test]
fn log_and_metrics_have_the_status_itself_and_the_grpc_status() {
    let server = GrpcServer::start();
    let gateway = Gateway::start(json!({
        "access_log": { "path": "access.log" },
        "upstreams": { "app": { "endpoints": [server.address().to_string()], "protocol": "http2" } },
        "routes": [ { "name": "echo", "match": { "path_prefix": "/test.Echo" }, "upstream": "app" } ],
    }));
    let reply = call(gateway.address(), "/nowhere", "hello", 1).remove(0);
    assert_eq!((reply.status, status(&reply)), (200, Some("12")), "{reply:?}");
    // Another method with the content type is no gRPC call.
    let answer = gateway.send(get("/nowhere").header("content-type", "application/grpc"));
    assert_eq!(answer.status(), 404);
    let reply = call(gateway.address(), "/test.Echo/Fail", "", 1).remove(0);
    assert_eq!(status(&reply), Some("7"));
    let reply = call(gateway.address(), "/test.Echo/Unary", "hello", 1).remove(0);
    assert_eq!(status(&reply), Some("0"));
    let read = || std::fs::read_to_string(gateway.folder().join("access.log")).unwrap_or_default();
    eventually("all lines are there", Duration::from_secs(3), || {
        read().lines().count() == 4
    });
    let text = read();
    let lines: Vec<serde_json::Value> = text
        .lines()
        .map(|line| serde_json::from_str(line).expect("JSON"))
        .collect();
    let found: Vec<_> = lines
        .iter()
        .map(|line| {
            json!([
                line["status"],
                line["grpc_status"],
                line["code_details"],
                line["abort_reason"]
            ])
        })
        .collect();
    assert_eq!(
        found,
        [
            json!([404, 12, "no_route", null]),
            json!([404, null, "no_route", null]),
            json!([200, 7, null, null]),
            json!([200, 0, null, null]),
        ]
    );
    let metrics = gateway.metrics();
    assert_eq!(metrics.sum("lockgate_requests_total", &[("status", "404")]), 2.0);
    for (grpc_status, count) in [("12", 1.0), ("7", 1.0), ("0", 1.0)] {
        let labels = [("grpc_status", grpc_status)];
        assert_eq!(
            metrics.sum("lockgate_grpc_responses_total", &labels),
            count,
            "{grpc_status}"
        );
    }
}
