//! What the host refuses must not let a request pass that the plugin meant to stop or to change.

use lockgate_exchange::SharedExchange;
use lockgate_sandbox::FailureKind;
use lockgate_sandbox::settings::{Capabilities, OnError};

use super::test_vm::{exchange, guest, on_request_headers, plugin};

/// Data of the guests: `x-user` at 0, values at 100 and 200, a pair for an answer at 300.
const DATA: &str = r#"(data (i32.const 0) "x-user") (data (i32.const 100) "a\0d\0ab") (data (i32.const 200) "good")"#;
const BAD_ANSWER: &str = "(drop (call $respond (i32.const 101) (i32.const 0) (i32.const 0) (i32.const 0) (i32.const 0)
    (i32.const 0) (i32.const 0) (i32.const -1)))";
const GOOD_ANSWER: &str = "(drop (call $respond (i32.const 403) (i32.const 0) (i32.const 0) (i32.const 0) (i32.const 0)
    (i32.const 0) (i32.const 0) (i32.const -1)))";
const BAD_VALUE: &str =
    "(drop (call $replace (i32.const 0) (i32.const 0) (i32.const 6) (i32.const 100) (i32.const 4)))";
const GOOD_VALUE: &str =
    "(drop (call $replace (i32.const 0) (i32.const 0) (i32.const 6) (i32.const 200) (i32.const 4)))";

/// Whether the plugin fails for a request in which its guest does this.
fn fails(body: &str, capabilities: Capabilities) -> bool {
    let test = plugin(&on_request_headers(body, DATA))
        .with(|settings| settings.capabilities = capabilities)
        .start();
    let (_, refused) = test.refused_request(&exchange());
    assert_eq!(
        test.host.failure_kinds(),
        if refused { vec!["refused"] } else { vec![] }
    );
    assert_eq!(test.vm.report().traps, 0, "the VM stays usable");
    refused
}

fn without(call: &str) -> Capabilities {
    let all = [
        "send_local_response",
        "close_stream",
        "replace_header_map_value",
        "set_header_map_pairs",
        "set_buffer_bytes",
    ];
    let granted = all.into_iter().filter(|known| *known != call);
    Capabilities {
        host_calls: Some(granted.map(str::to_owned).collect()),
        ..Capabilities::default()
    }
}

#[test]
fn an_answer_that_is_refused_fails_the_request_unless_another_one_stops_it() {
    let fails = |body: &str| fails(body, Capabilities::default());
    assert!(fails(BAD_ANSWER));
    assert!(!fails(GOOD_ANSWER));
    assert!(!fails(&[BAD_ANSWER, GOOD_ANSWER].concat()), "the guest has tried again");
    assert!(!fails(&[GOOD_ANSWER, BAD_ANSWER].concat()), "it is stopped already");
    assert!(!fails(&[BAD_ANSWER, "(drop (call $close (i32.const 0)))"].concat()));
    // Pointers beyond the memory.
    for part in 1..=3 {
        let at = |this: i32| {
            if part == this {
                "(i32.const -8) (i32.const 16)"
            } else {
                "(i32.const 0) (i32.const 0)"
            }
        };
        let answer = format!(
            "(drop (call $respond (i32.const 403) {} {} {} (i32.const -1)))",
            at(1),
            at(2),
            at(3)
        );
        assert!(fails(&answer), "{part}");
    }
}

#[test]
fn a_stop_that_a_capability_refuses_fails_the_request() {
    assert!(fails(GOOD_ANSWER, without("send_local_response")));
    assert!(fails("(drop (call $close (i32.const 0)))", without("close_stream")));
    assert!(
        !fails("(drop (call $close (i32.const 2)))", Capabilities::default()),
        "there is no TCP stream"
    );
}

#[test]
fn a_refused_write_fails_the_request_if_the_clients_value_is_left() {
    let of = |body: &str| fails(body, Capabilities::default());
    assert!(of(BAD_VALUE));
    assert!(!of(&[BAD_VALUE, GOOD_VALUE].concat()), "it is overwritten after all");
    assert!(!of(&[BAD_VALUE, GOOD_ANSWER].concat()), "nothing passes");
    assert!(
        !of(&BAD_VALUE.replace("(i32.const 6)", "(i32.const 5)")),
        "the client has sent no x-use"
    );
    assert!(
        !of(&BAD_VALUE.replace("$replace", "$add")),
        "one more value would have overwritten nothing"
    );
    assert!(
        of("(drop (call $set_pairs (i32.const 0) (i32.const 0) (i32.const 6)))"),
        "all of the map stays"
    );
    assert!(fails(GOOD_VALUE, without("replace_header_map_value")));
    assert!(fails(
        "(drop (call $set_pairs (i32.const 0) (i32.const 0) (i32.const 0)))",
        without("set_header_map_pairs")
    ));
    assert!(fails(
        "(drop (call $set_buffer (i32.const 0) (i32.const 0) (i32.const 9) (i32.const 0) (i32.const 1)))",
        without("set_buffer_bytes")
    ));
    assert!(
        of("(drop (call $set_buffer (i32.const 0) (i32.const 0) (i32.const -1) (i32.const -16) (i32.const 64)))"),
        "the new body lies beyond the memory, and the old one stays"
    );
}

#[test]
fn a_write_that_capabilities_forbid_fails_the_request() {
    let writing = |names: &[&str]| Capabilities {
        write_headers: Some(names.iter().map(|name| (*name).to_owned()).collect()),
        ..Capabilities::default()
    };
    for call in ["$replace", "$add"] {
        let write = GOOD_VALUE.replace("$replace", call);
        assert!(fails(&write, writing(&["x-other"])), "{call}");
        assert!(!fails(&write, writing(&["x-user"])), "{call}");
    }
    let remove = |length: i32| format!("(drop (call $remove (i32.const 0) (i32.const 0) (i32.const {length})))");
    assert!(fails(&remove(6), writing(&[])));
    assert!(
        !fails(&remove(5), writing(&[])),
        "what is not there is not the client's"
    );
}

#[test]
fn a_request_that_has_passed_is_stopped_too() {
    // The tick works for stream 2, whose headers have passed.
    let wasm = guest(&format!(
        r#"(func (export "proxy_on_request_headers") (param i32 i32 i32) (result i32) (i32.const 0))
           (func (export "proxy_on_configure") (param i32 i32) (result i32)
             (drop (call $set_tick (i32.const 1000))) (i32.const 1))
           (func (export "proxy_on_tick") (param i32) (drop (call $set_effective (i32.const 2))) {BAD_ANSWER})"#
    ));
    let ticked = |on_error: OnError| -> (SharedExchange, bool) {
        let test = plugin(&wasm).with(|settings| settings.on_error = on_error).start();
        let passed = exchange();
        let stream = test.open(&passed);
        stream.request_headers(true).unwrap();
        assert!(test.host.timer().0.tick());
        let is_lost = stream.is_lost();
        (passed, is_lost)
    };
    let (passed, is_lost) = ticked(OnError::Deny);
    assert!(is_lost && !passed.borrow().pending.failed.is_empty());
    let (passed, is_lost) = ticked(OnError::Bypass);
    assert!(is_lost && passed.borrow().pending.failed.is_empty());
}

#[test]
fn an_answer_to_a_stream_that_is_over_is_no_failure() {
    let wasm = guest(&format!(
        r#"(func (export "proxy_on_done") (param i32) (result i32) {BAD_ANSWER} (i32.const 1))
           (func (export "proxy_on_log") (param i32) {BAD_ANSWER} {BAD_VALUE})"#
    ));
    let test = plugin(&wasm).start();
    drop(test.open(&exchange()));
    assert!(
        test.host
            .failures
            .borrow()
            .iter()
            .all(|failure| failure.kind != FailureKind::Refused)
    );
}
