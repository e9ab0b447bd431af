//! A VM per stream: nothing remains from one request to the next.

use lockgate_sandbox::settings::Isolation;
use lockgate_sandbox::{Engine, EngineSettings, FailureKind};

use super::test_vm::{TestPlugin, exchange, guest, plugin};

fn isolated(wasm: &[u8]) -> TestPlugin {
    plugin(wasm).with(|settings| settings.isolation = Isolation::Stream)
}

/// A guest that counts its requests in a global and in memory, and logs both.
fn counting() -> Vec<u8> {
    guest(
        r#"(global $count (mut i32) (i32.const 0))
           (data (i32.const 0) "x-trap")
           (func (export "proxy_on_request_headers") (param i32 i32 i32) (result i32)
             (if (i32.eqz (call $get (i32.const 0) (i32.const 0) (i32.const 6) (global.get $got) (global.get $len)))
               (then unreachable))
             (global.set $count (i32.add (global.get $count) (i32.const 1)))
             (i32.store (i32.const 70000) (i32.add (i32.load (i32.const 70000)) (i32.const 1)))
             (call $log_number (global.get $count)) (call $log_number (i32.load (i32.const 70000)))
             (i32.const 0))"#,
    )
}

#[test]
fn shared_streams_see_each_others_traces_and_isolated_ones_do_not() {
    let shared = plugin(&counting()).start();
    shared.request(&exchange());
    assert_eq!(shared.request(&exchange()), ["2", "2"]);
    let isolated = isolated(&counting()).start();
    for _ in 0..50 {
        assert_eq!(isolated.request(&exchange()), ["1", "1"]);
    }
}

#[test]
fn isolated_streams_live_side_by_side_and_a_trap_is_one_streams_own() {
    let test = isolated(&counting()).start();
    let streams: Vec<_> = (0..20).map(|_| test.open(&exchange())).collect();
    let poisoned = exchange();
    poisoned
        .borrow_mut()
        .request
        .headers
        .insert("x-trap", http::HeaderValue::from_static("1"));
    for _ in 0..5 {
        let failing = test.open(&poisoned);
        assert_eq!(failing.request_headers(true).unwrap_err().kind, FailureKind::Trap);
    }
    assert_eq!((test.vm.report().streams, test.vm.report().traps), (20, 5));
    for stream in &streams {
        assert!(!stream.is_lost());
        stream.request_headers(true).unwrap();
    }
    drop(streams);
    assert_eq!(test.vm.report().streams, 0);
}

#[test]
fn an_exhausted_pool_is_a_failure_and_recovers() {
    // An engine of its own, so that no other test exhausts the pool.
    let engine = Engine::new(EngineSettings::default()).unwrap();
    let module = engine.compile(&guest("")).unwrap();
    let test = isolated(&guest("")).with_module(module).on(&engine);
    let mut streams = Vec::new();
    let failure = loop {
        match test.vm.open(&exchange()) {
            Ok(stream) => streams.push(stream),
            Err(failure) => break failure,
        }
        assert!(streams.len() <= 1000, "the pool has an end");
    };
    assert_eq!(failure.kind, FailureKind::Unavailable);
    let module = engine.compile(&guest("")).unwrap();
    let other = isolated(&guest("")).with_module(module).on(&engine);
    let others: Vec<_> = (0..100).map(|_| other.open(&exchange())).collect();
    drop(others);
    streams.truncate(streams.len() / 2);
    drop(test.open(&exchange()));
}

#[test]
fn configuring_happens_in_every_instance() {
    let wasm = guest(
        r#"(func (export "proxy_on_configure") (param i32 i32) (result i32) (call $log_number (local.get 1)) (i32.const 1))
           (func (export "proxy_on_delete") (param $id i32) (call $log_number (i32.add (i32.const 100) (local.get $id))))"#,
    );
    let test = isolated(&wasm).start();
    assert_eq!(
        test.host.text_lines(),
        ["10", "101"],
        "the trial instance is gone already"
    );
    drop(test.open(&exchange()));
    assert_eq!(test.host.text_lines()[2..], ["10", "102", "101"]);
}
