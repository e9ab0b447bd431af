//! Local responses, continuing, closing, effective contexts.

use lockgate_sandbox::Action;

use super::test_vm::{WakeCounter, exchange, guest, log_of_refused_request, on_request_headers, plugin};

/// `x-a: b` as a header map at 100, 19 bytes; "hello" at 0, "why" at 16.
const DATA: &str = r#"(data (i32.const 0) "hello") (data (i32.const 16) "why")
    (data (i32.const 100) "\01\00\00\00\03\00\00\00\01\00\00\00x-a\00b\00")"#;

fn respond(code: i32, headers_len: i32, grpc: i32) -> String {
    format!(
        "(call $respond (i32.const {code}) (i32.const 16) (i32.const 3) (i32.const 0) (i32.const 5)
           (i32.const 100) (i32.const {headers_len}) (i32.const {grpc}))"
    )
}

#[test]
fn a_local_response_is_noted_with_all_it_has_and_where_it_comes_from() {
    let wasm = on_request_headers(&format!("(call $log_number {})", respond(403, 18, -1)), DATA);
    let exchange = exchange();
    exchange.borrow_mut().position = 3;
    let wakes = WakeCounter::register(&exchange);
    assert_eq!(plugin(&wasm).start().request(&exchange), ["0"]);
    let response = exchange.borrow_mut().pending.local_response.take().unwrap();
    assert_eq!(
        (response.status.as_u16(), &*response.details, &response.body[..]),
        (403, "why", &b"hello"[..])
    );
    assert_eq!(
        (
            response.headers["x-a"].to_str().unwrap(),
            response.grpc_status,
            response.position
        ),
        ("b", None, 3)
    );
    assert_eq!(
        wakes.count(),
        0,
        "the pipeline is the one that called, so nobody has to be woken"
    );
}

#[test]
fn a_grpc_status_other_than_minus_one_is_set() {
    let wasm = on_request_headers(&format!("(call $log_number {})", respond(200, 0, 16)), DATA);
    let exchange = exchange();
    assert_eq!(plugin(&wasm).start().request(&exchange), ["0"]);
    assert_eq!(
        exchange.borrow().pending.local_response.as_ref().unwrap().grpc_status,
        Some(16)
    );
}

#[test]
fn answers_that_are_none_are_bad_arguments() {
    for code in [0, -1, 100, 101, 199, 600, 65736] {
        assert_eq!(
            log_of_refused_request(&on_request_headers(
                &format!("(call $log_number {})", respond(code, 0, -1)),
                DATA
            )),
            ["2"]
        );
    }
    // A map that ends in the middle, and one with a space in a name.
    let odd = DATA.replace("x-a\\00b", "x a\\00b");
    for (data, length) in [(DATA, 11), (&*odd, 18)] {
        let body = format!("(call $log_number {})", respond(200, length, -1));
        assert_eq!(log_of_refused_request(&on_request_headers(&body, data)), ["2"]);
    }
}

#[test]
fn framing_headers_of_a_local_response_are_left_out() {
    let data = DATA
        .replace("x-a\\00b", "te\\00bc")
        .replace("\\03\\00\\00\\00\\01", "\\02\\00\\00\\00\\02");
    let body = format!("(call $log_number {})", respond(403, 18, -1));
    let exchange = exchange();
    let said = plugin(&on_request_headers(&body, &data)).start().request(&exchange);
    assert_eq!(said, ["0"]);
    let response = exchange.borrow_mut().pending.local_response.take().unwrap();
    assert_eq!((response.status.as_u16(), response.headers.get("te")), (403, None));
}

#[test]
fn the_first_local_response_counts() {
    let body = format!(
        "(call $log_number {}) (call $log_number {})",
        respond(401, 0, -1),
        respond(402, 0, -1)
    );
    let exchange = exchange();
    assert_eq!(
        plugin(&on_request_headers(&body, DATA)).start().request(&exchange),
        ["0", "0"]
    );
    assert_eq!(exchange.borrow().pending.local_response.as_ref().unwrap().status, 401);
}

#[test]
fn continuing_and_closing_are_noted_for_the_plugins_own_place() {
    let body = "(call $log_number (call $continue (i32.const 0))) (call $log_number (call $continue (i32.const 1)))
                (call $log_number (call $close (i32.const 0))) (call $log_number (call $continue (i32.const 2)))
                (call $log_number (call $continue (i32.const 9))) (call $log_number (call $close (i32.const 3)))";
    let exchange = exchange();
    exchange.borrow_mut().position = 2;
    assert_eq!(
        plugin(&on_request_headers(body, "")).start().request(&exchange),
        ["0", "0", "0", "0", "2", "0"]
    );
    let asked = &mut exchange.borrow_mut().pending;
    assert!(asked.resume_request.take(2) && asked.resume_response.take(2) && asked.close.take(2));
    assert!(asked.resume_request.is_empty() && asked.resume_response.is_empty());
}

#[test]
fn a_tick_resumes_a_waiting_stream_and_wakes_its_pipeline() {
    let wasm = guest(
        r#"(global $waiting (mut i32) (i32.const 0))
           (func (export "proxy_on_configure") (param i32 i32) (result i32)
             (call $log_number (call $set_tick (i32.const 250))) (i32.const 1))
           (func (export "proxy_on_request_headers") (param $id i32) (param i32 i32) (result i32)
             (global.set $waiting (local.get $id)) (i32.const 1))
           (func (export "proxy_on_tick") (param i32)
             (call $log_number (call $continue (i32.const 0)))
             (call $log_number (call $set_effective (global.get $waiting)))
             (call $log_number (call $continue (i32.const 0)))
             (call $log_number (call $set_effective (i32.const 77)))
             (call $log_number (call $set_effective (i32.const 1))))"#,
    );
    let test = plugin(&wasm).start();
    let exchange = exchange();
    exchange.borrow_mut().position = 4;
    let stream = test.open(&exchange);
    assert_eq!(stream.request_headers(true).unwrap(), Action::Pause);
    // The chain is calling another plugin's callback of the same exchange.
    exchange.borrow_mut().position = 5;
    let wakes = WakeCounter::register(&exchange);
    let (target, period) = test.host.tick.borrow().clone().unwrap();
    assert_eq!(period.unwrap().as_millis(), 250);
    assert!(target.tick());
    assert_eq!(
        test.host.text_lines(),
        ["0", "1", "0", "0", "2", "0"],
        "the root has no stream to continue"
    );
    assert!(
        exchange.borrow_mut().pending.resume_request.take(4),
        "the place where the stream was opened"
    );
    assert_eq!(wakes.count(), 1);
}

#[test]
fn an_unknown_action_holds_the_stream() {
    let wasm = guest(r#"(func (export "proxy_on_request_headers") (param i32 i32 i32) (result i32) (i32.const 7))"#);
    assert_eq!(
        plugin(&wasm).start().open(&exchange()).request_headers(true).unwrap(),
        Action::Pause
    );
}
