//! Protection of requests from each other: budgets per request, recycling before memory is full, quarantine, poison requests.

use std::time::{Duration, Instant};

use lockgate_sandbox::settings::OnError;
use lockgate_sandbox::{FailureKind, Stream, VmEvent, VmState};
use lockgate_units::{Period, Size};

use super::test_vm::{FROM_IMAGE, TestVm, WakeCounter, exchange, guest, plugin};

/// A guest that uses some milliseconds of CPU time in each body callback.
fn working() -> Vec<u8> {
    guest(
        r#"(func $work (param $times i64) (local $n i64)
             (loop $work (local.set $n (i64.add (local.get $n) (i64.const 1)))
               (br_if $work (i64.lt_u (local.get $n) (local.get $times)))))
           (func (export "proxy_on_request_headers") (param i32 i32 i32) (result i32) (i32.const 1))
           (func (export "proxy_on_request_body") (param i32 i32 i32) (result i32)
             (call $work (i64.const 3000000)) (i32.const 0))
           (func (export "proxy_on_configure") (param i32 i32) (result i32)
             (drop (call $set_tick (i32.const 1000))) (i32.const 1))
           (func (export "proxy_on_tick") (param i32)
             (drop (call $set_effective (i32.const 2))) (call $work (i64.const 300000000)))
           (func (export "proxy_on_log") (param i32) (call $log_number (local.get 0)))"#,
    )
}

#[test]
fn a_request_that_exceeds_its_budget_in_many_callbacks_fails_and_its_vm_stays_usable() {
    let test = plugin(&working())
        .with(|settings| {
            settings.limits.deadline = Period::seconds(5);
            settings.limits.request_deadline = Period::millis(100);
        })
        .start();
    let other = test.open(&exchange());
    let stream = test.open(&exchange());
    let mut calls = 0;
    let failure = loop {
        calls += 1;
        match stream.request_body(false) {
            Ok(_) => assert!(calls < 10_000, "the budget has an end"),
            Err(failure) => break failure,
        }
    };
    assert_eq!(failure.kind, FailureKind::Deadline);
    assert!(failure.message.contains("100 ms"), "{failure}");
    assert!(calls > 3, "it was not one callback that was too long: {calls}");
    assert!(stream.is_lost() && !other.is_lost());
    assert_eq!(
        stream.request_body(true).unwrap_err().kind,
        FailureKind::Deadline,
        "a callback that the module has is not skipped"
    );
    other.request_body(true).unwrap();
    stream.finish();
    assert_eq!(test.host.text_lines(), ["3"], "its context ends as others do");
    assert_eq!(test.vm.report().traps, 0);
    assert_eq!(test.host.failure_kinds(), ["deadline"]);
    assert_eq!(*test.host.events.borrow(), [VmEvent::LimitExceeded]);
}

#[test]
fn callbacks_of_the_root_context_are_charged_to_their_stream_which_is_woken() {
    let test = plugin(&working())
        .with(|settings| {
            settings.limits.deadline = Period::seconds(5);
            settings.limits.request_deadline = Period::millis(20);
        })
        .start();
    let held = exchange();
    let stream = test.open(&held);
    stream.request_headers(true).unwrap();
    let wakes = WakeCounter::register(&held);
    let (target, _) = test.host.timer();
    assert!(target.tick());
    assert!(stream.is_lost(), "it waits in vain");
    assert_eq!(wakes.count(), 1);
    assert_eq!(test.vm.report().state, VmState::Running);
}

/// A guest that grows by four pages with every request, and logs the number of requests.
fn growing() -> Vec<u8> {
    guest(
        r#"(global $seen (mut i32) (i32.const 0))
           (func (export "proxy_on_configure") (param i32 i32) (result i32) (call $log_number (i32.const 77)) (i32.const 1))
           (func (export "proxy_on_request_headers") (param i32 i32 i32) (result i32)
             (global.set $seen (i32.add (global.get $seen) (i32.const 1)))
             (call $log_number (global.get $seen))
             (drop (memory.grow (i32.const 4))) (i32.const 0))
           (func (export "proxy_on_response_headers") (param i32 i32 i32) (result i32)
             (call $log_number (i32.add (i32.const 100) (global.get $seen))) (i32.const 0))
           (func (export "proxy_on_delete") (param $id i32) (call $log_number (i32.add (i32.const 1000) (local.get $id))))"#,
    )
}

fn growing_vm() -> TestVm {
    plugin(&growing())
        .with(|settings| {
            settings.limits.memory = Size::mib(4);
            settings.limits.soft_memory = Some(Size::kib(512));
        })
        .start()
}

#[test]
fn a_vm_beyond_its_soft_limit_is_recycled_and_finishes_its_streams() {
    let test = growing_vm();
    let first = test.open(&exchange());
    first.request_headers(true).unwrap();
    std::thread::sleep(Duration::from_millis(1050));
    let second = test.open(&exchange());
    second.request_headers(true).unwrap();
    test.host.lines.borrow_mut().clear();
    let third = test.open(&exchange());
    third.request_headers(true).unwrap();
    // It says 77 when it is configured.
    let fresh: &[&str] = if FROM_IMAGE { &["1"] } else { &["77", "1"] };
    assert_eq!(test.host.text_lines(), fresh, "a fresh VM takes the third request");
    assert_eq!(*test.host.events.borrow(), [VmEvent::Recycled]);
    for stream in [&first, &second] {
        assert!(!stream.is_lost());
        stream.response_headers(true).unwrap();
    }
    assert_eq!(
        test.host.text_lines()[fresh.len()..],
        ["102", "102"],
        "the old one goes on for its own"
    );
    test.host.lines.borrow_mut().clear();
    drop((first, second));
    let said = test.host.text_lines();
    assert_eq!(
        said.last().map(String::as_str),
        Some("1001"),
        "and ends with the last of them: {said:?}"
    );
    assert!(!third.is_lost());
    assert_eq!((test.vm.report().traps, test.vm.report().streams), (0, 1));
}

#[test]
fn a_vm_is_not_recycled_more_than_once_a_second() {
    let test = growing_vm();
    for _ in 0..20 {
        test.open(&exchange()).request_headers(true).unwrap();
    }
    assert_eq!(test.host.events.borrow().len(), 0, "however fast it grows");
}

#[test]
fn a_plugin_that_needs_more_than_the_soft_limit_to_start_is_not_recycled_for_that() {
    let wasm = guest(
        r#"(func (export "proxy_on_configure") (param i32 i32) (result i32)
             (drop (memory.grow (i32.const 16))) (i32.const 1))
           (func (export "proxy_on_request_headers") (param i32 i32 i32) (result i32)
             (drop (memory.grow (i32.const 1))) (i32.const 0))"#,
    );
    let test = plugin(&wasm)
        .with(|settings| {
            settings.limits.memory = Size::mib(4);
            settings.limits.soft_memory = Some(Size::kib(512));
        })
        .start();
    std::thread::sleep(Duration::from_millis(1050));
    for _ in 0..3 {
        test.open(&exchange()).request_headers(true).unwrap();
    }
    assert!(test.host.events.borrow().is_empty());
}

/// A guest that traps in requests with a header `x-trap`, and pauses others.
fn trapping() -> Vec<u8> {
    guest(
        r#"(data (i32.const 0) "x-trap")
           (func (export "proxy_on_request_headers") (param i32 i32 i32) (result i32)
             (if (i32.eqz (call $get (i32.const 0) (i32.const 0) (i32.const 6) (global.get $got) (global.get $len)))
               (then unreachable))
             (i32.const 1))"#,
    )
}

fn poisoned(poison: &str) -> lockgate_exchange::SharedExchange {
    let exchange = exchange();
    let value = http::HeaderValue::from_str(poison).unwrap();
    exchange.borrow_mut().request.headers.insert("x-trap", value);
    exchange
}

/// Opens a stream as soon as a VM is available.
fn open_when_available(test: &TestVm, request: impl Fn() -> lockgate_exchange::SharedExchange) -> Stream {
    let end = Instant::now() + Duration::from_secs(10);
    loop {
        match test.vm.open(&request()) {
            Ok(stream) => return stream,
            Err(failure) => assert_eq!(failure.kind, FailureKind::Unavailable, "{failure}"),
        }
        assert!(Instant::now() < end, "the pause ends");
        std::thread::sleep(Duration::from_millis(10));
    }
}

#[test]
fn a_plugin_that_fails_repeatedly_is_quarantined_until_one_request_passes() {
    let test = plugin(&trapping()).start();
    // Ten are replaced at once; then there are three delays.
    for poison in 0..13 {
        open_when_available(&test, || poisoned(&poison.to_string()))
            .request_headers(true)
            .unwrap_err();
    }
    let _ = test.vm.open(&exchange()).err().unwrap();
    assert_eq!(test.vm.report().state, VmState::Quarantined);
    assert_eq!(*test.host.events.borrow(), [VmEvent::Quarantined]);
    let probe = open_when_available(&test, exchange);
    probe.request_headers(true).unwrap();
    assert_eq!(test.vm.report().state, VmState::Quarantined);
    let failure = test.vm.open(&exchange()).err().unwrap();
    assert_eq!(failure.kind, FailureKind::Unavailable);
    assert!(failure.message.contains("another request is trying it"), "{failure}");
    drop(probe);
    test.open(&exchange()).request_headers(true).unwrap();
    assert_eq!(test.vm.report().state, VmState::Running);
    assert_eq!(*test.host.events.borrow(), [VmEvent::Quarantined, VmEvent::Released]);
}

#[test]
fn a_request_that_ends_two_vms_is_blocked_and_others_pass() {
    let test = plugin(&trapping())
        .with(|settings| settings.on_error = OnError::Bypass)
        .start();
    for _ in 0..2 {
        open_when_available(&test, || poisoned("q"))
            .request_headers(true)
            .unwrap_err();
    }
    assert_eq!(*test.host.events.borrow(), [VmEvent::RequestBlocked]);
    for _ in 0..5 {
        let failure = test.vm.open(&poisoned("q")).err().unwrap();
        assert_eq!(
            (failure.kind, failure.on_error),
            (FailureKind::PoisonRequest, OnError::Bypass)
        );
    }
    let other = open_when_available(&test, exchange);
    other.request_headers(true).unwrap();
    for _ in 0..5 {
        assert_eq!(
            test.vm.open(&poisoned("q")).err().unwrap().kind,
            FailureKind::PoisonRequest
        );
    }
    assert!(!other.is_lost(), "the VM was not run for it");
    assert_eq!(test.vm.report().traps, 2);
}

#[test]
fn a_request_that_passes_in_between_is_not_blocked() {
    // A guest that traps depending on the body, so that equal heads may pass or not.
    let wasm = guest(
        r#"(func (export "proxy_on_request_body") (param i32 i32) (param $last i32) (result i32)
             (if (i32.eqz (local.get $last)) (then unreachable)) (i32.const 0))"#,
    );
    let test = plugin(&wasm).start();
    for _ in 0..3 {
        open_when_available(&test, exchange).request_body(false).unwrap_err();
        open_when_available(&test, exchange).request_body(true).unwrap();
    }
    assert!(!test.host.events.borrow().contains(&VmEvent::RequestBlocked));
}
