//! ABI versions, and the ways to initialise a guest.

use lockgate_sandbox::{AbiVersion, Action};

use super::test_vm::{bare, exchange, guest, plugin};

#[test]
fn in_0_1_0_header_callbacks_have_no_end_of_stream_and_there_are_calls_of_its_own() {
    let wasm = bare(
        r#"(import "env" "proxy_log" (func $log (param i32 i32 i32) (result i32)))
           (import "env" "proxy_get_configuration" (func $configuration (param i32 i32) (result i32)))
           (import "env" "proxy_continue_request" (func $continue_request (result i32)))
           (import "env" "proxy_continue_response" (func $continue_response (result i32)))
           (import "env" "proxy_clear_route_cache" (func $clear (result i32)))
           (import "env" "proxy_get_header_map_value" (func $get (param i32 i32 i32 i32 i32) (result i32)))
           (import "env" "pthread_equal" (func $same (param i32 i32) (result i32)))
           (memory (export "memory") 2) (data (i32.const 16) "x-absent")
           (func (export "proxy_abi_version_0_1_0"))
           (func (export "malloc") (param i32) (result i32) (i32.const 65536))
           (func $log_configuration
             (drop (call $configuration (i32.const 0) (i32.const 4)))
             (drop (call $log (i32.const 2) (i32.load (i32.const 0)) (i32.load (i32.const 4)))))
           (func (export "proxy_on_vm_start") (param i32 i32) (result i32)
             (call $log_configuration) (i32.const 1))
           (func (export "proxy_on_configure") (param i32 i32) (result i32)
             (call $log_configuration) (call $same (i32.const 7) (i32.const 7)))
           (func (export "proxy_on_request_headers") (param $id i32) (param $n i32) (result i32)
             (drop (call $continue_response))
             (drop (call $clear))
             (i32.store (i32.const 4) (i32.const 99))
             (i32.add (i32.add (local.get $n) (call $continue_request))
               (i32.add (call $get (i32.const 0) (i32.const 16) (i32.const 8) (i32.const 0) (i32.const 4))
                 (i32.load (i32.const 4)))))"#,
    );
    let making = plugin(&wasm);
    assert_eq!(making.spec.module.abi(), AbiVersion::V0_1_0);
    let test = making.start();
    assert_eq!(test.host.text_lines(), ["vm config", "the config"]);
    let exchange = exchange();
    let stream = test.open(&exchange);
    assert_eq!(
        stream.request_headers(true).unwrap(),
        Action::Pause,
        "it answered the number of headers, 7"
    );
    // An absent header is an empty one, with status OK. The status and the length would have been logged.

    let asked = &mut exchange.borrow_mut().pending;
    assert!(asked.resume_request.take(0) && asked.resume_response.take(0) && asked.reroute.take(0));
}

#[test]
fn after_0_1_0_an_absent_header_is_not_found() {
    for edition in ["0_2_0", "0_2_1"] {
        let wasm = bare(&format!(
            r#"(import "env" "proxy_get_header_map_value" (func $get (param i32 i32 i32 i32 i32) (result i32)))
               (memory (export "memory") 2) (data (i32.const 16) "x-absent")
               (func (export "proxy_abi_version_{edition}"))
               (func (export "malloc") (param i32) (result i32) (i32.const 65536))
               (func (export "proxy_on_request_headers") (param i32 i32 i32) (result i32)
                 (i32.sub (call $get (i32.const 0) (i32.const 16) (i32.const 8) (i32.const 0) (i32.const 4)) (i32.const 1)))"#
        ));
        let test = plugin(&wasm).start();
        let answer = test.open(&exchange()).request_headers(true).unwrap();
        assert_eq!(answer, Action::Continue, "{edition}: NOT_FOUND is 1, less 1");
    }
}

#[test]
fn the_newest_version_that_a_module_exports_counts() {
    let wasm = bare(
        r#"(memory (export "memory") 1)
           (func (export "proxy_abi_version_0_2_0")) (func (export "proxy_abi_version_0_2_1"))"#,
    );
    assert_eq!(plugin(&wasm).spec.module.abi(), AbiVersion::V0_2_1);
}

#[test]
fn initialize_runs_before_main_and_start_is_left_alone_then() {
    let wasm = guest(
        r#"(func (export "_initialize") (call $log_number (i32.const 1)))
           (func (export "main") (param i32 i32) (result i32) (call $log_number (i32.const 2)) (i32.const 0))
           (func (export "_start") (call $log_number (i32.const 3)))"#,
    );
    assert_eq!(plugin(&wasm).start().host.text_lines(), ["1", "2"]);
}

#[test]
fn start_runs_where_there_is_no_initialize_and_may_exit_with_success() {
    let wasm = |code: i32| {
        bare(&format!(
            r#"(import "wasi_snapshot_preview1" "proc_exit" (func $exit (param i32)))
               (memory (export "memory") 1) (func (export "proxy_abi_version_0_2_1"))
               (func (export "_start") (call $exit (i32.const {code})))
               (func (export "proxy_on_request_headers") (param i32 i32 i32) (result i32) (i32.const 1))"#
        ))
    };
    let test = plugin(&wasm(0)).start();
    assert_eq!(test.open(&exchange()).request_headers(true).unwrap(), Action::Pause);
    let failure = plugin(&wasm(3)).unstarted().vm.start().unwrap_err();
    assert_eq!(failure.kind.as_str(), "exit");
    assert!(failure.message.contains("proc_exit(3)"), "{failure}");
}

#[test]
fn while_a_guest_initialises_itself_only_log_and_wasi_are_callable() {
    let wasm = guest(
        r#"(func (export "_initialize")
             (call $log_number (call $log_level (global.get $got)))
             (call $log_number (i32.load (global.get $got)))
             (call $log_number (call $now (global.get $got)))
             (call $log_number (call $set_tick (i32.const 5)))
             (call $log_number (call $get_buffer (i32.const 7) (i32.const 0) (i32.const 1) (global.get $got) (global.get $len))))"#,
    );
    assert_eq!(plugin(&wasm).start().host.text_lines(), ["0", "3", "10", "10", "10"]);
}

#[test]
fn a_start_section_may_already_log() {
    let wasm = guest("(func $begin (call $log_number (i32.const 42))) (start $begin)");
    assert_eq!(plugin(&wasm).start().host.text_lines(), ["42"]);
}
