//! Buffers: bodies in their own callbacks, configurations, unusual ranges.

use bytes::Bytes;
use lockgate_sandbox::Action;

use super::test_vm::{exchange, guest, log_of_request, on_request_headers, plugin};

#[test]
fn bodies_are_absent_outside_of_their_callbacks_and_unknown_buffers_are_bad_arguments() {
    let mut body = String::new();
    for kind in [0, 1, 2, 3, 4, 5, 8, 9, -1] {
        body += &format!(
            "(call $log_number (call $get_buffer (i32.const {kind}) (i32.const 0) (i32.const 9) (global.get $got) (global.get $len)))
             (call $log_number (call $set_buffer (i32.const {kind}) (i32.const 0) (i32.const 0) (i32.const 0) (i32.const 1)))"
        );
    }
    let said = log_of_request(&on_request_headers(&body, ""));
    assert_eq!(said[..14], ["1"; 14]);
    assert_eq!(said[14..], ["2"; 4]);
}

#[test]
fn configurations_are_buffers() {
    let read = |kind: i32| {
        format!(
            "(call $log_number (call $get_buffer (i32.const {kind}) (i32.const 0) (i32.const -1) (global.get $got) (global.get $len)))
             (call $log_result)"
        )
    };
    let wasm = guest(&format!(
        "(func (export \"proxy_on_configure\") (param i32 i32) (result i32) (call $log_number (local.get 1)) {} (i32.const 1))
         (func (export \"proxy_on_vm_start\") (param i32 i32) (result i32) (call $log_number (local.get 1)) {} (i32.const 1))",
        read(7),
        read(6)
    ));
    assert_eq!(
        plugin(&wasm).start().host.text_lines(),
        ["9", "0", "vm config", "10", "0", "the config"]
    );
}

/// Reads the request body from `start`, at most `max` bytes.
fn reading(start: i64, max: i64) -> Vec<String> {
    let wasm = guest(&format!(
        r#"(func (export "proxy_on_request_body") (param i32 i32 i32) (result i32)
             (call $log_number (local.get 1))
             (call $log_number (call $get_buffer (i32.const 0) (i32.const {start}) (i32.const {max})
                          (global.get $got) (global.get $len)))
             (call $log_result)
             (i32.const 0))"#
    ));
    let test = plugin(&wasm).start();
    let exchange = exchange();
    let stream = test.open(&exchange);
    for chunk in ["abc", "defg", "h"] {
        exchange
            .borrow_mut()
            .request_body
            .push(Bytes::from_static(chunk.as_bytes()));
    }
    assert_eq!(stream.request_body(false).unwrap(), Action::Continue);
    test.host.text_lines()
}

#[test]
fn a_body_is_read_across_its_chunks_and_never_past_its_end() {
    assert_eq!(reading(0, -1), ["8", "0", "abcdefgh"]);
    assert_eq!(reading(2, 3), ["8", "0", "cde"]);
    assert_eq!(reading(7, 100), ["8", "0", "h"]);
    assert_eq!(reading(8, 1), ["8", "0", ""]);
    assert_eq!(reading(-1, -1), ["8", "0", ""]);
}

#[test]
fn an_empty_last_chunk_is_there_and_empty() {
    let wasm = guest(
        r#"(func (export "proxy_on_request_body") (param i32 i32 i32) (result i32)
             (call $log_number (local.get 2))
             (call $log_number (call $buffer_status (i32.const 0) (global.get $got) (global.get $len)))
             (call $log_number (i32.load (global.get $got)))
             (call $log_number (call $set_buffer (i32.const 0) (i32.const 0) (i32.const 0) (i32.const 0) (i32.const 2)))
             (i32.const 0))
           (data (i32.const 0) "hi")"#,
    );
    let test = plugin(&wasm).start();
    let exchange = exchange();
    test.open(&exchange).request_body(true).unwrap();
    assert_eq!(test.host.text_lines(), ["1", "0", "0", "0"]);
    assert_eq!(exchange.borrow_mut().request_body.take()[0], "hi");
}

#[test]
fn replacing_prepends_appends_and_cuts_anywhere() {
    let cases = [
        (0, 0, "XYabcdefgh"),
        (8, 0, "abcdefghXY"),
        (-1, -1, "abcdefghXY"),
        (0, -1, "XY"),
        (2, 3, "abXYfgh"),
    ];
    for (start, size, expected) in cases {
        let wasm = guest(&format!(
            r#"(func (export "proxy_on_response_body") (param i32 i32 i32) (result i32)
                 (call $log_number (call $set_buffer (i32.const 1) (i32.const {start}) (i32.const {size})
                              (i32.const 0) (i32.const 2)))
                 (i32.const 0))
               (data (i32.const 0) "XY")"#
        ));
        let test = plugin(&wasm).start();
        let exchange = exchange();
        let stream = test.open(&exchange);
        for chunk in ["abc", "defgh"] {
            exchange
                .borrow_mut()
                .response_body
                .push(Bytes::from_static(chunk.as_bytes()));
        }
        stream.response_body(false).unwrap();
        assert_eq!(test.host.text_lines(), ["0"]);
        let body: Vec<u8> = exchange.borrow_mut().response_body.take().concat();
        assert_eq!(String::from_utf8(body).unwrap(), expected, "{start} {size}");
    }
}

#[test]
fn a_body_cannot_be_blown_up_past_its_limit_and_who_tries_is_through_with_the_request() {
    let wasm = guest(
        r#"(func (export "proxy_on_request_body") (param i32 i32 i32) (result i32) (local $n i32)
             (loop $again
               (if (i32.eqz (call $set_buffer (i32.const 0) (i32.const -1) (i32.const 0) (i32.const 0) (i32.const 65536)))
                 (then
                   (local.set $n (i32.add (local.get $n) (i32.const 1)))
                   (br_if $again (i32.lt_u (local.get $n) (i32.const 100))))))
             (call $log_number (local.get $n))
             (i32.const 0))"#,
    );
    let test = plugin(&wasm)
        .with(|settings| settings.limits.body_growth = lockgate_units::Size::mib(1))
        .start();
    let exchange = exchange();
    let failure = test.open(&exchange).request_body(true).unwrap_err();
    assert_eq!(failure.kind, lockgate_sandbox::FailureKind::LimitExceeded);
    assert!(failure.message.contains("limits.body_growth, 1MiB"), "{failure}");
    assert_eq!(
        exchange.borrow().request_body.len(),
        1 << 20,
        "what went past was not done"
    );
    assert_eq!(test.vm.report().traps, 0, "and its VM lives");
}
