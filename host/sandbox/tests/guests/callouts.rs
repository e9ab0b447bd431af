//! Callouts: the request, the response, and the stream that gets it.

use bytes::Bytes;
use http::{HeaderMap, HeaderValue, StatusCode};
use lockgate_exchange::ResponseHead;
use lockgate_sandbox::{Action, CalloutFailure, CalloutResponse, GrpcEvent, Stream};

use super::test_vm::{TestVm, WakeCounter, exchange, guest, plugin};

/// Appends a header map to linear memory at 4096 and returns its length.
fn map(pairs: &[(&str, &str)]) -> (String, usize) {
    let borrowed = pairs.iter().map(|(name, value)| (name.as_bytes(), value.as_bytes()));
    let mut bytes = vec![0; lockgate_abi::encoded_len(borrowed.clone())];
    lockgate_abi::encode_pairs(borrowed, &mut bytes).unwrap();
    let text: String = bytes.iter().map(|byte| format!("\\{byte:02x}")).collect();
    (format!("(data (i32.const 4096) \"{text}\")"), bytes.len())
}

const HEAD: [(&str, &str); 4] = [
    (":method", "POST"),
    (":path", "/check"),
    (":authority", "auth"),
    ("x-a", "b"),
];

/// A guest that makes a callout in its request headers callback and pauses. On the response it logs ids, sizes, the body and a
/// header, and resumes the stream of the callout.
fn calling(upstream: &str, head: &[(&str, &str)]) -> Vec<u8> {
    let (data, length) = map(head);
    guest(&format!(
        r#"{data} (data (i32.const 0) "{upstream}") (data (i32.const 64) "body") (data (i32.const 80) "x-verdict")
           (data (i32.const 96) ":status")
           (global $asking (mut i32) (i32.const 0))
           (func (export "proxy_on_request_headers") (param $id i32) (param i32 i32) (result i32)
             (global.set $asking (local.get $id))
             (call $log_number (call $http_call (i32.const 0) (i32.const {}) (i32.const 4096) (i32.const {length})
                          (i32.const 64) (i32.const 4) (i32.const 0) (i32.const 0) (i32.const 1500) (i32.const 3000)))
             (call $log_number (i32.load (i32.const 3000)))
             (i32.const 1))
           (func (export "proxy_on_http_call_response") (param $root i32) (param $call i32) (param i32 i32 i32)
             (call $log_number (local.get $root)) (call $log_number (local.get $call))
             (call $log_number (local.get 2)) (call $log_number (local.get 3)) (call $log_number (local.get 4))
             (call $log_number (call $get_status (i32.const 3000) (global.get $got) (global.get $len)))
             (call $log_number (i32.load (i32.const 3000))) (call $log_result)
             (drop (call $set_effective (global.get $asking)))
             (call $log_number (call $get_buffer (i32.const 4) (i32.const 0) (i32.const -1) (global.get $got) (global.get $len)))
             (call $log_result)
             (call $log_number (call $get (i32.const 6) (i32.const 80) (i32.const 9) (global.get $got) (global.get $len)))
             (call $log_result)
             (call $log_number (call $get (i32.const 6) (i32.const 96) (i32.const 7) (global.get $got) (global.get $len)))
             (call $log_result)
             (call $log_number (call $continue (i32.const 0))))"#,
        upstream.len()
    ))
}

fn response() -> CalloutResponse {
    let mut headers = HeaderMap::new();
    headers.insert("x-verdict", HeaderValue::from_static("fine"));
    CalloutResponse {
        status: StatusCode::OK,
        headers,
        body: Bytes::from_static(b"answer"),
        trailers: None,
    }
}

#[test]
fn a_callout_is_sent_whole_and_its_response_resumes_its_stream() {
    let TestVm { vm, host } = plugin(&calling("known", &HEAD)).start();
    let exchange = exchange();
    let stream = vm.open(&exchange).unwrap();
    assert_eq!(stream.request_headers(true).unwrap(), Action::Pause);
    assert_eq!(host.text_lines(), ["0", "1"]);
    {
        let callouts = host.callouts.borrow();
        let (callout, _) = &callouts[0];
        assert_eq!(
            (callout.head.method.as_str(), callout.head.path.as_str()),
            ("POST", "/check")
        );
        assert_eq!(
            (&callout.head.authority, &callout.head.headers["x-a"]),
            (&"auth".parse().unwrap(), &"b".parse().unwrap())
        );
        assert_eq!((&callout.body[..], callout.timeout.as_millis()), (&b"body"[..], 1500));
        assert!(callout.trailers.is_none());
    }
    let wakes = WakeCounter::register(&exchange);
    let reply = host.reply(0);
    assert!(reply.is_wanted());
    reply.deliver(Ok(response()));
    let said = host.text_lines();
    assert_eq!(
        said[2..9],
        ["1", "1", "2", "6", "0", "0", "0"],
        "root, id, sizes, status 0"
    );
    assert_eq!(said[9..], ["", "0", "answer", "0", "fine", "0", "200", "0"]);
    assert!(exchange.borrow_mut().pending.resume_request.take(0));
    assert_eq!(wakes.count(), 1);
}

#[test]
fn failure_and_timeout_have_empty_responses_and_different_statuses() {
    for (failure, code, message) in [
        (CalloutFailure::Timeout, "4", "timeout"),
        (CalloutFailure::Failed, "14", "upstream failed"),
    ] {
        let TestVm { vm, host } = plugin(&calling("known", &HEAD)).start();
        let stream = vm.open(&exchange()).unwrap();
        stream.request_headers(true).unwrap();
        host.reply(0).deliver(Err(failure));
        let said = host.text_lines();
        assert_eq!(said[2..10], ["1", "1", "0", "0", "0", "0", code, message]);
        assert_eq!(
            said[10..],
            ["1", message, "1", message, "1", message, "0"],
            "no body, no headers: not found"
        );
    }
}

#[test]
fn a_dropped_reply_fails_the_callout() {
    let TestVm { vm, host } = plugin(&calling("known", &HEAD)).start();
    let stream = vm.open(&exchange()).unwrap();
    stream.request_headers(true).unwrap();
    drop(host.reply(0));
    assert_eq!(host.text_lines()[8], "14");
    assert!(!stream.is_lost());
}

#[test]
fn an_immediate_response_is_delivered_after_http_call_has_returned() {
    let TestVm { vm, host } = plugin(&calling("known", &HEAD)).start();
    host.fails_callouts_at_once.set(true);
    let stream = vm.open(&exchange()).unwrap();
    stream.request_headers(true).unwrap();
    assert_eq!(host.text_lines()[..4], ["0", "1", "1", "1"]);
}

#[test]
fn a_stream_that_ends_cancels_its_callouts() {
    let TestVm { vm, host } = plugin(&calling("known", &HEAD)).start();
    let stream = vm.open(&exchange()).unwrap();
    stream.request_headers(true).unwrap();
    drop(stream);
    let reply = host.reply(0);
    assert!(!reply.is_wanted());
    reply.deliver(Ok(response()));
    assert_eq!(host.text_lines(), ["0", "1"]);
}

#[test]
fn a_response_for_a_vm_that_is_gone_is_dropped() {
    let TestVm { vm, host } = plugin(&calling("known", &HEAD)).start();
    let stream = vm.open(&exchange()).unwrap();
    stream.request_headers(true).unwrap();
    let reply = host.reply(0);
    drop((stream, vm));
    assert!(!reply.is_wanted());
    reply.deliver(Ok(response()));
    assert_eq!(host.text_lines().len(), 2);
}

#[test]
fn unknown_upstreams_and_incomplete_or_smuggling_heads_are_bad_arguments() {
    let heads: [&[(&str, &str)]; 6] = [
        &HEAD[1..],
        &[HEAD[0], HEAD[2]],
        &HEAD[..2],
        &[],
        &[HEAD[0], HEAD[1], HEAD[2], ("x-a", "b\r\nx-c: d")],
        &[HEAD[0], HEAD[1], (":authority", "a b")],
    ];
    for head in heads {
        assert_eq!(
            plugin(&calling("known", head)).start().request(&exchange()),
            ["2", "0"],
            "{head:?}"
        );
    }
    assert_eq!(
        plugin(&calling("unknown", &HEAD)).start().request(&exchange()),
        ["2", "0"]
    );
}

#[test]
fn a_callout_leaves_out_what_belongs_to_the_clients_framing_and_connection() {
    for field in [
        ("content-length", "4"),
        ("content-length", "5"),
        ("transfer-encoding", "chunked"),
        ("te", "trailers"),
        ("connection", "keep-alive"),
        ("http2-settings", "AAMAAABk"),
    ] {
        let test = plugin(&calling("known", &[HEAD[0], HEAD[1], HEAD[2], field])).start();
        assert_eq!(test.request(&exchange()), ["0", "1"], "{field:?}");
        let callouts = test.host.callouts.borrow();
        assert!(!callouts[0].0.head.headers.contains_key(field.0), "{field:?}");
    }
    let unnamed = [HEAD[0], HEAD[1], (":authority", ""), ("x-a", "b")];
    let test = plugin(&calling("known", &unnamed)).start();
    assert_eq!(test.request(&exchange()), ["0", "1"]);
    assert_eq!(
        test.host.callouts.borrow()[0].0.head.authority,
        "known",
        "the upstream's name"
    );
}

#[test]
fn what_a_host_does_for_a_stream_ends_with_it() {
    let TestVm { vm, host } = plugin(&calling("known", &HEAD)).start();
    let streams: Vec<_> = (0..3).map(|_| vm.open(&exchange()).unwrap()).collect();
    for stream in &streams {
        stream.request_headers(true).unwrap();
    }
    assert_eq!(host.guards.get(), 3);
    drop(streams);
    assert_eq!(host.guards.get(), 0, "the callouts have ended with their streams");
}

#[test]
fn a_response_ends_its_callout_and_a_vm_takes_all_of_them_with_it() {
    let TestVm { vm, host } = plugin(&calling("known", &HEAD)).start();
    let streams = [vm.open(&exchange()).unwrap(), vm.open(&exchange()).unwrap()];
    for stream in &streams {
        stream.request_headers(true).unwrap();
    }
    host.reply(0).deliver(Ok(response()));
    assert_eq!(host.guards.get(), 1);
    drop((vm, streams));
    assert_eq!(host.guards.get(), 0);
}

#[test]
fn callouts_in_progress_are_limited_and_the_limit_is_logged() {
    let test = plugin(&calling("known", &HEAD))
        .with(|settings| settings.limits.callouts = 2)
        .start();
    let streams: Vec<_> = (0..3).map(|_| test.open(&exchange())).collect();
    for stream in &streams {
        stream.request_headers(true).unwrap();
    }
    assert_eq!(
        test.host.text_lines(),
        ["0", "1", "0", "2", "10", "2"],
        "the third is refused, and changes no out-pointer"
    );
    drop(streams);
    assert_eq!(test.request(&exchange()), ["0", "3"]);
}

#[test]
fn a_wild_out_pointer_is_an_error_before_anything_is_sent() {
    let (data, length) = map(&HEAD);
    let wasm = guest(&format!(
        r#"{data} (data (i32.const 0) "known")
           (func (export "proxy_on_request_headers") (param i32 i32 i32) (result i32)
             (call $log_number (call $http_call (i32.const 0) (i32.const 5) (i32.const 4096) (i32.const {length})
                          (i32.const 0) (i32.const 0) (i32.const 0) (i32.const 0) (i32.const 0) (i32.const -1)))
             (i32.const 0))"#
    ));
    let test = plugin(&wasm).start();
    assert_eq!(test.request(&exchange()), ["6"]);
    assert!(test.host.callouts.borrow().is_empty());
}

/// A guest that opens a call or a stream to `known` and logs every event.
fn grpc(open: &str) -> Vec<u8> {
    let event = |name: &str, body: &str| {
        format!(
            "(func (export \"proxy_on_grpc_{name}\") (param $root i32) (param $id i32) (param $n i32)
               (call $log_number (local.get $root)) (call $log_number (local.get $id)) (call $log_number (local.get $n)) {body})"
        )
    };
    guest(&format!(
        r#"(data (i32.const 0) "knownservicemethod") (data (i32.const 64) "message") (data (i32.const 80) "x-meta")
           {} {} {} {}
           (func (export "proxy_on_request_headers") (param i32 i32 i32) (result i32) {open} (i32.const 1))"#,
        event(
            "receive_initial_metadata",
            "(drop (call $get (i32.const 4) (i32.const 80) (i32.const 6) (global.get $got) (global.get $len))) (call $log_result)"
        ),
        event(
            "receive",
            "(drop (call $get_buffer (i32.const 5) (i32.const 0) (i32.const -1) (global.get $got) (global.get $len))) (call $log_result)"
        ),
        event(
            "receive_trailing_metadata",
            "(drop (call $get (i32.const 5) (i32.const 80) (i32.const 6) (global.get $got) (global.get $len))) (call $log_result)"
        ),
        event(
            "close",
            "(drop (call $get_status (i32.const 3000) (global.get $got) (global.get $len))) (call $log_number (i32.load (i32.const 3000))) (call $log_result)"
        ),
    ))
}

const CALL: &str =
    "(call $log_number (call $grpc_call (i32.const 0) (i32.const 5) (i32.const 5) (i32.const 7) (i32.const 12) (i32.const 6)
    (i32.const 0) (i32.const 0) (i32.const 64) (i32.const 7) (i32.const 1500) (i32.const 3000)))";
const STREAM: &str =
    "(call $log_number (call $grpc_stream (i32.const 0) (i32.const 5) (i32.const 5) (i32.const 7) (i32.const 12) (i32.const 6)
    (i32.const 0) (i32.const 0) (i32.const 3000)))";

fn metadata() -> HeaderMap {
    HeaderMap::from_iter([(
        http::HeaderName::from_static("x-meta"),
        HeaderValue::from_static("data"),
    )])
}

#[test]
fn a_grpc_call_delivers_its_message_or_its_failure_once() {
    let test = plugin(&grpc(CALL)).start();
    let streams = [test.open(&exchange()), test.open(&exchange())];
    streams.iter().for_each(|stream| {
        stream.request_headers(true).unwrap();
    });
    let mut calls = test.host.grpc.take();
    assert_eq!(calls[0].call.path.as_str(), "/service/method");
    assert!(streams.iter().all(Stream::has_open_callout));
    test.host.lines.borrow_mut().clear();
    let (failed, well) = (calls.pop().unwrap(), calls.pop().unwrap());
    well.reply.finish(Bytes::from_static(b"answer"));
    drop(failed.reply);
    assert_eq!(
        test.host.text_lines(),
        ["1", "1", "6", "answer", "1", "2", "14", "14", "the upstream was lost"]
    );
    assert!(!streams.iter().any(Stream::has_open_callout));
}

#[test]
fn a_grpc_stream_delivers_all_events_and_accepts_messages_until_it_is_closed() {
    let steps = "(call $log_number (call $grpc_send (i32.const 1) (i32.const 64) (i32.const 7) (i32.const 0)))
        (call $log_number (call $grpc_close (i32.const 1)))
        (call $log_number (call $grpc_send (i32.const 1) (i32.const 64) (i32.const 7) (i32.const 0)))
        (call $log_number (call $grpc_send (i32.const 9) (i32.const 64) (i32.const 7) (i32.const 0)))
        (call $log_number (call $grpc_cancel (i32.const 9)))";
    let test = plugin(&grpc(&format!("{STREAM} {steps}"))).start();
    let stream = test.open(&exchange());
    stream.request_headers(true).unwrap();
    assert_eq!(test.host.text_lines(), ["0", "0", "0", "2", "1", "1"]);
    let mut open = test.host.grpc.take().pop().unwrap();
    assert_eq!(*open.sent.borrow(), ["message", "closed"]);
    test.host.lines.borrow_mut().clear();
    let head = ResponseHead {
        status: StatusCode::OK,
        headers: metadata(),
    };
    open.reply.deliver(GrpcEvent::Initial(Some(head)));
    open.reply.deliver(GrpcEvent::Message(Bytes::from_static(b"one")));
    open.reply.deliver(GrpcEvent::Trailing(metadata()));
    let message = String::from("said");
    open.reply.deliver(GrpcEvent::Closed { status: 5, message });
    assert_eq!(
        test.host.text_lines(),
        [
            "1", "1", "2", "data", "1", "1", "3", "one", "1", "1", "1", "data", "1", "1", "5", "5", "said"
        ]
    );
}

#[test]
fn a_call_or_stream_can_be_ended_once_more_in_its_last_callback() {
    for end in ["$grpc_cancel", "$grpc_close"] {
        let own = format!("(call $log_number (call {end} (local.get $id)))");
        let wasm = |open: &str| {
            guest(&format!(
                r#"(data (i32.const 0) "knownservicemethod") (data (i32.const 64) "message")
                   (func (export "proxy_on_grpc_receive") (param i32) (param $id i32) (param i32) {own})
                   (func (export "proxy_on_grpc_close") (param i32) (param $id i32) (param i32) {own})
                   (func (export "proxy_on_request_headers") (param i32 i32 i32) (result i32) {open} (i32.const 1))
                   (func (export "proxy_on_request_body") (param i32 i32 i32) (result i32)
                     (call $log_number (call {end} (i32.const 1))) (i32.const 1))"#
            ))
        };
        let ends: [(&str, GrpcEvent); 3] = [
            (CALL, GrpcEvent::Message(Bytes::new())),
            (
                CALL,
                GrpcEvent::Closed {
                    status: 14,
                    message: String::new(),
                },
            ),
            (
                STREAM,
                GrpcEvent::Closed {
                    status: 0,
                    message: String::new(),
                },
            ),
        ];
        for (open, event) in ends {
            let test = plugin(&wasm(open)).start();
            let stream = test.open(&exchange());
            stream.request_headers(true).unwrap();
            test.host.lines.borrow_mut().clear();
            test.host.grpc.take().pop().unwrap().reply.deliver(event);
            stream.request_body(true).unwrap();
            assert_eq!(
                test.host.text_lines(),
                ["0", "1"],
                "{end}: in the callback, and after it"
            );
        }
    }
}

#[test]
fn what_a_context_has_opened_goes_with_it() {
    let test = plugin(&grpc(STREAM)).start();
    let stream = test.open(&exchange());
    stream.request_headers(true).unwrap();
    let mut open = test.host.grpc.take().pop().unwrap();
    test.host.lines.borrow_mut().clear();
    drop(stream);
    assert_eq!(*open.sent.borrow(), ["cancelled"]);
    open.reply.deliver(GrpcEvent::Message(Bytes::new()));
    assert!(test.host.text_lines().is_empty());
}

#[test]
fn an_upstream_that_is_not_known_is_a_parse_failure() {
    let zeros = "(i32.const 0) ".repeat(12);
    let wasm = grpc(&format!(
        "(call $log_number (call $grpc_call {zeros})) {}",
        STREAM.replacen("(i32.const 5)", "(i32.const 4)", 1)
    ));
    assert_eq!(plugin(&wasm).start().request(&exchange()), ["4", "4"]);
}
