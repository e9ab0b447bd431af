//! The host's work for a guest costs the guest its CPU time, and never more than one call's bound at once.

use std::time::{Duration, Instant};

use lockgate_sandbox::FailureKind;
use lockgate_units::{Period, Size};

use super::test_vm::{exchange, on_request_headers, plugin};

/// Runs a call many times in a row, without a loop: nothing of the guest's own code checks the time. Returns whether the
/// deadline has stopped it.
fn straight(times: usize, call: &str, host_calls: Option<Vec<String>>) -> bool {
    let wasm = on_request_headers(&format!("(drop {call})").repeat(times), "(data (i32.const 0) \"work\")");
    let test = plugin(&wasm)
        .with(|settings| {
            // Thousands of calls take some milliseconds of an optimised host.
            settings.limits.deadline = Period::millis(if times > 1000 { 1 } else { 5 });
            settings.limits.memory = Size::mib(64);
            settings.limits.header_growth = Size::mib(512);
            settings.capabilities.host_calls = host_calls;
        })
        .start();
    let stream = test.open(&exchange());
    let begun = Instant::now();
    let outcome = stream.request_headers(true);
    let took = begun.elapsed();
    assert!(took < Duration::from_secs(3), "{call}: {took:?}");
    match outcome {
        Ok(_) => false,
        Err(failure) => {
            if failure.kind == FailureKind::Deadline {
                assert_eq!(test.host.failure_kinds(), ["deadline"], "it is counted");
            }
            failure.kind == FailureKind::Deadline
        }
    }
}

#[test]
fn a_function_that_works_long_is_stopped() {
    let work =
        "(call $foreign (i32.const 0) (i32.const 4) (i32.const 0) (i32.const 60000) (i32.const 0) (i32.const 0))";
    assert!(straight(50, work, None));
}

#[test]
fn calls_whose_work_follows_a_length_are_stopped_by_the_deadline() {
    for call in [
        // Whole results, into an allocator that never checks the time.
        "(call $set_shared (i32.const 0) (i32.const 4000) (i32.const 0) (i32.const 65536) (i32.const 0))",
        "(call $set_property (i32.const 0) (i32.const 4) (i32.const 0) (i32.const 130000))",
        "(call $set_pairs (i32.const 0) (i32.const 0) (i32.const 32000))",
        "(call $define_metric (i32.const 0) (i32.const 0) (i32.const 4000) (i32.const 3000))",
        "(call $register_queue (i32.const 0) (i32.const 4000) (i32.const 3000))",
        "(call $log (i32.const 2) (i32.const 0) (i32.const 100000))",
    ] {
        assert!(straight(20_000, call, None), "{call}");
    }
}

#[test]
fn logging_is_charged_also_where_no_call_is_granted() {
    let call = "(call $log (i32.const 2) (i32.const 0) (i32.const 131072))";
    assert!(straight(20_000, call, Some(Vec::new())));
}

#[test]
fn short_calls_that_plugins_make_by_the_dozen_are_not_stopped() {
    let call = "(call $set_shared (i32.const 0) (i32.const 4) (i32.const 0) (i32.const 100) (i32.const 0))";
    assert!(!straight(50, call, None));
}

#[test]
fn the_hosts_work_counts_for_the_request() {
    let work = "(drop (call $foreign (i32.const 0) (i32.const 4) (i32.const 0) (i32.const 20000) (i32.const 0) (i32.const 0)))";
    let test = plugin(&on_request_headers(work, "(data (i32.const 0) \"work\")"))
        .with(|settings| {
            settings.limits.deadline = Period::seconds(5);
            settings.limits.request_deadline = Period::millis(30);
        })
        .start();
    let stream = test.open(&exchange());
    let failure = (0..1000).find_map(|_| stream.request_headers(true).err());
    assert_eq!(failure.map(|failure| failure.kind), Some(FailureKind::Deadline));
    assert_eq!(test.vm.report().traps, 0, "the request has failed, not the VM");
}
