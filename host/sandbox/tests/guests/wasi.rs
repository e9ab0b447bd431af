//! WASI: enough for run-times to come up, and nothing to get at. `tests/wasi` compares every function with wasmtime's own.

use super::test_vm::{bare, exchange, plugin};

/// A guest that imports from a WASI module and runs this in its request headers callback, answering what it counts.
fn wasi(module: &str, body: &str) -> Vec<u8> {
    bare(&format!(
        r#"(import "env" "proxy_log" (func $log (param i32 i32 i32) (result i32)))
           (import "{module}" "fd_write" (func $write (param i32 i32 i32 i32) (result i32)))
           (import "{module}" "fd_fdstat_get" (func $stat (param i32 i32) (result i32)))
           (import "{module}" "fd_read" (func $read (param i32 i32 i32 i32) (result i32)))
           (import "{module}" "path_open" (func $open (param i32 i32 i32 i32 i32 i64 i64 i32 i32) (result i32)))
           (import "{module}" "fd_seek" (func $seek (param i32 i64 i32 i32) (result i32)))
           (import "{module}" "fd_tell" (func $log_text (param i32 i32) (result i32)))
           (import "{module}" "fd_close" (func $close (param i32) (result i32)))
           (import "{module}" "fd_renumber" (func $renumber (param i32 i32) (result i32)))
           (import "{module}" "fd_filestat_get" (func $filestat (param i32 i32) (result i32)))
           (import "{module}" "fd_fdstat_set_flags" (func $flags (param i32 i32) (result i32)))
           (import "{module}" "sock_shutdown" (func $shutdown (param i32 i32) (result i32)))
           (import "{module}" "proc_raise" (func $raise (param i32) (result i32)))
           (import "{module}" "sock_accept" (func $accept (param i32 i32 i32) (result i32)))
           (import "{module}" "fd_prestat_get" (func $prestat (param i32 i32) (result i32)))
           (import "{module}" "random_get" (func $random (param i32 i32) (result i32)))
           (import "{module}" "clock_time_get" (func $time (param i32 i64 i32) (result i32)))
           (import "{module}" "environ_sizes_get" (func $environ_sizes (param i32 i32) (result i32)))
           (import "{module}" "environ_get" (func $environ (param i32 i32) (result i32)))
           (import "{module}" "args_sizes_get" (func $args (param i32 i32) (result i32)))
           (import "{module}" "sched_yield" (func $yield (result i32)))
           (import "{module}" "poll_oneoff" (func $poll (param i32 i32 i32 i32) (result i32)))
           (memory (export "memory") 2)
           (func (export "proxy_abi_version_0_2_1"))
           (func $log_number (param $n i32)
             (i32.store8 (i32.const 900) (i32.add (i32.const 48) (i32.div_u (local.get $n) (i32.const 10))))
             (i32.store8 (i32.const 901) (i32.add (i32.const 48) (i32.rem_u (local.get $n) (i32.const 10))))
             (drop (call $log (i32.const 2) (i32.const 900) (i32.const 2))))
           (func (export "proxy_on_request_headers") (param i32 i32 i32) (result i32) {body} (i32.const 0))"#
    ))
}

const MODULES: [&str; 2] = ["wasi_snapshot_preview1", "wasi_unstable"];

fn said_in(module: &str, body: &str) -> Vec<String> {
    plugin(&wasi(module, body)).start().request(&exchange())
}

fn said(body: &str) -> Vec<String> {
    let both = MODULES.map(|module| said_in(module, body));
    assert_eq!(both[0], both[1], "both names mean the same");
    both[0].clone()
}

#[test]
fn what_is_printed_becomes_log_lines() {
    let body = r#"
        (i32.store (i32.const 0) (i32.const 100)) (i32.store (i32.const 4) (i32.const 6))
        (i32.store (i32.const 8) (i32.const 106)) (i32.store (i32.const 12) (i32.const 6))
        (i64.store (i32.const 100) (i64.const 0x0a6e656820656e6f)) (i32.store (i32.const 108) (i32.const 0x0a6f7774))
        (call $log_number (call $write (i32.const 1) (i32.const 0) (i32.const 2) (i32.const 200)))
        (call $log_number (i32.load (i32.const 200)))
        (call $log_number (call $write (i32.const 3) (i32.const 0) (i32.const 2) (i32.const 200)))
        (call $log_number (call $write (i32.const 1) (i32.const 0) (i32.const 2000) (i32.const 200)))
        (call $log_number (call $write (i32.const 1) (i32.const -8) (i32.const 2) (i32.const 200)))"#;
    assert_eq!(said(body), ["one hen", "two", "00", "12", "08", "28", "21"]);
}

#[test]
fn there_are_no_files_and_no_sockets() {
    let body = r#"
        (call $log_number (call $open (i32.const 3) (i32.const 0) (i32.const 0) (i32.const 1) (i32.const 0) (i64.const -1)
                     (i64.const -1) (i32.const 0) (i32.const 8)))
        (call $log_number (call $seek (i32.const 3) (i64.const 0) (i32.const 0) (i32.const 8)))
        (call $log_number (call $accept (i32.const 3) (i32.const 0) (i32.const 8)))
        (call $log_number (call $accept (i32.const 1) (i32.const 0) (i32.const 8)))
        (call $log_number (call $shutdown (i32.const 0) (i32.const 0)))
        (call $log_number (call $prestat (i32.const 3) (i32.const 8)))
        (call $log_number (call $stat (i32.const 3) (i32.const 8)))
        (call $log_number (call $filestat (i32.const 3) (i32.const 8)))
        (call $log_number (call $close (i32.const 3)))"#;
    assert_eq!(said(body), ["08", "08", "08", "57", "57", "08", "08", "08", "08"]);
}

#[test]
fn standard_input_is_at_its_end() {
    let body = r#"
        (i32.store (i32.const 0) (i32.const 100)) (i32.store (i32.const 4) (i32.const 8)) (i32.store (i32.const 8) (i32.const 9))
        (i32.store (i32.const 100) (i32.const 42))
        (call $log_number (call $read (i32.const 0) (i32.const 0) (i32.const 1) (i32.const 8)))
        (call $log_number (i32.load (i32.const 8))) (call $log_number (i32.load (i32.const 100)))
        (call $log_number (call $read (i32.const 1) (i32.const 0) (i32.const 1) (i32.const 8)))
        (call $log_number (call $read (i32.const 3) (i32.const 0) (i32.const 1) (i32.const 8)))
        (call $log_number (call $read (i32.const 0) (i32.const -8) (i32.const 2) (i32.const 8)))
        (call $log_number (call $read (i32.const 0) (i32.const 0) (i32.const 1) (i32.const -2)))
        (call $log_number (call $read (i32.const 0) (i32.const 0) (i32.const 1025) (i32.const 8)))
        (call $log_number (call $read (i32.const 0) (i32.const 0) (i32.const -1) (i32.const 8)))"#;
    assert_eq!(said(body), ["00", "00", "42", "08", "08", "21", "21", "28", "28"]);
}

#[test]
fn standard_streams_are_no_files() {
    let body = r#"
        (call $log_number (call $seek (i32.const 1) (i64.const 0) (i32.const 0) (i32.const 8)))
        (call $log_number (call $seek (i32.const 1) (i64.const 0) (i32.const 3) (i32.const 8)))
        (call $log_number (call $log_text (i32.const 0) (i32.const 8)))
        (call $log_number (call $stat (i32.const 0) (i32.const 8)))
        (call $log_number (i32.load8_u (i32.const 8))) (call $log_number (i32.wrap_i64 (i64.load (i32.const 16))))
        (call $log_number (call $stat (i32.const 1) (i32.const 8)))
        (call $log_number (i32.load8_u (i32.const 8))) (call $log_number (i32.wrap_i64 (i64.load (i32.const 16))))
        (call $log_number (call $stat (i32.const 1) (i32.const -8)))
        (call $log_number (call $flags (i32.const 1) (i32.const 4))) (call $log_number (call $flags (i32.const 1) (i32.const 32)))
        (call $log_number (call $flags (i32.const 3) (i32.const 0)))
        (call $log_number (call $raise (i32.const 9))) (call $log_number (call $raise (i32.const 31)))"#;
    assert_eq!(
        said(body),
        [
            "70", "28", "70", "00", "00", "02", "00", "00", "64", "21", "00", "28", "08", "58", "28"
        ]
    );
}

#[test]
fn what_is_told_of_a_stream_as_a_file_has_the_size_that_the_module_knows() {
    let body = r#"
        (memory.fill (i32.const 8) (i32.const 7) (i32.const 72))
        (call $log_number (call $filestat (i32.const 1) (i32.const 8)))
        (call $log_number (i32.load8_u (i32.const 63))) (call $log_number (i32.load8_u (i32.const 64)))
        (call $log_number (i32.load8_u (i32.const 71))) (call $log_number (i32.load8_u (i32.const 72)))
        (call $log_number (call $filestat (i32.const 1) (i32.const -40)))"#;
    assert_eq!(said_in(MODULES[0], body), ["00", "00", "00", "00", "07", "21"]);
    assert_eq!(said_in(MODULES[1], body), ["00", "00", "07", "07", "07", "21"]);
}

#[test]
fn a_closed_descriptor_is_closed() {
    let body = r#"
        (i32.store (i32.const 0) (i32.const 100)) (i32.store (i32.const 4) (i32.const 3))
        (i32.store (i32.const 100) (i32.const 0x656e6f))
        (call $log_number (call $close (i32.const 1)))
        (call $log_number (call $close (i32.const 1)))
        (call $log_number (call $write (i32.const 1) (i32.const 0) (i32.const 1) (i32.const 200)))
        (call $log_number (call $stat (i32.const 1) (i32.const 8)))
        (i32.store (i32.const 0) (i32.const 100)) (i32.store (i32.const 4) (i32.const 3))
        (call $log_number (call $renumber (i32.const 2) (i32.const 1)))
        (call $log_number (call $renumber (i32.const 2) (i32.const 0)))
        (call $log_number (call $write (i32.const 0) (i32.const 0) (i32.const 1) (i32.const 200)))
        (call $log_number (call $write (i32.const 2) (i32.const 0) (i32.const 1) (i32.const 200)))"#;
    assert_eq!(said(body), ["00", "08", "08", "08", "08", "00", "one", "00", "08"]);
}

#[test]
fn clocks_randomness_and_the_environment_are_there_within_bounds() {
    let body = r#"
        (call $log_number (call $random (i32.const 0) (i32.const 64)))
        (call $log_number (i64.ne (i64.load (i32.const 0)) (i64.load (i32.const 8))))
        (call $log_number (call $random (i32.const 0) (i32.const 65536)))
        (call $log_number (call $random (i32.const 0) (i32.const 65537)))
        (call $log_number (call $random (i32.const 131000) (i32.const 4096)))
        (call $log_number (call $time (i32.const 0) (i64.const 0) (i32.const 0)))
        (call $log_number (i64.gt_u (i64.load (i32.const 0)) (i64.const 1700000000000000000)))
        (call $log_number (call $time (i32.const 1) (i64.const 0) (i32.const 0)))
        (call $log_number (call $time (i32.const 7) (i64.const 0) (i32.const 0)))
        (call $log_number (call $args (i32.const 0) (i32.const 4))) (call $log_number (i32.load (i32.const 0)))
        (call $log_number (call $yield))
        (i32.store (i32.const 40) (i32.const 9))
        (call $log_number (call $poll (i32.const 0) (i32.const 8) (i32.const 0) (i32.const 40)))
        (call $log_number (i32.load (i32.const 40)))"#;
    assert_eq!(
        said(body),
        [
            "00", "01", "00", "28", "21", "00", "01", "00", "28", "00", "00", "00", "00", "00"
        ]
    );
}

#[test]
fn the_environment_is_the_plugins_own() {
    let body = r#"
        (call $log_number (call $environ_sizes (i32.const 0) (i32.const 4)))
        (call $log_number (i32.load (i32.const 0))) (call $log_number (i32.load (i32.const 4)))
        (call $log_number (call $environ (i32.const 8) (i32.const 100)))
        (drop (call $log (i32.const 2) (i32.load (i32.const 8)) (i32.const 10)))
        (call $log_number (call $environ (i32.const 8) (i32.const -5)))"#;
    assert_eq!(said(body), ["00", "01", "11", "00", "NAME=value", "21"]);
}

/// Stores a clock's subscription: its user data, its clock, its time, and whether that is a time of the clock.
fn clock(module: &str, at: usize, user_data: u32, clock: u32, time: u64, is_absolute: bool) -> String {
    // In preview 0 an identifier comes first.
    let begin = at + if module == "wasi_unstable" { 24 } else { 16 };
    format!(
        "(i64.store (i32.const {at}) (i64.const {user_data})) (i32.store8 (i32.const {}) (i32.const 0))
         (i32.store (i32.const {begin}) (i32.const {clock})) (i64.store (i32.const {}) (i64.const {time}))
         (i32.store16 (i32.const {}) (i32.const {}))",
        at + 8,
        begin + 8,
        begin + 24,
        i32::from(is_absolute)
    )
}

/// Polls for the subscriptions at 0, and says what that answers, how many events there are, and the user data, the error and the
/// kind of the first.
fn poll(count: u32) -> String {
    format!(
        "(call $log_number (call $poll (i32.const 0) (i32.const 400) (i32.const {count}) (i32.const 600)))
         (call $log_number (i32.load (i32.const 600))) (call $log_number (i32.load (i32.const 400)))
         (call $log_number (i32.load16_u (i32.const 408))) (call $log_number (i32.load8_u (i32.const 410)))"
    )
}

#[test]
fn a_clock_has_an_event_when_its_time_is_over_and_an_error_before() {
    const HOUR: u64 = 3_600_000_000_000;
    for module in MODULES {
        let single = |id, time, is_absolute| clock(module, 0, 77, id, time, is_absolute) + &poll(1);
        let body = [
            single(1, 0, false),
            single(0, 0, false),
            single(1, 1, true),
            single(0, 1_700_000_000_000_000_000, true),
            single(1, HOUR, false),
            single(1, HOUR, true),
            single(0, 1, false),
        ];
        let begun = std::time::Instant::now();
        let said = said_in(module, &body.concat());
        assert!(begun.elapsed().as_secs() < 60, "nobody waits");
        let (over, not_yet) = (["00", "01", "77", "00", "00"], ["00", "01", "77", "58", "00"]);
        assert_eq!(
            said,
            [over, over, over, over, not_yet, not_yet, not_yet].concat(),
            "{module}"
        );
        let size = if module == "wasi_unstable" { 56 } else { 48 };
        let both = clock(module, 0, 77, 1, HOUR, false) + &clock(module, size, 78, 1, 0, false) + &poll(2);
        assert_eq!(said_in(module, &both), ["00", "01", "78", "00", "00"], "{module}");
    }
}

#[test]
fn what_cannot_be_polled_is_an_error_of_the_whole_call() {
    for module in MODULES {
        let stream = |kind: u32, descriptor: i32| {
            let subscription = format!(
                "(i64.store (i32.const 0) (i64.const 5)) (i32.store8 (i32.const 8) (i32.const {kind}))
                 (i32.store (i32.const 16) (i32.const {descriptor}))"
            );
            subscription + &poll(1)
        };
        let ready = |kind| ["00", "01", "05", "00", kind];
        let (input, output) = (ready("01"), ready("02"));
        assert_eq!(said_in(module, &stream(1, 0)), input, "{module}");
        assert_eq!(said_in(module, &stream(2, 1)), output, "{module}");
        assert_eq!(said_in(module, &stream(2, 2)), output, "{module}");
        for (kind, descriptor, errno) in [(1, 1, "08"), (2, 0, "08"), (1, 3, "08"), (2, -1, "08"), (3, 1, "28")] {
            let said = said_in(module, &stream(kind, descriptor));
            assert_eq!(said[..2], [errno, "00"], "{module}: {kind} of {descriptor}");
        }
        let call = |arguments: [i32; 4]| {
            let arguments = arguments.map(|number| format!("(i32.const {number})")).join(" ");
            said_in(module, &format!("(call $log_number (call $poll {arguments}))"))
        };
        assert_eq!(call([131_064, 400, 1, 600]), ["21"], "{module}");
        assert_eq!(call([0, 131_064, 1, 600]), ["21"], "{module}");
        assert_eq!(call([0, 400, 1, -2]), ["21"], "{module}");
        assert_eq!(call([0, 400, 1025, 600]), ["28"], "{module}");
        assert_eq!(call([0, 400, -1, 600]), ["28"], "{module}");
    }
}
