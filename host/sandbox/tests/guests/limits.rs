//! Limits: CPU time, memory, stack, log lines.

use std::time::{Duration, Instant};

use lockgate_sandbox::FailureKind;
use lockgate_units::{Period, Size};

use super::test_vm::{exchange, guest, log_of_request, on_request_headers, plugin};

const LOOP: &str = "(loop $forever (br $forever))";

#[test]
fn a_loop_is_stopped_near_its_budget() {
    let test = plugin(&on_request_headers(LOOP, "")).start();
    let stream = test.open(&exchange());
    let (before, begun) = (cpu_time(), Instant::now());
    let failure = stream.request_headers(true).unwrap_err();
    let used = cpu_time() - before;
    assert_eq!(failure.kind, FailureKind::Deadline);
    assert!(
        failure.message.contains("20 ms") && failure.message.contains("request_headers"),
        "{failure}"
    );
    assert!(used >= Duration::from_millis(20), "{used:?} is less than it may have");
    // One epoch until it is noticed, one until it is over, and a slow machine.
    assert!(used < Duration::from_millis(60), "{used:?} of CPU time");
    assert!(begun.elapsed() < Duration::from_secs(10));
}

/// CPU time of this thread, from the kernel.
fn cpu_time() -> Duration {
    let stat = std::fs::read_to_string("/proc/thread-self/schedstat").unwrap();
    Duration::from_nanos(stat.split(' ').next().unwrap().parse().unwrap())
}

#[test]
fn every_callback_has_the_whole_budget_for_itself() {
    // Each callback uses a few milliseconds; together they use far more than one budget.
    let work = "(local $n i64) (loop $work (local.set $n (i64.add (local.get $n) (i64.const 1)))
                  (br_if $work (i64.lt_u (local.get $n) (i64.const 3000000))))";
    let wasm = guest(&format!(
        r#"(func (export "proxy_on_request_body") (param i32 i32 i32) (result i32) {work} (i32.const 0))"#
    ));
    let test = plugin(&wasm)
        .with(|settings| settings.limits.deadline = Period::millis(60))
        .start();
    let stream = test.open(&exchange());
    let before = cpu_time();
    for _ in 0..200 {
        stream.request_body(false).unwrap();
    }
    assert!(
        cpu_time() - before > Duration::from_millis(120),
        "the work is long enough to tell something"
    );
}

#[test]
fn starting_has_a_budget_of_its_own() {
    let wasm = guest(&format!(
        r#"(func (export "proxy_on_configure") (param i32 i32) (result i32) {LOOP} (i32.const 1))"#
    ));
    let test = plugin(&wasm)
        .with(|settings| settings.limits.start_deadline = Period::millis(40))
        .unstarted();
    let failure = test.vm.start().unwrap_err();
    assert_eq!(failure.kind, FailureKind::Deadline);
    assert!(
        failure.message.contains("40 ms") && failure.message.contains("configure"),
        "{failure}"
    );
}

#[test]
fn a_loop_in_a_start_section_is_stopped_too() {
    let wasm = guest(&format!("(func $begin {LOOP}) (start $begin)"));
    let test = plugin(&wasm)
        .with(|settings| settings.limits.start_deadline = Period::millis(20))
        .unstarted();
    assert_eq!(test.vm.start().unwrap_err().kind, FailureKind::Deadline);
}

#[test]
fn memory_grows_up_to_its_limit() {
    let body = "(local $pages i32)
                (loop $more
                  (if (i32.ge_s (memory.grow (i32.const 1)) (i32.const 0)) (then (br $more))))
                (call $log_number (memory.size))";
    let wasm = guest(&format!(
        r#"(func (export "proxy_on_request_headers") (param i32 i32 i32) (result i32) {body} (i32.const 0))"#
    ));
    let test = plugin(&wasm)
        .with(|settings| settings.limits.memory = Size::mib(1))
        .start();
    assert_eq!(test.request(&exchange()), ["16"]);
    assert_eq!(test.vm.report().memory, 1 << 20);
}

#[test]
fn a_trap_after_refused_memory_has_its_own_kind() {
    let body = "(if (i32.lt_s (memory.grow (i32.const 60000)) (i32.const 0)) (then unreachable))";
    let test = plugin(&on_request_headers(body, "")).start();
    let failure = test.open(&exchange()).request_headers(true).unwrap_err();
    assert_eq!(failure.kind, FailureKind::Memory);
    assert!(failure.message.contains("limits.memory"), "{failure}");
}

#[test]
fn deep_recursion_is_a_trap_and_the_thread_survives() {
    let wasm = guest(
        r#"(func $deeper (param i32) (result i32)
             (i32.add (i32.const 1) (call $deeper (i32.add (local.get 0) (i32.const 1)))))
           (func (export "proxy_on_request_headers") (param i32 i32 i32) (result i32) (call $deeper (i32.const 0)))"#,
    );
    // A worker's thread has 2 MiB of stack, and so has a test's thread.
    let failure = plugin(&wasm)
        .start()
        .open(&exchange())
        .request_headers(true)
        .unwrap_err();
    assert_eq!(failure.kind, FailureKind::Trap);
    assert!(
        failure.message.contains("stack") && failure.message.contains("deeper"),
        "{failure}"
    );
}

#[test]
fn log_lines_beyond_the_rate_are_dropped_and_long_ones_are_cut() {
    let body = "(loop $flood
                  (call $log_number (global.get $lines))
                  (global.set $lines (i32.add (global.get $lines) (i32.const 1)))
                  (br_if $flood (i32.lt_u (global.get $lines) (i32.const 1000))))";
    let wasm = on_request_headers(body, "(global $lines (mut i32) (i32.const 0))");
    let test = plugin(&wasm).with(|settings| settings.limits.log_lines = 50).start();
    let said = test.request(&exchange());
    assert!(said.len() >= 50 && said.len() < 200, "{} lines", said.len());
    assert_eq!(
        log_of_request(&on_request_headers(
            "(call $log_text (i32.const 65536) (i32.const 65536))",
            ""
        ))[0]
            .len(),
        8192
    );
}
