//! WASI: enough for run-times to come up, and nothing to get at.

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
           (func $say (param $n i32)
             (i32.store8 (i32.const 900) (i32.add (i32.const 48) (i32.div_u (local.get $n) (i32.const 10))))
             (i32.store8 (i32.const 901) (i32.add (i32.const 48) (i32.rem_u (local.get $n) (i32.const 10))))
             (drop (call $log (i32.const 2) (i32.const 900) (i32.const 2))))
           (func (export "proxy_on_request_headers") (param i32 i32 i32) (result i32) {body} (i32.const 0))"#
    ))
}

fn said(body: &str) -> Vec<String> {
    let both = ["wasi_snapshot_preview1", "wasi_unstable"]
        .map(|module| plugin(&wasi(module, body)).start().request(&exchange()));
    assert_eq!(both[0], both[1], "both names mean the same");
    both[0].clone()
}

#[test]
fn what_is_printed_becomes_log_lines() {
    let body = r#"
        (i32.store (i32.const 0) (i32.const 100)) (i32.store (i32.const 4) (i32.const 6))
        (i32.store (i32.const 8) (i32.const 106)) (i32.store (i32.const 12) (i32.const 6))
        (i64.store (i32.const 100) (i64.const 0x0a6e656820656e6f)) (i32.store (i32.const 108) (i32.const 0x0a6f7774))
        (call $say (call $write (i32.const 1) (i32.const 0) (i32.const 2) (i32.const 200)))
        (call $say (i32.load (i32.const 200)))
        (call $say (call $write (i32.const 3) (i32.const 0) (i32.const 2) (i32.const 200)))
        (call $say (call $write (i32.const 1) (i32.const 0) (i32.const 2000) (i32.const 200)))
        (call $say (call $write (i32.const 1) (i32.const -8) (i32.const 2) (i32.const 200)))"#;
    assert_eq!(said(body), ["one hen", "two", "00", "12", "08", "28", "21"]);
}

#[test]
fn there_are_no_files_and_no_sockets() {
    let body = r#"
        (call $say (call $read (i32.const 0) (i32.const 0) (i32.const 1) (i32.const 8)))
        (call $say (call $open (i32.const 3) (i32.const 0) (i32.const 0) (i32.const 1) (i32.const 0) (i64.const -1)
                     (i64.const -1) (i32.const 0) (i32.const 8)))
        (call $say (call $seek (i32.const 1) (i64.const 0) (i32.const 0) (i32.const 8)))
        (call $say (call $accept (i32.const 3) (i32.const 0) (i32.const 8)))
        (call $say (call $prestat (i32.const 3) (i32.const 8)))
        (call $say (call $stat (i32.const 3) (i32.const 8)))
        (call $say (call $stat (i32.const 1) (i32.const 8)))
        (call $say (i32.load8_u (i32.const 8)))"#;
    assert_eq!(said(body), ["08", "08", "08", "08", "08", "08", "00", "02"]);
}

#[test]
fn clocks_randomness_and_the_environment_are_there_within_bounds() {
    let body = r#"
        (call $say (call $random (i32.const 0) (i32.const 64)))
        (call $say (i64.ne (i64.load (i32.const 0)) (i64.load (i32.const 8))))
        (call $say (call $random (i32.const 0) (i32.const 65536)))
        (call $say (call $random (i32.const 0) (i32.const 65537)))
        (call $say (call $random (i32.const 131000) (i32.const 4096)))
        (call $say (call $time (i32.const 0) (i64.const 0) (i32.const 0)))
        (call $say (i64.gt_u (i64.load (i32.const 0)) (i64.const 1700000000000000000)))
        (call $say (call $time (i32.const 1) (i64.const 0) (i32.const 0)))
        (call $say (call $time (i32.const 7) (i64.const 0) (i32.const 0)))
        (call $say (call $args (i32.const 0) (i32.const 4))) (call $say (i32.load (i32.const 0)))
        (call $say (call $yield))
        (i32.store (i32.const 40) (i32.const 9))
        (call $say (call $poll (i32.const 0) (i32.const 8) (i32.const 1) (i32.const 40)))
        (call $say (i32.load (i32.const 40)))"#;
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
        (call $say (call $environ_sizes (i32.const 0) (i32.const 4)))
        (call $say (i32.load (i32.const 0))) (call $say (i32.load (i32.const 4)))
        (call $say (call $environ (i32.const 8) (i32.const 100)))
        (drop (call $log (i32.const 2) (i32.load (i32.const 8)) (i32.const 10)))
        (call $say (call $environ (i32.const 8) (i32.const -5)))"#;
    assert_eq!(said(body), ["00", "01", "11", "00", "NAME=value", "21"]);
}
