//! HTTP and TCP.

use std::time::{Duration, Instant};

use lockgate_health::ProbeFailure;
use serde_json::json;

use super::peer::{answering, check, closed, hanging, run, why, with};

const OK: &[u8] = b"HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\nok";

#[tokio::test]
async fn a_whole_response_with_an_expected_status_passes() {
    let (address, mut heads) = answering(OK).await;
    let settings = json!({ "type": "http", "path": "/healthz?full=1", "headers": { "X-Probe": "1" } });
    assert_eq!(run(&check(settings), address).await, Ok(()));
    let head = heads.recv().await.expect("a request").to_lowercase();
    assert!(head.starts_with("get /healthz?full=1 http/1.1\r\n"), "{head}");
    for field in [
        &format!("\r\nhost: {address}\r\n"),
        "\r\nx-probe: 1\r\n",
        "\r\nuser-agent: lockgate-health-check\r\n",
        "\r\nconnection: close\r\n",
    ] {
        assert!(head.contains(field), "{field:?} in {head}");
    }
}

#[tokio::test]
async fn the_host_is_the_checks_or_the_upstreams_name() {
    for (upstream, expected) in [
        (
            json!({ "health_check": { "type": "http", "host": "own.test" }, "host": "up.test" }),
            "own.test",
        ),
        (
            json!({ "health_check": { "type": "http" }, "host": "up.test" }),
            "up.test",
        ),
    ] {
        let (address, mut heads) = answering(OK).await;
        assert_eq!(run(&with(upstream), address).await, Ok(()));
        let head = heads.recv().await.expect("a request");
        assert!(head.contains(&format!("host: {expected}\r\n")), "{head}");
    }
}

#[tokio::test]
async fn only_expected_statuses_pass() {
    let (error, _heads) = answering(b"HTTP/1.1 500 Internal Server Error\r\ncontent-length: 0\r\n\r\n").await;
    assert_eq!(
        why(&check(json!({ "type": "http" })), error).await,
        "status 500, expected 2xx"
    );
    let (moved, _heads) = answering(b"HTTP/1.1 302 Found\r\ncontent-length: 0\r\n\r\n").await;
    let failure = why(&check(json!({ "type": "http", "expect": ["2xx", 304] })), moved).await;
    assert_eq!(failure, "status 302, expected 2xx or 304");
    assert_eq!(
        run(&check(json!({ "type": "http", "expect": ["200-399"] })), moved).await,
        Ok(())
    );
}

#[tokio::test]
async fn a_head_probe_needs_no_body() {
    let (address, mut heads) = answering(b"HTTP/1.1 200 OK\r\ncontent-length: 500\r\n\r\n").await;
    assert_eq!(
        run(&check(json!({ "type": "http", "method": "HEAD" })), address).await,
        Ok(())
    );
    assert!(
        heads
            .recv()
            .await
            .expect("a request")
            .starts_with("HEAD / HTTP/1.1\r\n")
    );
}

#[tokio::test]
async fn a_response_that_breaks_off_fails() {
    let (address, _heads) = answering(b"HTTP/1.1 200 OK\r\ncontent-length: 500\r\n\r\nhalf").await;
    let failure = run(&check(json!({ "type": "http" })), address).await.expect_err("cut");
    assert_eq!(failure.kind(), "broken", "{failure}");
    assert_eq!(failure.to_string(), "connection closed before the end of the response");
}

#[tokio::test]
async fn what_is_not_http_fails() {
    let (address, _heads) = answering(b"220 mail.example.com ESMTP\r\n").await;
    let failure = run(&check(json!({ "type": "http" })), address).await.expect_err("SMTP");
    assert_eq!(failure.kind(), "broken", "{failure}");
    assert!(failure.to_string().starts_with("malformed response"), "{failure}");
}

#[tokio::test]
async fn an_endpoint_that_never_answers_fails_at_the_time_limit() {
    let address = hanging().await;
    let began = Instant::now();
    let failure = run(&check(json!({ "type": "http", "timeout": "200ms" })), address).await;
    assert_eq!(failure, Err(ProbeFailure::Timeout(Duration::from_millis(200))));
    assert!(began.elapsed() >= Duration::from_millis(200));
}

#[tokio::test]
async fn an_endpoint_that_is_down_refuses() {
    let address = closed().await;
    for kind in ["http", "tcp", "grpc"] {
        assert_eq!(
            why(&check(json!({ "type": kind })), address).await,
            "connection refused",
            "{kind}"
        );
    }
}

#[tokio::test]
async fn a_connection_is_enough_for_tcp() {
    assert_eq!(run(&check(json!({ "type": "tcp" })), hanging().await).await, Ok(()));
}

#[tokio::test]
async fn another_port_of_the_endpoint_can_be_probed() {
    let (address, _heads) = answering(OK).await;
    let settings = json!({ "type": "http", "port": address.port() });
    assert_eq!(run(&check(settings), closed().await).await, Ok(()));
}

#[tokio::test]
async fn a_name_without_an_address_fails_with_the_resolvers_reason() {
    let target = lockgate_client::Target::clear_text("no-such-host.invalid:80".parse().expect("an address"));
    let outcome = tokio::task::LocalSet::new()
        .run_until(lockgate_health::probe(&check(json!({ "type": "tcp" })), &target, None))
        .await;
    assert_eq!(outcome.expect_err("no address").kind(), "connect");
}
