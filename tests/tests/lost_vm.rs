//! A VM that dies while requests are on their way: what its plugin was to see is not passed on unseen.

use lockgate_tests::gateway::install;
use lockgate_tests::http::Ending;
use lockgate_tests::modules::{assembled, module};
use lockgate_tests::upstream::{Then, eventually};
use lockgate_tests::wire::Wire;
use lockgate_tests::{Gateway, Upstream, get};
use serde_json::json;
use std::sync::Mutex;
use std::sync::mpsc::{Sender, channel};
use std::time::Duration;

/// A module that traps at a request with `x-trap`, and has one more callback: with a request body it refuses what begins with `E`.
fn guarding(hook: &str) -> Vec<u8> {
    let parameters = if hook.ends_with("trailers") {
        "i32 i32"
    } else {
        "i32 i32 i32"
    };
    let refuse = r#"(drop (call $bytes (i32.const 0) (i32.const 0) (i32.const 1) (i32.const 32) (i32.const 36)))
        (if (i32.eq (i32.load8_u (i32.load (i32.const 32))) (i32.const 69))
          (then (drop (call $respond (i32.const 403) (i32.const 0) (i32.const 0) (i32.const 0) (i32.const 0)
            (i32.const 0) (i32.const 0) (i32.const -1)))))"#;
    let body = if hook == "request_body" { refuse } else { "" };
    let also = match hook {
        "" => String::new(),
        hook => format!(r#"(func (export "proxy_on_{hook}") (param {parameters}) (result i32) {body} (i32.const 0))"#),
    };
    assembled(&format!(
        r#"(module
            (import "env" "proxy_get_header_map_value" (func $value (param i32 i32 i32 i32 i32) (result i32)))
            (import "env" "proxy_get_buffer_bytes" (func $bytes (param i32 i32 i32 i32 i32) (result i32)))
            (import "env" "proxy_send_local_response" (func $respond (param i32 i32 i32 i32 i32 i32 i32 i32) (result i32)))
            (memory (export "memory") 1)
            (data (i32.const 16) "x-trap")
            (func (export "proxy_abi_version_0_2_1"))
            (func (export "proxy_on_memory_allocate") (param i32) (result i32) (i32.const 4096))
            (func (export "proxy_on_context_create") (param i32 i32))
            (func (export "proxy_on_request_headers") (param i32 i32 i32) (result i32)
                (if (i32.eqz (call $value (i32.const 0) (i32.const 16) (i32.const 6) (i32.const 32) (i32.const 36)))
                  (then unreachable))
                (i32.const 0))
            {also})"#
    ))
}

fn gateway(module: &[u8], upstream: &Upstream, on_error: &str) -> Gateway {
    let folder = tempfile::tempdir().expect("a folder");
    let plugins = folder.path().join("plugins");
    std::fs::create_dir(&plugins).expect("a folder");
    install(&plugins, "made", module);
    Gateway::start_in(
        folder,
        json!({
            "upstreams": { "app": { "endpoints": [upstream.address().to_string()] } },
            "plugins": { "guard": { "module": "made", "on_error": on_error } },
            "global_chain": ["guard"],
        }),
    )
}

/// Ends the plugin's VM by another request.
fn kill(gateway: &Gateway, on_error: &str) {
    let status = gateway.send(get("/other").header("x-trap", "1")).status();
    assert_eq!(status, if on_error == "deny" { 503 } else { 200 });
}

fn lost(gateway: &Gateway) -> f64 {
    let labels = [("plugin", "guard"), ("kind", "vm_failed")];
    gateway.metrics().sum("lockgate_plugin_failures_total", &labels)
}

fn uploading(gateway: &Gateway) -> Wire {
    let mut wire = gateway.connect();
    wire.write("POST /upload HTTP/1.1\r\nhost: a\r\ntransfer-encoding: chunked\r\n\r\n")
        .expect("the gateway reads");
    wire
}

#[test]
fn a_body_is_not_passed_on_past_the_plugin_whose_vm_died_after_the_head() {
    for on_error in ["deny", "bypass"] {
        let upstream = Upstream::echo();
        let gateway = gateway(&guarding("request_body"), &upstream, on_error);
        let refused = gateway.send(lockgate_tests::post("/", "EVIL"));
        assert_eq!(refused.status(), 403, "the plugin alone");
        let begun = upstream.begun();
        let mut wire = uploading(&gateway);
        eventually("the head has reached the upstream", Duration::from_secs(5), || {
            upstream.begun() > begun
        });
        kill(&gateway, on_error);
        wire.write("4\r\nEVIL\r\n0\r\n\r\n").expect("the gateway reads");
        let response = wire.response("POST").expect("an answer comes");
        if on_error == "bypass" {
            assert_eq!((response.status(), &response.json()["body"]), (200, &json!("EVIL")));
            continue;
        }
        assert_eq!(response.status(), 503);
        let upload = |seen: &lockgate_tests::http::Message| seen.target() == "/upload";
        eventually("the upload is cut", Duration::from_secs(5), || {
            upstream.requests().iter().any(upload)
        });
        let seen = upstream.requests().into_iter().find(upload).expect("it was seen");
        assert!(
            seen.ending != Ending::Whole && !seen.text().contains("EVIL"),
            "{seen:?}"
        );
        assert!((lost(&gateway) - 1.0).abs() < f64::EPSILON, "counted once");
    }
}

/// An upstream that answers `/slow` with a head and `abc`, then waits, and then sends `def`; or waits with the head, too.
fn slow(holds_head: bool) -> (Upstream, Sender<()>) {
    let (go_on, gate) = channel::<()>();
    let gate = Mutex::new(gate);
    let upstream = Upstream::scripted(move |request, wire| {
        if request.target() != "/slow" {
            return lockgate_tests::upstream::answer(wire, 200, &[], "other");
        }
        let wait = || {
            gate.lock()
                .expect("one at a time")
                .recv_timeout(Duration::from_secs(10))
        };
        if holds_head {
            wait().expect("the test goes on");
        }
        wire.write("HTTP/1.1 200 OK\r\ncontent-length: 6\r\n\r\nabc")?;
        if !holds_head {
            wait().expect("the test goes on");
        }
        wire.write("def")?;
        Ok(Then::Close)
    });
    (upstream, go_on)
}

#[test]
fn a_response_under_way_breaks_off_when_its_plugin_is_lost() {
    let (upstream, go_on) = slow(false);
    let gateway = gateway(&guarding("response_body"), &upstream, "deny");
    let mut wire = gateway.connect();
    wire.write(get("/slow").bytes()).expect("the gateway reads");
    let head = wire.head().expect("readable").expect("the head comes first");
    assert_eq!(head.status(), 200);
    kill(&gateway, "deny");
    go_on.send(()).expect("the upstream waits");
    let (mut rest, mut buffer) = (Vec::new(), [0; 256]);
    // An end or a reset: there is no more to read.
    while let Ok(read @ 1..) = wire.some(&mut buffer) {
        rest.extend_from_slice(&buffer[..read]);
    }
    let rest = String::from_utf8_lossy(&rest);
    assert!(!rest.contains("def") && !rest.ends_with("0\r\n\r\n"), "{rest}");
}

#[test]
fn a_response_whose_head_a_lost_plugin_was_to_see_becomes_a_503() {
    let (upstream, go_on) = slow(true);
    let gateway = gateway(&guarding("response_headers"), &upstream, "deny");
    let mut wire = gateway.connect();
    wire.write(get("/slow").bytes()).expect("the gateway reads");
    eventually("it is at the upstream", Duration::from_secs(5), || upstream.begun() > 0);
    kill(&gateway, "deny");
    go_on.send(()).expect("the upstream waits");
    assert_eq!(wire.response("GET").expect("an answer comes").status(), 503);
}

#[test]
fn a_request_that_the_plugin_has_finished_with_is_not_touched() {
    let (upstream, go_on) = slow(true);
    let gateway = gateway(&guarding(""), &upstream, "deny");
    let mut wire = gateway.connect();
    wire.write(get("/slow").bytes()).expect("the gateway reads");
    eventually("it is at the upstream", Duration::from_secs(5), || upstream.begun() > 0);
    kill(&gateway, "deny");
    go_on.send(()).expect("the upstream waits");
    let response = wire.response("GET").expect("an answer comes");
    assert_eq!((response.status(), &*response.text()), (200, "abcdef"));
}

#[test]
fn a_stream_that_a_plugin_closes_is_logged_as_that() {
    let upstream = Upstream::fixed("answer");
    let folder = tempfile::tempdir().expect("a folder");
    let plugins = folder.path().join("plugins");
    std::fs::create_dir(&plugins).expect("a folder");
    install(&plugins, "raw", &module("raw"));
    let log = folder.path().join("access.log");
    let gateway = Gateway::start_in(
        folder,
        json!({
            "access_log": { "path": log.to_str() },
            "upstreams": { "app": { "endpoints": [upstream.address().to_string()] } },
            "plugins": { "raw": { "module": "raw" } },
            "global_chain": ["raw"],
        }),
    );
    let mut wire = gateway.connect();
    let closing = get("/closed")
        .header("x-token", "t")
        .header("x-script", "@request_headers ; close_stream 0");
    wire.write(closing.bytes()).expect("the gateway reads");
    assert!(wire.rest().unwrap_or_default().is_empty(), "no response");
    let line = || {
        let text = std::fs::read_to_string(&log).unwrap_or_default();
        text.lines().find(|line| line.contains("/closed")).map(str::to_owned)
    };
    eventually("it is logged", Duration::from_secs(5), || line().is_some());
    let line: serde_json::Value = serde_json::from_str(&line().expect("a line")).expect("JSON");
    assert_eq!(line["abort_reason"], "plugin_closed", "{line}");
    let counted = |status| gateway.metrics().sum("lockgate_requests_total", &[("status", status)]);
    assert!((counted("444") - 1.0).abs() < f64::EPSILON && counted("499").abs() < f64::EPSILON);
}
