//! VMs that begin from the image of a trial: equal to VMs that were configured, and the cases in which there is no image.

use std::sync::atomic::{AtomicU32, Ordering};
use std::time::{Duration, Instant};

use lockgate_exchange::SharedExchange;
use lockgate_sandbox::settings::Isolation;
use lockgate_sandbox::{FailureKind, Plugin, StartMode};
use lockgate_units::Period;

use super::test_vm::{TestPlugin, TestVm, bare, exchange, guest, plugin, text_of_guest, trial_host};

/// Its start changes globals of all types, grows memory, fills it, and runs a start function before all that. A request logs all
/// of it and changes it again.
fn eventful() -> Vec<u8> {
    guest(
        r#"(data (i32.const 0) "x-trap") (data $late "late")
           (table $t 3 funcref) (elem (i32.const 1) $one $two)
           (type $number (func (result i32)))
           (func $one (result i32) (i32.const 111)) (func $two (result i32) (i32.const 222))
           (global $i (mut i32) (i32.const 0)) (global $l (mut i64) (i64.const 0))
           (global $f (mut f32) (f32.const 0)) (global $d (mut f64) (f64.const 0))
           (global $v (mut v128) (v128.const i32x4 0 0 0 0)) (global $begun (mut i32) (i32.const 0))
           (func $begin (global.set $begun (i32.add (global.get $begun) (i32.const 1))))
           (start $begin)
           (func (export "proxy_on_configure") (param i32 i32) (result i32)
             (call $log_number (i32.const 9))
             (global.set $i (i32.const 41)) (global.set $l (i64.const 5000000000))
             (global.set $f (f32.const 1.5)) (global.set $d (f64.const 2.5))
             (global.set $v (v128.const i32x4 1 2 3 4))
             (drop (memory.grow (i32.const 3)))
             (memory.fill (i32.const 131072) (i32.const 7) (i32.const 150000))
             (memory.init $late (i32.const 3000) (i32.const 0) (i32.const 4))
             (i32.const 1))
           (func (export "proxy_on_request_headers") (param i32 i32 i32) (result i32)
             (if (i32.eqz (call $get (i32.const 0) (i32.const 0) (i32.const 6) (global.get $got) (global.get $len)))
               (then unreachable))
             (global.set $i (i32.add (global.get $i) (i32.const 1)))
             (call $log_number (global.get $i))
             (call $log_number (i32.wrap_i64 (i64.div_u (global.get $l) (i64.const 1000))))
             (call $log_number (i32.trunc_f32_u (f32.mul (global.get $f) (f32.const 2))))
             (call $log_number (i32.trunc_f64_u (f64.mul (global.get $d) (f64.const 2))))
             (call $log_number (i32x4.extract_lane 3 (global.get $v)))
             (call $log_number (global.get $begun))
             (call $log_number (memory.size))
             (call $log_number (i32.load8_u (i32.const 281071)))
             (call $log_number (i32.load8_u (i32.const 281072)))
             (call $log_text (i32.const 3000) (i32.const 4))
             (call $log_number (call_indirect (type $number) (i32.const 1)))
             (call $log_number (call_indirect (type $number) (i32.const 2)))
             (i32.store8 (i32.const 281072) (i32.const 5)) (i32.store8 (i32.const 3000) (i32.const 76))
             (global.set $v (v128.const i32x4 9 9 9 9))
             (i32.const 0))"#,
    )
}

const FIRST: [&str; 12] = ["42", "5000000", "3", "5", "4", "1", "5", "7", "0", "late", "111", "222"];
const SECOND: [&str; 12] = ["43", "5000000", "3", "5", "9", "1", "5", "7", "5", "Late", "111", "222"];

/// A request that traps. Each is another one, as the same request twice is blocked.
fn deadly() -> SharedExchange {
    static NUMBER: AtomicU32 = AtomicU32::new(0);
    let deadly = exchange();
    let number = http::HeaderValue::from(NUMBER.fetch_add(1, Ordering::Relaxed));
    deadly.borrow_mut().request.headers.insert("x-trap", number);
    deadly
}

fn trap(test: &TestVm) {
    assert_eq!(
        test.open(&deadly()).request_headers(true).unwrap_err().kind,
        FailureKind::Trap
    );
}

fn isolated(wasm: &[u8]) -> TestPlugin {
    plugin(wasm).with(|settings| settings.isolation = Isolation::Stream)
}

#[test]
fn a_vm_from_the_image_is_equal_to_one_that_was_configured() {
    for test in [plugin(&eventful()).start(), plugin(&eventful()).start_from_image()] {
        assert_eq!(test.request(&exchange()), FIRST);
        assert_eq!(test.request(&exchange()), SECOND);
    }
}

#[test]
fn two_vms_from_one_image_share_nothing() {
    let one = plugin(&eventful()).start_from_image();
    assert_eq!(one.request(&exchange()), FIRST);
    let other = TestVm {
        vm: lockgate_sandbox::Vm::new(one.vm.plugin().clone(), one.host.clone()),
        host: one.host.clone(),
    };
    assert_eq!(other.request(&exchange()), FIRST);
    assert_eq!(one.request(&exchange()), SECOND);
}

#[test]
fn the_successor_of_a_trapped_vm_begins_from_the_image() {
    let test = plugin(&eventful()).start_from_image();
    for _ in 0..3 {
        assert_eq!(test.request(&exchange()), FIRST);
        trap(&test);
    }
    test.host.lines.borrow_mut().clear();
    let begun = Instant::now();
    let stream = test.open(&exchange());
    let took = begun.elapsed();
    assert!(test.host.text_lines().is_empty(), "it is not configured again");
    drop(stream);
    println!("a successor and its first stream took {took:?}");
    assert!(took < Duration::from_millis(20), "{took:?}");
}

#[test]
fn a_vm_per_stream_begins_from_the_image_each_time() {
    let test = isolated(&eventful()).start_from_image();
    for round in 0..200 {
        assert_eq!(test.request(&exchange()), FIRST, "round {round}");
        if round % 50 == 0 {
            trap(&test);
        }
    }
    assert_eq!((test.vm.report().streams, test.vm.report().traps), (0, 4));
    let many: Vec<_> = (0..100).map(|_| test.open(&exchange())).collect();
    drop(many);
    for _ in 0..150 {
        assert_eq!(test.request(&exchange()), FIRST);
    }
}

#[test]
fn memory_that_a_stream_has_grown_is_not_the_next_ones() {
    let wasm = guest(
        r#"(func (export "proxy_on_request_headers") (param i32 i32 i32) (result i32)
             (call $log_number (memory.size)) (drop (memory.grow (i32.const 1)))
             (call $log_number (i32.load (i32.const 131072))) (i32.store (i32.const 131072) (i32.const 1))
             (i32.const 0))"#,
    );
    let test = isolated(&wasm).start_from_image();
    for _ in 0..5 {
        assert_eq!(test.request(&exchange()), ["2", "0"]);
    }
}

#[test]
fn what_the_start_asked_of_the_host_is_repeated_for_each_vm() {
    let wasm = guest(
        r#"(data (i32.const 0) "requests") (data (i32.const 16) "jobs") (data (i32.const 32) "vm") (data (i32.const 48) "other")
           (global $metric (mut i32) (i32.const 0)) (global $queue (mut i32) (i32.const 0))
           (func (export "proxy_on_tick") (param i32) (call $log_number (i32.const 77)))
           (func (export "proxy_on_configure") (param i32 i32) (result i32)
             (drop (call $set_tick (i32.const 500)))
             (drop (call $define_metric (i32.const 0) (i32.const 48) (i32.const 5) (i32.const 3000)))
             (drop (call $define_metric (i32.const 0) (i32.const 0) (i32.const 8) (i32.const 3000)))
             (global.set $metric (i32.load (i32.const 3000)))
             (drop (call $increment_metric (global.get $metric) (i64.const 5)))
             (drop (call $register_queue (i32.const 16) (i32.const 4) (i32.const 3000)))
             (drop (call $resolve_queue (i32.const 32) (i32.const 2) (i32.const 16) (i32.const 4) (i32.const 3000)))
             (global.set $queue (i32.load (i32.const 3000)))
             (i32.const 1))
           (func (export "proxy_on_request_headers") (param i32 i32 i32) (result i32)
             (drop (call $increment_metric (global.get $metric) (i64.const 1)))
             (drop (call $get_metric (global.get $metric) (i32.const 3000)))
             (call $log_number (i32.load (i32.const 3000)))
             (drop (call $define_metric (i32.const 0) (i32.const 0) (i32.const 8) (i32.const 3000)))
             (call $log_number (i32.eq (i32.load (i32.const 3000)) (global.get $metric)))
             (drop (call $resolve_queue (i32.const 32) (i32.const 2) (i32.const 16) (i32.const 4) (i32.const 3000)))
             (call $log_number (i32.eq (i32.load (i32.const 3000)) (global.get $queue)))
             (call $log_number (call $enqueue (global.get $queue) (i32.const 0) (i32.const 8)))
             (call $log_number (call $record_metric (i32.const 1073741900) (i64.const 1)))
             (i32.const 0))
           (func (export "proxy_on_queue_ready") (param $root i32) (param $queue i32)
             (call $log_number (i32.eq (local.get $queue) (global.get $queue)))
             (drop (call $dequeue (local.get $queue) (global.get $got) (global.get $len)))
             (call $log_result))"#,
    );
    let test = plugin(&wasm).start_from_image();
    let (target, period) = test.host.timer();
    assert_eq!(period, Some(Duration::from_millis(500)));
    assert!(target.tick() && test.host.text_lines() == ["77"]);
    // The metric was counted once by this VM's start, and not by the trial.
    assert_eq!(test.request(&exchange()), ["6", "1", "1", "0", "1", "1", "requests"]);
    let second = lockgate_sandbox::Vm::new(test.vm.plugin().clone(), test.host.clone());
    second.start().unwrap();
    assert_eq!(test.request(&exchange())[0], "12", "the second VM's start counts, too");
}

/// A guest with these imports, and this body of `proxy_on_configure`.
fn configuring(imports: &str, body: &str) -> Vec<u8> {
    let items = format!(
        r#"(data (i32.const 0) "known") (data (i32.const 16) "\00\00\00\00")
           (func (export "proxy_on_configure") (param i32 i32) (result i32) {body} (i32.const 1))"#
    );
    bare(&format!("{imports} {}", text_of_guest(&items)))
}

fn reason(wasm: &[u8]) -> Option<String> {
    reason_of(&plugin(wasm).link().unwrap())
}

fn reason_of(plugin: &Plugin) -> Option<String> {
    plugin
        .prepare(&trial_host())
        .unwrap_or_else(|failure| panic!("{failure}"));
    match plugin.start_mode() {
        StartMode::Image => None,
        StartMode::Configured(reason) => Some(reason.to_owned()),
    }
}

const RANDOM: &str = r#"(import "wasi_snapshot_preview1" "random_get" (func $random (param i32 i32) (result i32)))"#;
const CLOCK: &str =
    r#"(import "wasi_snapshot_preview1" "clock_time_get" (func $clock (param i32 i64 i32) (result i32)))"#;

#[test]
fn a_start_that_cannot_be_copied_is_run_by_each_vm_and_the_reason_is_told() {
    let cases = [
        ("", "(drop (call $now (i32.const 3000)))", "time of day"),
        (
            CLOCK,
            "(drop (call $clock (i32.const 0) (i64.const 0) (i32.const 3000)))",
            "time of day",
        ),
        (
            RANDOM,
            "(drop (call $random (i32.const 3000) (i32.const 16)))",
            "random bytes",
        ),
        (
            "",
            "(drop (call $set_shared (i32.const 0) (i32.const 5) (i32.const 0) (i32.const 1) (i32.const 0)))",
            "writes shared data",
        ),
        (
            "",
            "(drop (call $get_shared (i32.const 0) (i32.const 5) (i32.const 3000) (i32.const 3004) (i32.const 3008)))",
            "reads shared data",
        ),
        (
            "",
            "(drop (call $grpc_call (i32.const 0) (i32.const 5) (i32.const 0) (i32.const 5) (i32.const 0) (i32.const 5)
                     (i32.const 0) (i32.const 0) (i32.const 0) (i32.const 0) (i32.const 1000) (i32.const 3000)))",
            "makes a gRPC call",
        ),
        (
            "",
            "(drop (call $enqueue (i32.const 1) (i32.const 0) (i32.const 1)))",
            "into a queue",
        ),
        (
            "",
            "(drop (call $resolve_queue (i32.const 0) (i32.const 0) (i32.const 0) (i32.const 5) (i32.const 3000)))",
            "another plugin's queue",
        ),
        (
            "",
            "(drop (call $get_metric (i32.const 1) (i32.const 3000)))",
            "reads a metric",
        ),
        (
            "",
            "(drop (call $foreign (i32.const 0) (i32.const 5) (i32.const 0) (i32.const 0) (i32.const 3000) (i32.const 3004)))",
            "foreign function \"known\"",
        ),
    ];
    for (imports, body, expected) in cases {
        let found = reason(&configuring(imports, body));
        assert!(
            found.as_ref().is_some_and(|found| found.contains(expected)),
            "{expected}: {found:?}"
        );
    }
}

#[test]
fn a_module_that_may_change_tables_or_segments_has_no_image() {
    let with = |items: &str| reason(&guest(&format!("(table $t 2 funcref) (data $d \"x\") {items}")));
    assert!(
        with("(func (table.set $t (i32.const 0) (ref.null func)))")
            .unwrap()
            .contains("tables")
    );
    assert!(with("(func (data.drop $d))").unwrap().contains("segments"));
    assert!(
        with("(global (mut funcref) (ref.null func))")
            .unwrap()
            .contains("reference")
    );
    assert_eq!(with(""), None);
}

#[test]
fn the_seed_of_a_hash_map_is_no_reason_and_other_random_bytes_are() {
    let wasm = |name: &str, more: &str| {
        let body = format!("(call ${name}) {more}");
        let function = format!("(func ${name} (drop (call $random (i32.const 3000) (i32.const 16))))");
        let items = format!(
            r#"{function} (func (export "proxy_on_configure") (param i32 i32) (result i32) {body} (i32.const 1))"#
        );
        bare(&format!("{RANDOM} {}", text_of_guest(&items)))
    };
    let std_name = "_ZN3std3sys6random6wasip119hashmap_random_keys17h0123456789abcdefE";
    assert_eq!(reason(&wasm(std_name, "")), None);
    let token = "(drop (call $random (i32.const 3000) (i32.const 16)))";
    assert!(reason(&wasm(std_name, token)).unwrap().contains("random bytes"));
    assert!(reason(&wasm("uuid", "")).unwrap().contains("random bytes"));
}

#[test]
fn the_monotonic_clock_goes_on_from_the_image() {
    let wasm = bare(&format!(
        "{CLOCK} {}",
        text_of_guest(
            r#"(global $before (mut i64) (i64.const 0))
               (func $read (result i64)
                 (drop (call $clock (i32.const 1) (i64.const 0) (i32.const 3000))) (i64.load (i32.const 3000)))
               (func (export "proxy_on_configure") (param i32 i32) (result i32)
                 (loop $busy (br_if $busy (i64.lt_u (call $read) (i64.const 5000000))))
                 (global.set $before (call $read)) (i32.const 1))
               (func (export "proxy_on_request_headers") (param i32 i32 i32) (result i32)
                 (call $log_number (i64.ge_u (call $read) (global.get $before))) (i32.const 0))"#
        )
    ));
    assert_eq!(plugin(&wasm).start_from_image().request(&exchange()), ["1"]);
}

#[test]
fn a_refused_configuration_is_a_failure_of_the_trial() {
    let wasm = guest(
        r#"(func (export "proxy_on_configure") (param i32 i32) (result i32) (call $log_number (i32.const 9)) (i32.const 0))"#,
    );
    let plugin = plugin(&wasm).link().unwrap();
    let failure = plugin.prepare(&trial_host()).unwrap_err();
    assert!(
        failure.kind == FailureKind::Start && failure.message.contains("the plugin logged: 9"),
        "{failure}"
    );
}

/// A guest that spins for so many millions of iterations in each callback of its start, and traps when it is asked to.
fn slow_start(in_vm_start: u32, in_configure: u32, more: &str) -> Vec<u8> {
    guest(&format!(
        r#"(data (i32.const 0) "x-trap")
           (func $spin (param $n i32)
             (loop $again
               (local.set $n (i32.sub (local.get $n) (i32.const 1)))
               (br_if $again (i32.gt_s (local.get $n) (i32.const 0)))))
           (func (export "proxy_on_vm_start") (param i32 i32) (result i32)
             (call $spin (i32.const {in_vm_start}000000)) (i32.const 1))
           (func (export "proxy_on_configure") (param i32 i32) (result i32)
             (call $spin (i32.const {in_configure}000000)) {more} (i32.const 1))
           (func (export "proxy_on_request_headers") (param i32 i32 i32) (result i32)
             (if (i32.eqz (call $get (i32.const 0) (i32.const 0) (i32.const 6) (global.get $got) (global.get $len)))
               (then unreachable))
             (i32.const 0))"#
    ))
}

/// CPU time of this thread, of which other tests take nothing.
fn cpu_time() -> Duration {
    let stat = std::fs::read_to_string("/proc/thread-self/schedstat").unwrap();
    Duration::from_nanos(stat.split(' ').next().unwrap().parse().unwrap())
}

fn cpu_time_of(run: impl FnOnce()) -> Duration {
    let before = cpu_time();
    run();
    cpu_time() - before
}

#[test]
fn the_callbacks_of_a_start_share_one_budget() {
    let start = |deadline: Duration| {
        let deadline = Period::millis(u64::try_from(deadline.as_millis()).unwrap());
        let test = plugin(&slow_start(150, 150, "")).with(|settings| settings.limits.start_deadline = deadline);
        test.unstarted().vm.start()
    };
    let whole = cpu_time_of(|| start(Duration::from_secs(60)).unwrap());
    // Each half fits, and both together do not.
    let failure = start(whole.mul_f64(0.75)).expect_err("twice a half");
    assert_eq!(failure.kind, FailureKind::Deadline);
}

#[test]
fn dear_starts_take_a_small_share_of_a_workers_time_and_cheap_ones_are_free() {
    const READS_TIME: &str = "(drop (call $now (i32.const 3000)))";
    let dear = slow_start(0, 150, READS_TIME);
    for isolation in [Isolation::Shared, Isolation::Stream] {
        let test = plugin(&dear)
            .with(|settings| settings.isolation = isolation)
            .unstarted();
        let once = cpu_time_of(|| test.vm.start().unwrap());
        let mut failures = Vec::new();
        let fifty = cpu_time_of(|| {
            for _ in 0..50 {
                let failed = test.vm.open(&deadly()).and_then(|stream| stream.request_headers(true));
                failures.push(failed.unwrap_err());
            }
        });
        assert!(
            fifty < 3 * once,
            "{isolation:?}: fifty failures cost {fifty:?}, a start {once:?}"
        );
        let last = failures.last().unwrap();
        assert_eq!(last.kind, FailureKind::Unavailable);
        assert!(last.message.contains("of CPU time, and starts may take 2 %"), "{last}");
    }
    let cheap = isolated(&slow_start(0, 0, READS_TIME)).start();
    for _ in 0..100 {
        trap(&cheap);
    }
}
