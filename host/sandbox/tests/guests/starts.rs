//! A start that waits for callouts: until they are answered, the plugin does not serve.

use bytes::Bytes;
use http::{HeaderMap, StatusCode};
use lockgate_sandbox::settings::Isolation;
use lockgate_sandbox::{CalloutFailure, CalloutResponse, FailureKind, VmState};

use super::test_vm::{TestVm, exchange, guest, plugin};

/// A guest that makes a callout in `callback`, and another one in the response to each of the first `more` ones.
fn fetching(callback: &str, more: u32) -> Vec<u8> {
    let pairs: &[(&str, &str)] = &[(":method", "GET"), (":path", "/"), (":authority", "known")];
    let lengths = pairs.iter().flat_map(|(name, value)| [name.len(), value.len()]);
    let numbers = std::iter::once(pairs.len()).chain(lengths).map(|number| number as u32);
    let mut bytes: Vec<u8> = numbers.flat_map(u32::to_le_bytes).collect();
    for (name, value) in pairs {
        bytes.extend(format!("{name}\0{value}\0").into_bytes());
    }
    let head: String = bytes.iter().map(|byte| format!("\\{byte:02x}")).collect();
    guest(&format!(
        r#"(data (i32.const 0) "known") (data (i32.const 4096) "{head}")
           (global $left (mut i32) (i32.const {more}))
           (func $fetch (drop (call $http_call (i32.const 0) (i32.const 5) (i32.const 4096) (i32.const {length})
             (i32.const 0) (i32.const 0) (i32.const 0) (i32.const 0) (i32.const 1000) (i32.const 3000))))
           (func (export "proxy_on_{callback}") (param i32 i32) (result i32) (call $fetch) (i32.const 1))
           (func (export "proxy_on_http_call_response") (param i32 i32 i32 i32 i32)
             (if (global.get $left) (then
               (global.set $left (i32.sub (global.get $left) (i32.const 1)))
               (call $fetch))))
           (func (export "proxy_on_request_headers") (param i32 i32 i32) (result i32) (call $fetch) (i32.const 0))"#,
        length = bytes.len(),
    ))
}

fn response() -> CalloutResponse {
    CalloutResponse {
        status: StatusCode::OK,
        headers: HeaderMap::new(),
        body: Bytes::new(),
        trailers: None,
    }
}

fn refused(test: &TestVm) -> String {
    let failure = test.vm.open(&exchange()).err().expect("it does not serve");
    assert_eq!(failure.kind, FailureKind::Unavailable);
    failure.message
}

#[test]
fn a_plugin_whose_start_waits_for_a_callout_does_not_serve() {
    for callback in ["vm_start", "configure"] {
        for result in [Ok(response()), Err(CalloutFailure::Failed)] {
            let test = plugin(&fetching(callback, 0)).start();
            assert!(refused(&test).contains("waits for 1 callouts"));
            assert_eq!(test.vm.report().state, VmState::Starting);
            test.host.reply(0).deliver(result);
            assert_eq!(test.vm.report().state, VmState::Running, "{callback}");
            let stream = test.open(&exchange());
            stream.request_headers(true).unwrap();
            drop(test.open(&exchange()));
        }
    }
}

#[test]
fn a_start_that_asks_twice_is_done_after_the_second_response() {
    let test = plugin(&fetching("configure", 1)).start();
    test.host.reply(0).deliver(Ok(response()));
    let _waits = refused(&test);
    test.host.reply(1).deliver(Ok(response()));
    drop(test.open(&exchange()));
}

#[test]
fn a_vm_of_one_stream_cannot_wait_and_says_so() {
    let test = plugin(&fetching("configure", 0))
        .with(|settings| settings.isolation = Isolation::Stream)
        .start();
    assert!(refused(&test).contains("\"isolation\""));
    assert_eq!(test.host.guards.get(), 0, "nothing goes on for a VM that is gone");
}
