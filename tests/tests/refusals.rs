//! What a client learns when the gateway refuses its request before reading all of it: an answer that arrives, and an end.
//! What is refused is told in `framing`.

use lockgate_tests::http::Message;
use lockgate_tests::{Gateway, Upstream, Wire};
use serde_json::{Value, json};
use std::time::Duration;

fn gateway(upstream: &Upstream) -> Gateway {
    Gateway::start(json!({
        "listeners": { "web": { "limits": { "header_timeout": "300ms", "header_bytes": "8KiB" } } },
        "access_log": { "path": "access.log" },
        "upstreams": { "app": { "endpoints": [upstream.address().to_string()] } },
    }))
}

/// The answer is a problem with this status and this word for it, and the last thing that is said.
fn is_last(wire: &mut Wire, response: &Message, status: u16, word: &str) {
    assert_eq!(response.status(), status);
    assert_eq!(response.header("content-type"), Some("application/problem+json"));
    assert_eq!(response.header("connection"), Some("close"));
    assert_eq!(response.json()["status"], status);
    assert_eq!(response.json()["type"], format!("urn:lockgate:problem:{word}"));
    assert!(response.json()["request_id"].is_string());
    assert_eq!(wire.rest().expect("an end, not a reset"), b"");
}

#[test]
fn requests_before_a_refused_one_are_answered_first() {
    let upstream = Upstream::slow(Duration::from_millis(100));
    let gateway = gateway(&upstream);
    let mut wire = gateway.connect();
    wire.write(
        "GET /1 HTTP/1.1\r\nhost: a\r\n\r\nPOST /2 HTTP/1.1\r\nhost: a\r\ncontent-length: 4\r\n\r\nbodyGET /3#x HTTP/1.1\r\nhost: a\r\n\r\nGET /4 HTTP/1.1\r\nhost: a\r\n\r\n",
    )
    .expect("the gateway reads");
    for _ in 0..2 {
        let response = wire.response("GET").expect("an answer comes");
        assert_eq!((response.status(), response.header("connection")), (200, None));
    }
    let response = wire.response("GET").expect("the refusal comes");
    is_last(&mut wire, &response, 400, "fragment");
    let seen: Vec<_> = upstream
        .requests()
        .iter()
        .map(|request| request.target().to_string())
        .collect();
    assert_eq!(seen, ["/1", "/2"]);
}

#[test]
fn a_refusal_arrives_though_the_client_is_still_sending() {
    let upstream = Upstream::fixed("the answer");
    let gateway = gateway(&upstream);
    for _ in 0..20 {
        let mut wire = gateway.connect();
        let head = "POST / HTTP/1.1\r\nhost: a\r\ncontent-length: 500000\r\ntransfer-encoding: chunked\r\n\r\n";
        wire.write([head.as_bytes(), &vec![b'x'; 500_000]].concat())
            .expect("the gateway reads on");
        let response = wire.response("POST").expect("the refusal comes");
        is_last(&mut wire, &response, 400, "two_lengths");
    }
    assert_eq!(upstream.requests().len(), 0);
}

#[test]
fn a_broken_body_is_answered_and_the_last_of_its_connection() {
    let upstream = Upstream::echo();
    let gateway = gateway(&upstream);
    let mut wire = gateway.connect();
    wire.write("POST / HTTP/1.1\r\nhost: a\r\ntransfer-encoding: chunked\r\n\r\n3\r\nabc\n0\r\n\r\nGET /hidden HTTP/1.1\r\nhost: a\r\n\r\n")
        .expect("the gateway reads");
    let response = wire.response("POST").expect("the refusal comes");
    is_last(&mut wire, &response, 400, "malformed_body");
}

#[test]
fn what_is_too_large_is_said_to_be() {
    let upstream = Upstream::fixed("the answer");
    let gateway = gateway(&upstream);
    let long = "x".repeat(9000);
    for (request, status, word) in [
        (
            format!("GET /{long} HTTP/1.1\r\nhost: a\r\n\r\n"),
            414,
            "target_too_long",
        ),
        (
            format!("GET / HTTP/1.1\r\nhost: a\r\nx: {long}\r\n\r\n"),
            431,
            "headers_too_large",
        ),
        (
            format!("GET / HTTP/1.1\r\nhost: a\r\n{}\r\n", "x: y\r\n".repeat(101)),
            431,
            "headers_too_large",
        ),
    ] {
        let mut wire = gateway.connect();
        wire.write(request).expect("the gateway reads");
        let response = wire.response("GET").expect("the refusal comes");
        is_last(&mut wire, &response, status, word);
    }
}

#[test]
fn a_head_that_stays_away_is_answered_408_on_a_used_connection_too() {
    let upstream = Upstream::fixed("the answer");
    let gateway = gateway(&upstream);
    for before in ["", "GET / HTTP/1.1\r\nhost: a\r\n\r\n"] {
        let mut wire = gateway.connect();
        wire.write(format!("{before}GET /late HTTP/1.1\r\nhos"))
            .expect("the gateway reads");
        if !before.is_empty() {
            assert_eq!(wire.response("GET").expect("an answer comes").status(), 200);
        }
        let response = wire.response("GET").expect("the refusal comes");
        is_last(&mut wire, &response, 408, "request_timeout");
    }
}

#[test]
fn heads_in_single_bytes_are_accepted() {
    let upstream = Upstream::echo();
    let gateway = gateway(&upstream);
    let mut wire = gateway.connect();
    for _ in 0..3 {
        for byte in b"POST / HTTP/1.1\r\nhost: a\r\ntransfer-encoding: chunked\r\n\r\n2;a=b\r\nab\r\n0\r\n\r\n" {
            wire.write([*byte]).expect("the gateway reads");
        }
        assert_eq!(wire.response("POST").expect("an answer comes").json()["body"], "ab");
    }
}

#[test]
fn refused_requests_are_counted_and_logged() {
    let upstream = Upstream::fixed("the answer");
    let gateway = gateway(&upstream);
    let mut wire = gateway.connect();
    wire.write("PUT /there?key=secret HTTP/1.1\r\nhost: a\nx: y\r\n\r\n")
        .expect("the gateway reads");
    let id = wire.response("PUT").expect("the refusal comes").json()["request_id"].clone();
    let counted = "lockgate_requests_total{listener=\"web\",route=\"\",status=\"400\"} 1";
    assert!(
        gateway.metrics().text().contains(counted),
        "{}",
        gateway.metrics().text()
    );
    let mut line = Value::Null;
    lockgate_tests::upstream::eventually("the line is written", Duration::from_secs(3), || {
        let log = std::fs::read_to_string(gateway.folder().join("access.log")).unwrap_or_default();
        line = log
            .lines()
            .next()
            .map_or(Value::Null, |line| serde_json::from_str(line).expect("a line is JSON"));
        !line.is_null()
    });
    assert_eq!(line["request_id"], id);
    assert_eq!((&line["method"], &line["path"]), (&json!("PUT"), &json!("/there")));
    assert_eq!(
        (&line["status"], &line["code_details"]),
        (&json!(400), &json!("malformed_line_end"))
    );
}
