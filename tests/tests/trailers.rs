//! Trailers of requests: those of clients by the listener's list; those of plugins whether or not somebody has announced any, as long as
//! they may be trailers.

use lockgate_tests::frames::{END_HEADERS, END_STREAM, HEADERS, PREFACE, WHOLE, fields, frame, frames};
use lockgate_tests::{Gateway, Upstream, Wire, get, post, request};
use serde_json::json;
use std::time::Duration;

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

#[test]
fn a_clients_trailers_are_those_that_the_listener_lists() {
    let upstream = Upstream::echo();
    let gateway = Gateway::start(json!({
        "listeners": { "web": {}, "listed": { "trailers": ["x-sum", "x-s3-*"] } },
        "upstreams": { "app": { "endpoints": [upstream.address().to_string()] } },
    }));
    let sent = [
        ("x-role", "admin"),
        ("x-tenant", "b"),
        ("x-sum", "1"),
        ("x-s3-crc", "2"),
        ("digest", "3"),
        ("grpc-status", "0"),
        ("x-user", "root"),
        ("x-request-id", "mine"),
    ];
    let seen = || {
        let mut seen = upstream.last_request().trailers;
        seen.sort();
        seen.iter()
            .map(|(name, value)| format!("{name}={value}"))
            .collect::<Vec<_>>()
            .join(" ")
    };
    for (listener, expected) in [("web", "digest=3 grpc-status=0"), ("listed", "x-s3-crc=2 x-sum=1")] {
        let address = gateway.listener(listener);
        let upload = request("POST", "/")
            .header("trailer", &sent.map(|(name, _)| name).join(", "))
            .chunks(&["some", "thing"], &sent);
        let response = Wire::connect(address).exchange(&upload).expect("an answer");
        assert_eq!(response.status(), 200, "{listener}");
        assert_eq!(seen(), expected, "{listener} over HTTP/1");

        let mut wire = Wire::connect(address);
        let announced = (
            "trailer",
            "x-role, x-tenant, x-sum, x-s3-crc, digest, grpc-status, x-user, x-request-id",
        );
        let head = [(":method", "PUT"), WHOLE[1], WHOLE[2], WHOLE[3], announced];
        let upload = [
            PREFACE.to_vec(),
            frame(HEADERS, END_HEADERS, 1, &fields(&head)),
            frame(0, 0, 1, b"something"),
            frame(HEADERS, END_HEADERS | END_STREAM, 1, &fields(&sent)),
        ];
        wire.write(upload.concat()).expect("the gateway reads");
        drop(frames(&mut wire, Duration::from_secs(1)));
        assert_eq!(upstream.last_request().method(), "PUT");
        assert_eq!(seen(), expected, "{listener} over HTTP/2");
    }
}
