//! gRPC's own implementation on both sides of the gateway: plugins call it and hold streams with it, and its client calls it through
//! the gateway. What `grpc.rs` and the conformance cases try against the server of these tests holds for the one that others use.

use lockgate_tests::grpcio::{self, Server};
use lockgate_tests::upstream::eventually;
use lockgate_tests::{Gateway, Upstream, get};
use serde_json::json;
use std::path::PathBuf;
use std::time::Duration;

/// The interpreter, or `None` and a line that cannot be overlooked.
fn real() -> Option<PathBuf> {
    let found = grpcio::interpreter();
    if let Err(reason) = &found {
        eprintln!("\n########## grpcio CANNOT BE INSTALLED: its tests are SKIPPED ##########\n{reason}");
    }
    found.ok()
}

/// A gateway before the server: for its own calls, and with a plugin that makes some.
struct Between {
    gateway: Gateway,
    _app: Upstream,
}

impl Between {
    fn start(server: &Server) -> Self {
        let app = Upstream::fixed("fine");
        let gateway = Gateway::start(json!({
            "upstreams": {
                "app": { "endpoints": [app.address().to_string()] },
                "real": { "endpoints": [server.address().to_string()], "protocol": "http2" },
            },
            "plugins": { "raw": { "module": "raw" } },
            "routes": [
                { "name": "calls", "match": { "path_prefix": "/test.Real" }, "upstream": "real" },
                { "name": "all", "match": {}, "chain": ["raw"], "upstream": "app" },
            ],
        }));
        Self { gateway, _app: app }
    }

    /// Sends a request whose plugin does what `script` says, and answers what the plugin was told until it was told `last`.
    fn told(&self, name: &str, script: &[&str], last: &str) -> String {
        let answer = self
            .gateway
            .send(get("/").header("x-token", name).header("x-script", &script.join(" ; ")));
        assert_eq!(answer.status(), 200, "{name}");
        let mut report = String::new();
        eventually(last, Duration::from_secs(5), || {
            report = self.gateway.send(get("/").header("x-report", name)).text();
            report.contains(last)
        });
        report
    }

    /// The same for one call, whose answer or end lets the request go on.
    fn call(&self, name: &str, call: &str, script: &[&str]) -> String {
        let whole = [&["@request_headers", call, "return 1"], script].concat();
        self.told(name, &whole, "delete.called")
    }
}

#[track_caller]
fn assert_reports(report: &str, lines: &[&str]) {
    for line in lines {
        assert!(report.lines().any(|told| told == *line), "{line} is not in\n{report}");
    }
}

const RECEIVED: &[&str] = &[
    "@grpc_receive",
    "get_buffer_bytes 5 0 100 >text",
    "get_buffer_status 5 >u32 >u32",
    "continue_stream 0",
];

const FAILED: &[&str] = &["@grpc_close", "get_status >u32 >text", "continue_stream 0"];

#[test]
fn a_plugins_calls_are_answered() {
    let Some(interpreter) = real() else { return };
    let server = Server::start(&interpreter);
    let between = Between::start(&server);
    let received = |name: &str, method: &str, message: &str, bytes: &str, length: usize| {
        let call = format!("grpc_call 'real' 'test.Real' '{method}' {{x-c-asked=yes}} {message} 5000 >call");
        let report = between.call(name, &call, RECEIVED);
        let bytes = format!("grpc_receive.get_buffer_bytes 5 0 100 >text = 0 {bytes}");
        let length = format!("grpc_receive.get_buffer_status 5 >u32 >u32 = 0 {length} 0");
        assert_reports(&report, &[&bytes, &length]);
        assert!(!report.contains("grpc_close"), "{report}");
    };
    received("ok", "Unary", "'hello'", "\"hello\"", 5);
    received("empty", "Unary", "''", "\"\"", 0);
    received("asked", "Asked", "''", "\"x-c-asked=yes seconds=5\"", 23);
    received("up", "Size", "'m'*2000000", "\"2000000\"", 7);
    let all = format!("\"{}\"... 100 bytes", "m".repeat(64));
    received("down", "Large", "'2000000'", &all, 2_000_000);
}

#[test]
fn a_plugins_calls_fail_with_the_servers_status() {
    let Some(interpreter) = real() else { return };
    let server = Server::start(&interpreter);
    let between = Between::start(&server);
    let failed = |name: &str, method: &str, message: &str, time: u32, status: u32, told: &str| {
        let call = format!("grpc_call 'real' 'test.Real' '{method}' {{}} '{message}' {time} >call");
        let report = between.call(name, &call, &[RECEIVED, FAILED].concat());
        let closed = format!("grpc_close.called = status {status}");
        let text = format!("grpc_close.get_status >u32 >text = 0 {status} \"{told}\"");
        assert_reports(&report, &[&closed, &text]);
        assert!(!report.contains("grpc_receive"), "{report}");
    };
    failed("fails", "Fail", "", 5000, 7, "no way: 50%25 of %c3%a4");
    failed("unknown", "Nothing", "", 5000, 12, "Method not found!");
    // More than a plugin may get.
    failed(
        "huge",
        "Large",
        "5000000",
        5000,
        8,
        "the message is larger than a plugin may get",
    );
    // Who says so first, the server or the gateway, is nobody's promise.
    let slow = "grpc_call 'real' 'test.Real' 'Silence' {} 'slow' 300 >call";
    let report = between.call("slow", slow, &[RECEIVED, FAILED].concat());
    assert_reports(&report, &["grpc_close.called = status 4"]);
    server.says("over slow");
}

#[test]
fn a_plugins_streams_get_metadata_messages_and_the_end_in_order() {
    let Some(interpreter) = real() else { return };
    let server = Server::start(&interpreter);
    let between = Between::start(&server);
    let sections = [
        "@grpc_receive_initial_metadata",
        "get_header_map_value 4 ':status' >text",
        "@grpc_receive",
        "get_buffer_bytes 5 0 100 >text",
        "@grpc_receive_trailing_metadata",
        "get_header_map_value 5 'x-c-trailing' >text",
        "get_header_map_value 5 'x-c-some-bin' >text",
        "get_header_map_value 5 'grpc-status' >text",
        "@grpc_close",
        "get_status >u32 >text",
        "continue_stream 0",
    ];
    let stream = |name: &str, method: &str, sends: &[&str]| {
        let open = format!("grpc_stream 'real' 'test.Real' '{method}' {{}} >stream");
        let script = [&["@request_headers", &open], sends, &["return 1"], &sections].concat();
        let report = between.told(name, &script, "delete.called");
        let told = report.lines().filter(|line| {
            line.starts_with("grpc_") && ![".called", "continue_stream"].iter().any(|dull| line.contains(dull))
        });
        told.map(String::from).collect::<Vec<_>>()
    };
    let received = |messages: &[&str]| {
        let message = |text: &&str| format!("grpc_receive.get_buffer_bytes 5 0 100 >text = 0 \"{text}\"");
        messages.iter().map(message).collect::<Vec<_>>()
    };
    let frame = |messages: &[&str], status: u32, text: &str| {
        let trailing = |name: &str, value: &str| {
            format!("grpc_receive_trailing_metadata.get_header_map_value 5 '{name}' >text = 0 \"{value}\"")
        };
        let mut told = vec!["grpc_receive_initial_metadata.get_header_map_value 4 ':status' >text = 0 \"200\"".into()];
        told.extend(received(messages));
        told.push(trailing("x-c-trailing", "last"));
        told.push(trailing("x-c-some-bin", "AAH/"));
        told.push(trailing("grpc-status", &status.to_string()));
        told.push(format!("grpc_close.get_status >u32 >text = 0 {status} \"{text}\""));
        told
    };
    assert_eq!(
        stream("many", "Count", &["grpc_send $stream '5' 1"]),
        frame(&["1", "2", "3", "4", "5"], 0, "")
    );
    let sends = [
        "grpc_send $stream 'one' 0",
        "grpc_send $stream '' 0",
        "grpc_send $stream 'two' 0",
        "grpc_close $stream",
    ];
    assert_eq!(stream("both", "Chat", &sends), frame(&["one", "", "two"], 0, ""));
    let sends = ["grpc_send $stream 'one' 0", "grpc_send $stream 'fail' 0"];
    assert_eq!(stream("lost", "Chat", &sends), frame(&["one"], 15, "lost"));
}

#[test]
fn a_stream_cancelled_by_a_plugin_or_its_client_ends_at_the_server() {
    let Some(interpreter) = real() else { return };
    let server = Server::start(&interpreter);
    let between = Between::start(&server);
    let hang =
        |name: &str| format!("grpc_stream 'real' 'test.Real' 'Hang' {{}} >stream ; grpc_send $stream '{name}' 1");
    let script = [
        "@request_headers",
        &hang("cancelled"),
        "return 1",
        "@grpc_receive",
        "get_buffer_bytes 5 0 100 >text",
        "grpc_cancel $stream",
        "continue_stream 0",
    ];
    let report = between.told("cancelled", &script, "delete.called");
    assert_reports(
        &report,
        &[
            "grpc_receive.get_buffer_bytes 5 0 100 >text = 0 \"cancelled\"",
            "grpc_receive.grpc_cancel $stream = 0",
        ],
    );
    assert!(!report.contains("grpc_close"), "{report}");
    server.says("over cancelled");
    // The request goes on when the server is known to be at it; with the request's end goes the stream.
    let script = [
        "@request_headers",
        &hang("left behind"),
        "return 1",
        "@grpc_receive",
        "continue_stream 0",
    ];
    between.told("left behind", &script, "delete.called");
    server.says("over left behind");
}

#[test]
fn a_broken_connection_ends_its_streams_and_the_next_call_reconnects() {
    let Some(interpreter) = real() else { return };
    let server = Server::start(&interpreter);
    let between = Between::start(&server);
    let script = [
        "@request_headers",
        "grpc_stream 'real' 'test.Real' 'Die' {} >stream",
        "grpc_send $stream 'last words' 1",
        "return 1",
        "@grpc_receive",
        "get_buffer_bytes 5 0 100 >text",
        "@grpc_close",
        "get_status >u32 >text",
        "continue_stream 0",
    ];
    let report = between.told("dies", &script, "delete.called");
    assert_reports(
        &report,
        &[
            "grpc_receive.get_buffer_bytes 5 0 100 >text = 0 \"last words\"",
            "grpc_close.get_status >u32 >text = 0 14 \"the answer broke off\"",
        ],
    );
    let call = "grpc_call 'real' 'test.Real' 'Unary' {} 'hello' 5000 >call";
    let report = between.call("nobody", call, &[RECEIVED, FAILED].concat());
    assert_reports(&report, &["grpc_close.called = status 14"]);
    let _server = Server::start_again(&interpreter, &server);
    let report = between.call("again", call, &[RECEIVED, FAILED].concat());
    assert_reports(&report, &["grpc_receive.get_buffer_bytes 5 0 100 >text = 0 \"hello\""]);
}

#[test]
fn client_and_server_see_the_same_through_the_gateway_as_without_it() {
    let Some(interpreter) = real() else { return };
    let server = Server::start(&interpreter);
    let between = Between::start(&server);
    let through = grpcio::client(&interpreter, between.gateway.address());
    // What the client has given up is over, though the gateway is still there.
    server.says("over late");
    server.says("over left");
    assert_eq!(through, grpcio::client(&interpreter, server.address()));
    assert_eq!(through.lines().count(), 12, "{through}");
    assert!(
        through.contains("fail PERMISSION_DENIED no way: 50% of \u{e4} x-c-some-bin="),
        "{through}"
    );
    assert!(through.contains("late DEADLINE_EXCEEDED"), "{through}");
}
