//! SIGTERM: what has been accepted is answered, nothing new is taken, and the end comes in time.

use lockgate_tests::Wire;
use lockgate_tests::http::Ending;
use lockgate_tests::upstream::{answer_chunked, eventually};
use lockgate_tests::{Gateway, Upstream, get, post};
use serde_json::json;
use std::net::TcpStream;
use std::process::Command;
use std::thread;
use std::time::{Duration, Instant};

fn gateway(upstream: &Upstream, drain_timeout: &str) -> Gateway {
    Gateway::start(json!({
        "workers": 2,
        "drain_timeout": drain_timeout,
        "upstreams": { "app": { "endpoints": [upstream.address().to_string()] } },
        "plugins": { "tag": { "module": "tag" } },
        "global_chain": ["tag"],
    }))
}

#[test]
fn accepted_requests_are_answered_and_the_exit_is_clean() {
    let upstream = Upstream::slow(Duration::from_millis(700));
    let mut gateway = gateway(&upstream, "10s");
    let wires: Vec<Wire> = (0..40).map(|_| gateway.connect()).collect();
    let asked: Vec<_> = wires
        .into_iter()
        .enumerate()
        .map(|(nth, mut wire)| {
            let request = if nth % 2 == 0 { get("/") } else { post("/", "some body") };
            thread::spawn(move || {
                wire.exchange(&request)
                    .map(|answer| (answer.status(), answer.ending, answer.text()))
            })
        })
        .collect();
    let over_http_2 = Command::new("curl")
        .args([
            "--silent",
            "--http2-prior-knowledge",
            "--write-out",
            "%{http_code}",
            &format!("http://{}/", gateway.address()),
        ])
        .stdout(std::process::Stdio::piped())
        .spawn()
        .expect("curl is installed");
    eventually("all requests are at the upstream", Duration::from_secs(5), || {
        upstream.requests().len() == 41
    });

    gateway.signal("TERM");
    eventually("nothing new is taken", Duration::from_millis(500), || {
        TcpStream::connect(gateway.address()).is_err()
    });
    for thread in asked {
        let answered = thread
            .join()
            .expect("no panic")
            .expect("an accepted request is answered");
        assert_eq!(answered, (200, Ending::Whole, "at last".to_string()));
    }
    let over_http_2 = over_http_2.wait_with_output().expect("curl ends");
    assert_eq!(String::from_utf8_lossy(&over_http_2.stdout), "at last200");
    assert_eq!(gateway.ended(Duration::from_secs(5)).code(), Some(0));
}

#[test]
fn idle_connections_do_not_delay_the_exit() {
    let upstream = Upstream::fixed("the answer");
    let mut gateway = gateway(&upstream, "10s");
    let mut idle: Vec<Wire> = (0..20).map(|_| gateway.connect()).collect();
    for wire in &mut idle[..10] {
        assert_eq!(wire.exchange(&get("/")).expect("an answer comes").status(), 200);
    }
    let asked = Instant::now();
    assert_eq!(gateway.stop(Duration::from_secs(5)).code(), Some(0));
    assert!(asked.elapsed() < Duration::from_secs(3), "took {:?}", asked.elapsed());
    for mut wire in idle {
        assert_eq!(wire.rest().expect("a clean end"), b"");
    }
}

#[test]
fn a_response_under_way_is_completed() {
    let upstream = Upstream::scripted(|_, wire| answer_chunked(wire, &[], &["word "; 40], &[]));
    let mut gateway = gateway(&upstream, "10s");
    let mut wire = gateway.connect();
    wire.write(get("/").bytes()).expect("the gateway reads");
    let head = wire.head().expect("a head comes").expect("a head comes");
    gateway.signal("TERM");
    let mut length = 0;
    wire.stream_body(&head, |bytes| length += bytes.len())
        .expect("the body is whole");
    assert_eq!(length, 200);
    assert_eq!(gateway.ended(Duration::from_secs(5)).code(), Some(0));
}

#[test]
fn endless_requests_are_closed_at_the_drain_timeout() {
    let upstream = Upstream::slow(Duration::from_secs(30));
    let mut gateway = gateway(&upstream, "500ms");
    let mut wire = gateway.connect();
    wire.write(get("/").bytes()).expect("the gateway reads");
    eventually("the request is at the upstream", Duration::from_secs(5), || {
        upstream.requests().len() == 1
    });
    let asked = Instant::now();
    let status = gateway.stop(Duration::from_secs(5));
    assert!(
        asked.elapsed() >= Duration::from_millis(400) && asked.elapsed() < Duration::from_secs(3),
        "took {:?}",
        asked.elapsed()
    );
    assert_eq!(status.code(), Some(0));
}

#[test]
fn readiness_ends_before_the_listeners_do() {
    let upstream = Upstream::slow(Duration::from_millis(600));
    let mut gateway = gateway(&upstream, "10s");
    let mut wire = gateway.connect();
    wire.write(get("/").bytes()).expect("the gateway reads");
    eventually("the request is at the upstream", Duration::from_secs(5), || {
        upstream.requests().len() == 1
    });
    gateway.signal("TERM");
    let admin = gateway.admin();
    eventually(
        "it is no longer ready",
        Duration::from_millis(500),
        || match TcpStream::connect(admin) {
            Ok(stream) => Wire::of(stream)
                .exchange(&get("/readyz"))
                .map_or(true, |answer| answer.status() == 503),
            Err(_) => true,
        },
    );
    assert_eq!(wire.response("GET").expect("an answer comes").status(), 200);
    assert_eq!(gateway.ended(Duration::from_secs(5)).code(), Some(0));
}
