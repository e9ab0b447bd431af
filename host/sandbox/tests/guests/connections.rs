//! TCP connections: callbacks, buffers per plugin and direction, and what a connection does not have.

use std::cell::RefCell;
use std::rc::Rc;

use bytes::Bytes;
use lockgate_exchange::{BodyBuffer, Direction, Exchange, SharedExchange};
use lockgate_sandbox::{Action, PeerType};

use super::test_vm::{WakeCounter, exchange, guest, plugin};

/// A connection through two plugins.
fn connection() -> SharedExchange {
    let info = exchange().borrow().info.clone();
    Rc::new(RefCell::new(Exchange::connection(2, info)))
}

fn bring(exchange: &SharedExchange, position: usize, way: Direction, text: &'static str) {
    let mut exchange = exchange.borrow_mut();
    let half = exchange.tcp.as_mut().unwrap()[position].of_mut(way);
    half.push(Bytes::from_static(text.as_bytes()));
}

fn held(exchange: &SharedExchange, position: usize, way: Direction) -> String {
    let exchange = exchange.borrow();
    let half: &BodyBuffer = exchange.tcp.as_ref().unwrap()[position].of(way);
    let mut bytes = vec![0; half.len()];
    half.read(0, &mut bytes);
    String::from_utf8(bytes).unwrap()
}

#[test]
fn every_callback_gets_its_arguments_and_its_action_counts() {
    let wasm = guest(
        r#"(func (export "proxy_on_new_connection") (param i32) (result i32) (call $log_number (i32.const 7)) (i32.const 1))
           (func (export "proxy_on_downstream_data") (param i32 i32 i32) (result i32)
             (call $log_number (local.get 1)) (call $log_number (local.get 2)) (i32.const 0))
           (func (export "proxy_on_upstream_data") (param i32 i32 i32) (result i32)
             (call $log_number (local.get 1)) (call $log_number (local.get 2)) (i32.const 1))
           (func (export "proxy_on_downstream_connection_close") (param i32 i32) (call $log_number (local.get 1)))
           (func (export "proxy_on_upstream_connection_close") (param i32 i32) (call $log_number (local.get 1)))"#,
    );
    let test = plugin(&wasm).start();
    let exchange = connection();
    let stream = test.open(&exchange);
    assert_eq!(stream.new_connection().unwrap(), Action::Pause);
    bring(&exchange, 0, Direction::Request, "hello");
    assert_eq!(stream.data(Direction::Request, false).unwrap(), Action::Continue);
    assert_eq!(stream.data(Direction::Response, true).unwrap(), Action::Pause);
    stream.closed(Direction::Response, PeerType::Remote).unwrap();
    stream.closed(Direction::Request, PeerType::Local).unwrap();
    assert_eq!(test.host.text_lines(), ["7", "5", "0", "0", "1", "2", "1"]);
}

#[test]
fn each_plugin_reads_and_writes_the_bytes_at_its_own_place_only() {
    let wasm = guest(
        r#"(func (export "proxy_on_downstream_data") (param i32 i32 i32) (result i32)
             (call $log_number (call $get_buffer (i32.const 2) (i32.const 1) (i32.const 3) (global.get $got) (global.get $len)))
             (call $log_result)
             (call $log_number (call $set_buffer (i32.const 2) (i32.const 1) (i32.const 3) (i32.const 0) (i32.const 2)))
             (i32.const 0))
           (data (i32.const 0) "XY")"#,
    );
    let test = plugin(&wasm).start();
    let exchange = connection();
    exchange.borrow_mut().position = 1;
    let stream = test.open(&exchange);
    bring(&exchange, 0, Direction::Request, "others");
    bring(&exchange, 1, Direction::Request, "ab");
    bring(&exchange, 1, Direction::Request, "cde");
    stream.data(Direction::Request, false).unwrap();
    assert_eq!(test.host.text_lines(), ["0", "bcd", "0"]);
    assert_eq!(held(&exchange, 1, Direction::Request), "aXYe");
    assert_eq!(held(&exchange, 0, Direction::Request), "others");
}

#[test]
fn what_is_held_can_be_read_and_written_and_let_go_from_a_tick() {
    let wasm = guest(
        r#"(func (export "proxy_on_configure") (param i32 i32) (result i32)
             (drop (call $set_tick (i32.const 10))) (i32.const 1))
           (func (export "proxy_on_downstream_data") (param i32 i32 i32) (result i32) (i32.const 1))
           (func (export "proxy_on_tick") (param i32)
             (drop (call $set_effective (i32.const 2)))
             (call $log_number (call $set_buffer (i32.const 2) (i32.const 0) (i32.const -1) (i32.const 0) (i32.const 2)))
             (call $log_number (call $get_buffer (i32.const 3) (i32.const 0) (i32.const 9) (global.get $got) (global.get $len)))
             (call $log_number (call $continue (i32.const 2)))
             (call $log_number (call $continue (i32.const 3)))
             (call $log_number (call $close (i32.const 3))))
           (data (i32.const 0) "XY")"#,
    );
    let test = plugin(&wasm).start();
    let exchange = connection();
    let stream = test.open(&exchange);
    bring(&exchange, 0, Direction::Request, "hello");
    assert_eq!(stream.data(Direction::Request, false).unwrap(), Action::Pause);
    let wakes = WakeCounter::register(&exchange);
    let (target, _) = test.host.tick.borrow().clone().unwrap();
    assert!(target.tick());
    assert_eq!(test.host.text_lines(), ["0", "1", "0", "0", "0"]);
    assert_eq!(held(&exchange, 0, Direction::Request), "XY");
    assert_eq!(wakes.count(), 1);
    let mut exchange = exchange.borrow_mut();
    assert!(
        exchange.pending.resume_request.take(0)
            && exchange.pending.resume_response.take(0)
            && exchange.pending.close.take(0)
    );
}

#[test]
fn a_connection_has_no_messages_and_a_request_no_halves() {
    let calls = r#"
      (call $log_number (call $get (i32.const 0) (i32.const 0) (i32.const 1) (global.get $got) (global.get $len)))
      (call $log_number (call $add (i32.const 0) (i32.const 0) (i32.const 1) (i32.const 0) (i32.const 1)))
      (call $log_number (call $get_buffer (i32.const 0) (i32.const 0) (i32.const 9) (global.get $got) (global.get $len)))
      (call $log_number (call $get_buffer (i32.const 2) (i32.const 0) (i32.const 9) (global.get $got) (global.get $len)))
      (call $log_number (call $continue (i32.const 0)))
      (call $log_number (call $continue (i32.const 2)))
      (call $log_number (call $respond (i32.const 200) (i32.const 0) (i32.const 0) (i32.const 0) (i32.const 0) (i32.const 0)
                   (i32.const 0) (i32.const -1)))"#;
    let wasm = guest(&format!(
        r#"(func (export "proxy_on_new_connection") (param i32) (result i32) {calls} (i32.const 0))
           (func (export "proxy_on_request_headers") (param i32 i32 i32) (result i32) {calls} (i32.const 0))
           (data (i32.const 0) "x")"#
    ));
    let test = plugin(&wasm).start();
    let bytes = connection();
    let failure = test.open(&bytes).new_connection().unwrap_err();
    assert_eq!(
        failure.kind,
        lockgate_sandbox::FailureKind::Refused,
        "who wanted to answer has failed"
    );
    assert_eq!(test.host.text_lines(), ["1", "1", "1", "1", "0", "0", "2"]);
    assert!(bytes.borrow().pending.local_response.is_none());
    test.host.lines.borrow_mut().clear();
    assert_eq!(test.request(&exchange()), ["1", "0", "1", "1", "0", "0", "0"]);
}

#[test]
fn bytes_do_not_grow_past_their_limit_and_who_tries_has_failed() {
    let wasm = guest(
        r#"(func (export "proxy_on_downstream_data") (param i32 i32 i32) (result i32) (local $n i32)
             (loop $more
               (drop (call $set_buffer (i32.const 2) (i32.const 0) (i32.const 0) (i32.const 0) (i32.const 65536)))
               (local.set $n (i32.add (local.get $n) (i32.const 1)))
               (br_if $more (i32.lt_u (local.get $n) (i32.const 100))))
             (i32.const 0))"#,
    );
    let test = plugin(&wasm)
        .with(|settings| settings.limits.body_growth = lockgate_units::Size::mib(1))
        .start();
    let exchange = connection();
    let stream = test.open(&exchange);
    bring(&exchange, 0, Direction::Request, "x");
    let failure = stream.data(Direction::Request, false).unwrap_err();
    assert_eq!(failure.kind, lockgate_sandbox::FailureKind::LimitExceeded);
    assert_eq!(held(&exchange, 0, Direction::Request).len(), 15 * 65536 + 1);
}
