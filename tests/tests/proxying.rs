//! What the gateway adds, removes and passes on, and how it answers when the upstream fails: always one answer, with the blame where
//! it belongs, and never a body that looks whole and is not.

use lockgate_tests::Wire;
use lockgate_tests::answers::is_the_gateways_problem;
use lockgate_tests::http::field;
use lockgate_tests::upstream::{Then, answer, eventually};
use lockgate_tests::{Gateway, Upstream, get, post, request};
use serde_json::{Value, json};
use std::thread;
use std::time::Duration;

fn gateway(upstream: &Upstream) -> Gateway {
    Gateway::start(json!({ "upstreams": { "app": { "endpoints": [upstream.address().to_string()] } } }))
}

#[test]
fn forwarding_headers_are_set_and_those_of_untrusted_peers_are_replaced() {
    let upstream = Upstream::fixed("the answer");
    let gateway = gateway(&upstream);
    let sent = get("/")
        .header("host", "api.example.com")
        .header("x-forwarded-for", "6.6.6.6")
        .header("x-forwarded-proto", "https")
        .header("x-forwarded-host", "evil")
        .header("x-request-id", "mine");
    let response = gateway.send(sent);
    assert_eq!(response.status(), 200);
    let seen = upstream.last_request();
    assert_eq!(seen.all("x-forwarded-for"), ["127.0.0.1"]);
    assert_eq!(seen.all("x-forwarded-proto"), ["http"]);
    assert_eq!(seen.all("x-forwarded-host"), ["api.example.com"]);
    assert_eq!(seen.all("host"), ["api.example.com"]);
    let id = seen.header("x-request-id").expect("a request id is set");
    assert!(
        id.len() == 32 && id.chars().all(|digit| digit.is_ascii_hexdigit()),
        "{id}"
    );
    assert_eq!(gateway.get("/").status(), 200);
    assert_ne!(upstream.last_request().header("x-request-id"), Some(id));
}

#[test]
fn forwarding_headers_of_a_trusted_proxy_are_kept() {
    let upstream = Upstream::fixed("the answer");
    let gateway = Gateway::start(json!({
        "listeners": { "web": { "trusted_proxies": ["127.0.0.0/8", "10.0.0.0/8"] } },
        "upstreams": { "app": { "endpoints": [upstream.address().to_string()] } },
    }));
    let sent = get("/")
        .header("x-forwarded-for", "6.6.6.6, 203.0.113.9, 10.1.1.1")
        .header("x-forwarded-proto", "https")
        .header("x-forwarded-host", "api.example.com")
        .header("x-request-id", "mine-0123456789");
    assert_eq!(gateway.send(sent).status(), 200);
    let seen = upstream.last_request();
    assert_eq!(
        seen.all("x-forwarded-for").join(", "),
        "6.6.6.6, 203.0.113.9, 10.1.1.1, 127.0.0.1"
    );
    assert_eq!(seen.all("x-forwarded-proto"), ["https"]);
    assert_eq!(seen.all("x-forwarded-host"), ["api.example.com"]);
    assert_eq!(seen.all("x-request-id"), ["mine-0123456789"]);
}

#[test]
fn hop_by_hop_headers_are_removed_in_both_directions() {
    let upstream = Upstream::answering(
        200,
        &[
            ("connection", "x-private"),
            ("x-private", "1"),
            ("keep-alive", "timeout=9"),
            ("proxy-authenticate", "Basic"),
            ("upgrade", "h2c"),
            ("x-kept", "1"),
        ],
        "the answer",
    );
    let gateway = gateway(&upstream);
    let sent = get("/")
        .header(
            "connection",
            "close, X-Hop, X-Forwarded-For, X-Request-Id, Host, Content-Length",
        )
        .header("x-hop", "1")
        .header("keep-alive", "timeout=5")
        .header("proxy-connection", "keep-alive")
        .header("proxy-authorization", "Basic x")
        .header("te", "gzip")
        .header("upgrade", "websocket")
        .header("x-kept", "1");
    let response = gateway.send(sent);
    let seen = upstream.last_request();
    for name in [
        "x-hop",
        "keep-alive",
        "proxy-connection",
        "proxy-authorization",
        "te",
        "upgrade",
    ] {
        assert_eq!(seen.header(name), None, "{name} has reached the upstream");
    }
    for name in ["host", "x-forwarded-for", "x-request-id", "x-kept"] {
        assert!(seen.header(name).is_some(), "{name} has been taken away");
    }
    assert_eq!((response.status(), response.header("x-kept")), (200, Some("1")));
    for name in ["x-private", "keep-alive", "proxy-authenticate", "upgrade"] {
        assert_eq!(response.header(name), None, "{name} has reached the client");
    }
}

#[test]
fn the_host_is_passed_on_unless_the_upstream_says_otherwise() {
    let upstream = Upstream::fixed("the answer");
    let address = upstream.address().to_string();
    for (policy, seen) in [
        (json!("pass"), "api.example.com"),
        (json!("endpoint"), address.as_str()),
        (json!("backend.internal"), "backend.internal"),
    ] {
        let gateway = Gateway::start(json!({ "upstreams": { "app": { "endpoints": [address], "host": policy } } }));
        assert_eq!(gateway.send(get("/").header("host", "api.example.com")).status(), 200);
        assert_eq!(upstream.last_request().all("host"), [seen], "{policy}");
    }
}

#[test]
fn heads_bodies_and_repeated_fields_pass_unchanged() {
    let upstream = Upstream::answering(
        207,
        &[
            ("set-cookie", "a=1"),
            ("set-cookie", "b=2"),
            ("X-Mixed", "Value, With Commas"),
            ("etag", "W/\"x\""),
        ],
        "the answer",
    );
    let gateway = gateway(&upstream);
    let response = gateway.send(
        request("REPORT", "/x?y=1&y=2")
            .header("accept", "a")
            .header("accept", "b")
            .header("cookie", "c=1")
            .body("data"),
    );
    assert_eq!(
        (response.status(), response.all("set-cookie"), response.header("etag")),
        (207, vec!["a=1", "b=2"], Some("W/\"x\""))
    );
    let seen = upstream.last_request();
    assert_eq!(
        (seen.start.as_str(), seen.all("accept"), seen.text().as_str()),
        ("REPORT /x?y=1&y=2 HTTP/1.1", vec!["a", "b"], "data")
    );
}

#[test]
fn head_and_empty_answers_have_no_body() {
    let upstream = Upstream::scripted(|request, wire| match request.target() {
        "/none" => answer(wire, 204, &[], ""),
        "/same" => answer(wire, 304, &[("etag", "\"x\"")], ""),
        _ => {
            wire.write("HTTP/1.1 200 OK\r\ncontent-length: 1234\r\n\r\n")?;
            Ok(Then::KeepAlive)
        }
    });
    let gateway = gateway(&upstream);
    let mut wire = gateway.connect();
    let head = wire.exchange(&request("HEAD", "/")).expect("an answer comes");
    assert_eq!((head.status(), head.header("content-length")), (200, Some("1234")));
    assert_eq!(
        wire.exchange(&get("/none"))
            .expect("the connection is still good")
            .status(),
        204
    );
    assert_eq!(
        wire.exchange(&get("/same"))
            .expect("the connection is still good")
            .status(),
        304
    );
    assert_eq!(
        wire.exchange(&request("HEAD", "/"))
            .expect("the connection is still good")
            .status(),
        200
    );
}

#[test]
fn connections_are_reused_on_both_sides() {
    let upstream = Upstream::fixed("the answer");
    let gateway = gateway(&upstream);
    let mut wire = gateway.connect();
    for _ in 0..20 {
        assert_eq!(wire.exchange(&get("/")).expect("an answer comes").status(), 200);
    }
    assert_eq!(upstream.connections(), 1);
}

#[test]
fn requests_are_split_exactly_by_weight() {
    let (light, heavy) = (Upstream::fixed("light"), Upstream::fixed("heavy"));
    let gateway = Gateway::start(json!({ "upstreams": { "app": {
        "balance": "round_robin",
        "endpoints": [light.address().to_string(), { "address": heavy.address().to_string(), "weight": 3 }],
    } } }));
    for _ in 0..40 {
        assert_eq!(gateway.get("/").status(), 200);
    }
    assert_eq!((light.requests().len(), heavy.requests().len()), (10, 30));
}

#[test]
fn an_answer_before_the_request_s_end_leaves_no_desync() {
    let upstream = Upstream::fixed("the answer");
    let gateway = Gateway::start(json!({
        "upstreams": { "app": { "endpoints": [upstream.address().to_string()] } },
        "routes": [ { "name": "one", "match": { "path": "/one" }, "upstream": "app" } ],
    }));
    let mut wire = gateway.connect();
    let hidden = "GET /one HTTP/1.1\r\nhost: a\r\nx-smuggled: 1\r\n\r\n";
    wire.write(format!(
        "POST /none HTTP/1.1\r\nhost: a\r\ncontent-length: {}\r\n\r\n",
        hidden.len()
    ))
    .expect("the gateway reads");
    let refused = wire.response("POST").expect("an answer comes before the body");
    is_the_gateways_problem(&refused, 404);
    drop(wire.write(hidden).and_then(|()| wire.write(get("/one").bytes())));
    let mut answers = 0;
    while wire.response("GET").is_ok_and(|answer| answer.status() == 200) {
        answers += 1;
    }
    assert!(answers <= 1, "the body was taken for a request");
    assert!(
        upstream
            .requests()
            .iter()
            .all(|seen| seen.header("x-smuggled").is_none()),
        "the body was taken for a request"
    );
}

#[test]
fn pipelined_requests_are_answered_in_their_order() {
    let upstream = Upstream::echo();
    let gateway = gateway(&upstream);
    let mut wire = gateway.connect();
    let all: Vec<u8> = (0..5).flat_map(|nth| get(&format!("/{nth}")).bytes()).collect();
    wire.write(all).expect("the gateway reads");
    for nth in 0..5 {
        assert_eq!(
            wire.response("GET").expect("an answer comes").json()["path"],
            format!("/{nth}")
        );
    }
}

#[test]
fn every_problem_bears_the_request_s_id() {
    let upstream = Upstream::nobody();
    let gateway = Gateway::start(json!({
        "listeners": { "web": { "trusted_proxies": ["127.0.0.1/32"] } },
        "upstreams": { "app": { "endpoints": [upstream.to_string()] } },
    }));
    let problem: Value = gateway.send(get("/").header("x-request-id", "0123456789abcdef")).json();
    assert_eq!(problem["request_id"], "0123456789abcdef");
}

#[test]
fn a_hundred_simultaneous_connections_work() {
    let upstream = Upstream::slow(Duration::from_millis(50));
    let gateway = gateway(&upstream);
    let address = gateway.address();
    let threads: Vec<_> = (0..100)
        .map(|_| thread::spawn(move || Wire::connect(address).exchange(&get("/")).map(|answer| answer.status())))
        .collect();
    for thread in threads {
        assert_eq!(thread.join().expect("no panic").expect("an answer comes"), 200);
    }
}

#[test]
fn the_echo_command_shows_what_came() {
    let listen = Upstream::nobody();
    let mut child = std::process::Command::new(lockgate_tests::binary::binary())
        .args(["echo", "--listen", &listen.to_string()])
        .stdout(std::process::Stdio::null())
        .stderr(std::process::Stdio::null())
        .spawn()
        .expect("the binary runs");
    eventually("echo listens", Duration::from_secs(5), || {
        std::net::TcpStream::connect(listen).is_ok()
    });
    let answered = Wire::connect(listen).exchange(&post("/some/path?q=1", "some body").header("x-asked", "yes"));
    lockgate_tests::gateway::signal(child.id(), "TERM");
    let status = child.wait().expect("a child can be waited for");
    let echoed = answered.expect("an answer comes");
    assert_eq!(echoed.status(), 200);
    let text = echoed.json().to_string();
    for part in ["POST", "/some/path", "q=1", "x-asked", "\"body_bytes\":9"] {
        assert!(text.contains(part), "nothing of {part} in {text}");
    }
    assert!(field(&echoed.headers, "content-type").is_some_and(|kind| kind.starts_with("application/json")));
    assert_eq!(status.code(), Some(0));
}

#[test]
fn an_http_1_0_answer_without_a_length_does_not_promise_to_keep_the_connection() {
    let upstream = Upstream::saying("HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n5\r\nwhole\r\n0\r\n\r\n");
    let gateway = Gateway::start(json!({ "upstreams": { "app": { "endpoints": [upstream.address().to_string()] } } }));
    let mut wire = gateway.connect();
    wire.write("GET / HTTP/1.0\r\nHost: a\r\nConnection: keep-alive\r\n\r\n")
        .expect("the gateway reads");
    let response = wire.response("GET").expect("a response");
    assert_eq!(
        (response.text(), response.header("connection")),
        ("whole".to_string(), Some("close"))
    );
}
