//! Failures of guests: what is logged, which streams are affected, when there is a new VM.

use std::time::{Duration, Instant};

use lockgate_sandbox::settings::OnError;
use lockgate_sandbox::{Action, FailureKind, VmState};

use super::test_vm::{TestVm, WakeCounter, bare, exchange, guest, guest_allocating, on_request_headers, plugin};

/// A guest that traps in `inner`, called by `outer`, if the request has a header `x-trap`; otherwise it pauses.
fn trapping() -> Vec<u8> {
    guest(
        r#"(data (i32.const 0) "x-trap")
           (func $inner unreachable)
           (func $outer (call $inner))
           (func (export "proxy_on_request_headers") (param i32 i32 i32) (result i32)
             (if (i32.eqz (call $get (i32.const 0) (i32.const 0) (i32.const 6) (global.get $got) (global.get $len)))
               (then (call $outer)))
             (i32.const 1))"#,
    )
}

/// A request that traps. Each `nth` has its own fingerprint, because a request with two traps is blocked.
fn poisoned(nth: u32) -> lockgate_exchange::SharedExchange {
    let exchange = exchange();
    exchange.borrow_mut().request.headers.insert("x-trap", nth.into());
    exchange
}

#[test]
fn a_trap_fails_its_own_request_and_its_place_is_logged() {
    let TestVm { vm, host } = plugin(&trapping()).start();
    let failure = vm.open(&poisoned(0)).unwrap().request_headers(true).unwrap_err();
    assert_eq!(
        (failure.kind, &*failure.plugin, failure.on_error),
        (FailureKind::Trap, "tested", OnError::Deny)
    );
    for part in [
        "unreachable",
        "request_headers",
        "at inner",
        "proxy_get_header_map_value",
    ] {
        assert!(failure.message.contains(part), "{part}: {}", failure.message);
    }
    assert_eq!(
        host.failure_labels(),
        [("trap".to_owned(), "request_headers".to_owned())]
    );
}

#[test]
fn streams_of_a_vm_that_trapped_are_lost_and_woken_and_run_no_more() {
    let test = plugin(&trapping()).start();
    let waiting = exchange();
    let other = test.open(&waiting);
    assert_eq!(other.request_headers(true).unwrap(), Action::Pause);
    let wakes = WakeCounter::register(&waiting);
    let exchange = poisoned(0);
    let own_wakes = WakeCounter::register(&exchange);
    let stream = test.open(&exchange);
    assert!(!other.is_lost());
    stream.request_headers(true).unwrap_err();
    assert!(other.is_lost() && stream.is_lost());
    assert_eq!(
        (wakes.count(), own_wakes.count()),
        (1, 0),
        "the one that failed was told by its own call"
    );
    assert_eq!(
        other.response_headers(true).unwrap(),
        Action::Continue,
        "the module has no such callback"
    );
    drop((other, stream));
    assert_eq!(test.vm.report().streams, 0);
    assert_eq!(
        test.host.failure_kinds(),
        ["trap"],
        "their ends run nothing and fail nothing"
    );
}

#[test]
fn a_callback_that_the_module_has_is_never_skipped() {
    let hooks = [
        "request_body",
        "request_trailers",
        "response_headers",
        "response_body",
        "response_trailers",
    ];
    for hook in hooks {
        let parameters = if hook.ends_with("trailers") {
            "i32 i32"
        } else {
            "i32 i32 i32"
        };
        let wasm = guest(&format!(
            r#"(data (i32.const 0) "x-trap")
               (func (export "proxy_on_request_headers") (param i32 i32 i32) (result i32)
                 (if (i32.eqz (call $get (i32.const 0) (i32.const 0) (i32.const 6) (global.get $got) (global.get $len)))
                   (then unreachable))
                 (i32.const 0))
               (func (export "proxy_on_{hook}") (param {parameters}) (result i32) (i32.const 0))"#
        ));
        let test = plugin(&wasm).start();
        let passed = test.open(&exchange());
        assert_eq!(passed.request_headers(false).unwrap(), Action::Continue);
        test.open(&poisoned(0)).request_headers(true).unwrap_err();
        let due = [
            passed.request_body(true),
            passed.request_trailers(),
            passed.response_headers(false),
            passed.response_body(true),
            passed.response_trailers(),
        ];
        for (name, outcome) in hooks.iter().zip(due) {
            match outcome {
                Err(failure) => assert_eq!((*name, failure.kind), (hook, FailureKind::VmFailed)),
                Ok(action) => assert!(
                    *name != hook && action == Action::Continue,
                    "{name} of a module with {hook}"
                ),
            }
        }
        assert_eq!(test.host.failure_kinds(), ["trap", "vm_failed"], "{hook}");
    }
}

#[test]
fn ten_replacements_are_immediate_and_the_next_ones_are_delayed() {
    let test = plugin(&trapping()).start();
    for nth in 0..11 {
        test.open(&poisoned(nth)).request_headers(true).unwrap_err();
        if nth < 10 {
            assert_eq!(test.open(&exchange()).request_headers(true).unwrap(), Action::Pause);
        }
    }
    let failure = test.vm.open(&exchange()).err().unwrap();
    assert_eq!(failure.kind, FailureKind::Unavailable);
    assert!(failure.message.contains("no new VM for another"), "{failure}");
    let report = test.vm.report();
    assert_eq!(
        (report.state, report.traps, report.memory),
        (VmState::BackingOff, 11, 0)
    );
    assert!(report.last_failure.unwrap().contains("at inner"));
    // The delay is 0.75 s to 1 s. Then there is a VM again.
    let end = Instant::now() + Duration::from_secs(3);
    let stream = loop {
        match test.vm.open(&exchange()) {
            Ok(stream) => break stream,
            Err(failure) => assert_eq!(failure.kind, FailureKind::Unavailable),
        }
        assert!(Instant::now() < end, "the pause ends");
        std::thread::sleep(Duration::from_millis(20));
    };
    assert_eq!(stream.request_headers(true).unwrap(), Action::Pause);
    assert_eq!(test.vm.report().state, VmState::Running);
}

#[test]
fn the_message_of_a_refused_configure_has_the_log_lines_of_the_guest() {
    let wasm = guest(
        r#"(data (i32.const 0) "no key given")
           (func (export "proxy_on_configure") (param i32 i32) (result i32)
             (call $log_text (i32.const 0) (i32.const 12)) (i32.const 0))"#,
    );
    let test = plugin(&wasm)
        .with(|settings| settings.on_error = OnError::Bypass)
        .unstarted();
    let failure = test.vm.start().unwrap_err();
    assert_eq!((failure.kind, failure.on_error), (FailureKind::Start, OnError::Bypass));
    assert!(
        failure.message.contains("proxy_on_configure") && failure.message.contains("no key given"),
        "{failure}"
    );
    assert_eq!(
        test.host.failure_labels(),
        [("start".to_owned(), "configure".to_owned())]
    );
    assert_eq!(test.vm.report().state, VmState::Idle);
}

#[test]
fn configure_is_not_called_after_a_refused_vm_start() {
    let wasm = guest(
        r#"(func (export "proxy_on_vm_start") (param i32 i32) (result i32) (i32.const 0))
           (func (export "proxy_on_configure") (param i32 i32) (result i32) (call $log_number (i32.const 9)) (i32.const 1))"#,
    );
    let test = plugin(&wasm).unstarted();
    assert!(test.vm.start().unwrap_err().message.contains("proxy_on_vm_start"));
    assert!(test.host.text_lines().is_empty());
}

#[test]
fn a_vm_that_cannot_be_started_is_tried_again_after_a_delay() {
    let wasm = guest(r#"(func (export "proxy_on_configure") (param i32 i32) (result i32) unreachable)"#);
    let test = plugin(&wasm).unstarted();
    assert_eq!(test.vm.open(&exchange()).err().unwrap().kind, FailureKind::Trap);
    assert_eq!(test.vm.open(&exchange()).err().unwrap().kind, FailureKind::Unavailable);
    assert_eq!(test.host.failure_kinds(), ["trap", "unavailable"]);
}

#[test]
fn proc_exit_in_a_callback_is_a_failure_of_its_own_kind() {
    let wasm = bare(
        r#"(import "wasi_unstable" "proc_exit" (func $exit (param i32)))
           (memory (export "memory") 1) (func (export "proxy_abi_version_0_2_1"))
           (func (export "proxy_on_request_headers") (param i32 i32 i32) (result i32)
             (call $exit (i32.const 0)) (i32.const 0))"#,
    );
    let failure = plugin(&wasm)
        .start()
        .open(&exchange())
        .request_headers(true)
        .unwrap_err();
    assert_eq!(failure.kind, FailureKind::Exit);
    assert!(failure.message.contains("proc_exit(0)"), "{failure}");
}

#[test]
fn a_trap_in_the_guests_allocator_is_a_trap_of_the_callback() {
    let wasm = guest_allocating(
        r#"(data (i32.const 0) "x-user")
           (func $greedy (export "proxy_on_memory_allocate") (param i32) (result i32) unreachable)
           (func (export "proxy_on_request_headers") (param i32 i32 i32) (result i32)
             (call $log_number (call $get (i32.const 0) (i32.const 0) (i32.const 6) (global.get $got) (global.get $len)))
             (i32.const 0))"#,
    );
    let failure = plugin(&wasm)
        .start()
        .open(&exchange())
        .request_headers(true)
        .unwrap_err();
    assert_eq!(failure.kind, FailureKind::Trap);
    assert!(failure.message.contains("greedy"), "{failure}");
}

#[test]
fn an_allocator_with_a_wrong_address_gets_a_status_without_effect() {
    for (answer, status) in [("0", "6"), ("-8", "6"), ("131071", "6")] {
        let wasm = guest_allocating(&format!(
            r#"(data (i32.const 0) "x-user")
               (func (export "proxy_on_memory_allocate") (param i32) (result i32) (i32.const {answer}))
               (func (export "proxy_on_request_headers") (param i32 i32 i32) (result i32)
                 (call $log_number (call $get (i32.const 0) (i32.const 0) (i32.const 6) (global.get $got) (global.get $len)))
                 (call $log_number (i32.load (global.get $got)))
                 (i32.const 0))"#
        ));
        assert_eq!(plugin(&wasm).start().request(&exchange()), [status, "0"]);
    }
}

#[test]
fn while_a_guest_allocates_it_may_only_log_and_ask_the_time() {
    let wasm = guest_allocating(
        r#"(data (i32.const 0) "x-user")
           (func (export "proxy_on_memory_allocate") (param i32) (result i32)
             (call $log_number (i32.add (i32.const 100) (call $remove (i32.const 0) (i32.const 0) (i32.const 6))))
             (call $log_number (i32.add (i32.const 100) (call $now (i32.const 3000))))
             (i32.const 65536))
           (func (export "proxy_on_request_headers") (param i32 i32 i32) (result i32)
             (call $log_number (call $get (i32.const 0) (i32.const 0) (i32.const 6) (global.get $got) (global.get $len)))
             (call $log_result)
             (call $log_number (call $remove (i32.const 0) (i32.const 0) (i32.const 6)))
             (i32.const 0))"#,
    );
    let exchange = exchange();
    assert_eq!(
        plugin(&wasm).start().request(&exchange),
        ["110", "100", "0", "anna", "0"]
    );
    assert!(
        !exchange.borrow().request.headers.contains_key("x-user"),
        "afterwards everything is callable again"
    );
}

#[test]
fn results_for_a_guest_without_an_allocator_are_internal_failures() {
    let wasm = guest_allocating(
        r#"(data (i32.const 0) "x-user")
           (func (export "proxy_on_request_headers") (param i32 i32 i32) (result i32)
             (call $log_number (call $get (i32.const 0) (i32.const 0) (i32.const 6) (global.get $got) (global.get $len)))
             (i32.const 0))"#,
    );
    assert_eq!(plugin(&wasm).start().request(&exchange()), ["10"]);
}

#[test]
fn a_tick_that_traps_stops_the_timer_and_the_next_stream_gets_a_new_vm() {
    let wasm = guest(
        r#"(func (export "proxy_on_configure") (param i32 i32) (result i32)
             (drop (call $set_tick (i32.const 100))) (i32.const 1))
           (func (export "proxy_on_tick") (param i32) unreachable)"#,
    );
    let test = plugin(&wasm).start();
    let target = test.host.tick.borrow().clone().unwrap().0;
    assert!(!target.tick(), "false: the timer can stop");
    assert!(test.host.tick.borrow().as_ref().unwrap().1.is_none(), "it was told to");
    assert_eq!(test.host.failure_labels(), [("trap".to_owned(), "tick".to_owned())]);
    let stream = test.open(&exchange());
    let (_, period) = test.host.timer();
    assert!(period.is_some() && !target.tick(), "the new VM has a timer of its own");
    drop(stream);
}

#[test]
fn a_stream_whose_end_traps_ends_its_vm_without_a_panic() {
    let wasm = guest(r#"(func (export "proxy_on_log") (param i32) unreachable)"#);
    let test = plugin(&wasm).start();
    let (first, second) = (test.open(&exchange()), test.open(&exchange()));
    drop(first);
    assert!(second.is_lost());
    drop(second);
    assert_eq!(test.host.failures.borrow().len(), 1);
}

#[test]
fn a_wild_access_of_the_guest_itself_is_a_trap() {
    let failure = plugin(&on_request_headers("(drop (i32.load (i32.const -8)))", ""))
        .start()
        .open(&exchange())
        .request_headers(true)
        .unwrap_err();
    assert_eq!(failure.kind, FailureKind::Trap);
    assert!(failure.message.contains("out of bounds"), "{failure}");
}
