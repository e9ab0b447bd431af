//! What the host holds for a guest counts as the guest's memory.

use bytes::Bytes;
use lockgate_sandbox::{FailureKind, VmEvent};
use lockgate_units::Size;

use super::test_vm::{exchange, guest, on_request_headers, plugin};

#[test]
fn tables_count_as_memory() {
    let tables: String = (0..90).map(|_| "(table 1000000 funcref)").collect();
    let failure = plugin(&guest(&tables))
        .with(|settings| settings.limits.memory = Size::mib(1))
        .unstarted()
        .vm
        .start()
        .unwrap_err();
    assert!(failure.message.contains("limits.memory"), "{failure}");
    let grow = "(call $log_number (i32.lt_s (table.grow $t (ref.null func) (i32.const 200000)) (i32.const 0)))";
    let test = plugin(&on_request_headers(&grow.repeat(2), "(table $t 1 funcref)"))
        .with(|settings| settings.limits.memory = Size::mib(2))
        .start();
    assert_eq!(test.request(&exchange()), ["0", "1"]);
}

#[test]
fn positions_beyond_the_end_of_a_body_replace_nothing_of_it() {
    // 64 KiB appended, far beyond the end, as often as the body may grow.
    let append = "(drop (call $set_buffer (i32.const 0) (i32.const 0x7fffffff) (i32.const 0x7fffffff) (i32.const 0) (i32.const 65536)))";
    let body = format!(
        "(local $n i32) (loop $more {append} (local.set $n (i32.add (local.get $n) (i32.const 1)))
        (br_if $more (i32.lt_u (local.get $n) (i32.const 100))))"
    );
    let wasm = guest(&format!(
        r#"(func (export "proxy_on_request_body") (param i32 i32 i32) (result i32) {body} (i32.const 0))"#
    ));
    let test = plugin(&wasm)
        .with(|settings| settings.limits.body_growth = Size::mib(1))
        .start();
    let exchange = exchange();
    exchange
        .borrow_mut()
        .request_body
        .push(Bytes::from_static(&[0; 65_536]));
    let failure = test.open(&exchange).request_body(true).unwrap_err();
    assert_eq!(failure.kind, FailureKind::LimitExceeded);
    assert!(failure.message.contains("limits.body_growth"), "{failure}");
    assert!(exchange.borrow().request_body.len() <= 1 << 20);
}

#[test]
fn what_plugins_write_to_many_bodies_has_one_limit() {
    let wasm = guest(
        r#"(func (export "proxy_on_request_body") (param i32 i32 i32) (result i32)
             (drop (memory.grow (i32.const 30)))
             (call $log_number (call $set_buffer (i32.const 0) (i32.const 0) (i32.const 0) (i32.const 0) (i32.const 1000000)))
             (i32.const 1))"#,
    );
    let test = plugin(&wasm)
        .with(|settings| settings.limits.memory = Size::mib(4))
        .start();
    // One and a half times 4 MiB and the constant of 4 MiB, of which the guest has 2.
    let exchanges: Vec<_> = (0..20).map(|_| exchange()).collect();
    let streams: Vec<_> = exchanges.iter().map(|exchange| test.open(exchange)).collect();
    let written = streams
        .iter()
        .filter(|stream| stream.request_body(false).is_ok())
        .count();
    assert!((5..=9).contains(&written), "{written}");
    let held: usize = exchanges
        .iter()
        .map(|exchange| exchange.borrow().request_body.len())
        .sum();
    assert!(held <= 10 << 20, "{held}");
    assert!(test.host.failure_kinds().iter().all(|kind| *kind == "limit_exceeded"));
    drop((streams, exchanges));
    let again = exchange();
    test.open(&again).request_body(false).unwrap();
}

#[test]
fn bodies_that_are_held_have_one_limit() {
    let test = plugin(&guest(""))
        .with(|settings| settings.limits.memory = Size::mib(4))
        .start();
    let streams: Vec<_> = (0..20).map(|_| test.open(&exchange())).collect();
    let held: Vec<_> = streams
        .iter()
        .filter_map(|stream| stream.reserve(1 << 20).ok())
        .collect();
    assert_eq!(held.len(), 9, "of 10 MiB, the guest has a part");
    let lost = streams.iter().filter(|stream| stream.is_lost()).count();
    assert_eq!(lost, 11);
    drop(held);
    assert!(test.open(&exchange()).reserve(9 << 20).is_ok());
}

#[test]
fn bodies_of_callouts_count_until_they_are_sent() {
    let pairs = "\\03\\00\\00\\00\\07\\00\\00\\00\\03\\00\\00\\00\\05\\00\\00\\00\\01\\00\\00\\00\\0a\\00\\00\\00\\01\\00\\00\\00:method\\00GET\\00:path\\00/\\00:authority\\00a\\00";
    let body = "(local $n i32) (drop (memory.grow (i32.const 30)))
        (loop $more
          (call $log_number (call $http_call (i32.const 0) (i32.const 5) (i32.const 4096) (i32.const 62)
            (i32.const 0) (i32.const 1000000) (i32.const 0) (i32.const 0) (i32.const 1000) (i32.const 3000)))
          (local.set $n (i32.add (local.get $n) (i32.const 1)))
          (br_if $more (i32.lt_u (local.get $n) (i32.const 20))))";
    let data = format!("(data (i32.const 0) \"known\") (data (i32.const 4096) \"{pairs}\")");
    let wasm = guest(&format!(
        "{data} (func (export \"proxy_on_request_headers\") (param i32 i32 i32) (result i32) {body} (i32.const 0))"
    ));
    let test = plugin(&wasm)
        .with(|settings| settings.limits.memory = Size::mib(4))
        .start();
    let lines = test.request(&exchange());
    let sent = lines.iter().filter(|status| *status == "0").count();
    assert!((5..=9).contains(&sent), "{lines:?}");
    assert!(lines[sent..].iter().all(|status| status == "10"), "{lines:?}");
    test.host.callouts.borrow_mut().clear();
    assert_eq!(test.request(&exchange())[0], "0", "there is room again");
}

#[test]
fn queued_values_count_for_their_sender() {
    let body = "(local $n i32) (drop (call $register_queue (i32.const 0) (i32.const 1) (i32.const 3000)))
        (drop (memory.grow (i32.const 30)))
        (loop $more
          (call $log_number (call $enqueue (i32.load (i32.const 3000)) (i32.const 0) (i32.const 1000000)))
          (local.set $n (i32.add (local.get $n) (i32.const 1)))
          (br_if $more (i32.lt_u (local.get $n) (i32.const 20))))";
    let wasm = guest(&format!(
        "(func (export \"proxy_on_request_headers\") (param i32 i32 i32) (result i32) {body} (i32.const 0))"
    ));
    let test = plugin(&wasm)
        .with(|settings| settings.limits.memory = Size::mib(4))
        .start();
    let lines = test.request(&exchange());
    let queued = lines.iter().filter(|status| *status == "0").count();
    assert!((5..=9).contains(&queued), "{lines:?}");
}

#[test]
fn outgrown_vms_with_streams_that_do_not_end_are_evicted() {
    let wasm = guest(
        r#"(func (export "proxy_on_request_headers") (param i32 i32 i32) (result i32)
             (drop (memory.grow (i32.const 200))) (i32.const 1))"#,
    );
    let test = plugin(&wasm)
        .with(|settings| {
            settings.limits.memory = Size::mib(16);
            settings.limits.soft_memory = Some(Size::mib(12));
        })
        .start();
    let slow: Vec<_> = (0..3)
        .map(|_| {
            let stream = test.open(&exchange());
            stream.request_headers(false).unwrap();
            std::thread::sleep(std::time::Duration::from_millis(1050));
            stream
        })
        .collect();
    test.open(&exchange()).request_headers(false).unwrap();
    let lost: Vec<_> = slow.iter().map(|stream| stream.is_lost()).collect();
    assert_eq!(lost, [true, true, false], "the oldest go");
    let evicted = test
        .host
        .events
        .borrow()
        .iter()
        .filter(|event| **event == VmEvent::Evicted)
        .count();
    assert_eq!(evicted, 2);
    assert_eq!(test.vm.report().traps, 0);
}
