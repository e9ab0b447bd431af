//! Contexts begin once and end once, in order, in all cases.

use super::test_vm::{TestVm, exchange, guest, plugin};

/// A guest that logs every lifecycle callback as a letter with the context's id. `done` returns `$done`.
fn chatty(done: &str) -> Vec<u8> {
    let event = |name: &str, letter: char, params: &str| {
        format!(
            "(func (export \"proxy_on_{name}\") (param $id i32) {params}
               (i32.store8 (i32.const 500) (i32.const {}))
               (i32.store8 (i32.const 501) (i32.add (i32.const 48) (local.get $id)))
               (call $log_text (i32.const 500) (i32.const 2))",
            letter as u32
        )
    };
    guest(&format!(
        "(global $finished (mut i32) (i32.const 0))
         {}) {}) {}) {} {done})
         {} (i32.const 1)) {} (i32.const 1)) {} (i32.const 0))
         (func (export \"proxy_on_tick\") (param i32)
           (drop (call $set_effective (i32.const 2)))
           (call $log_number (call $proxy_done))
           (call $log_number (call $proxy_done)))",
        event("context_create", 'c', "(param i32)"),
        event("log", 'l', ""),
        event("delete", 'x', ""),
        event("done", 'd', "(result i32)"),
        event("vm_start", 's', "(param i32) (result i32)"),
        event("configure", 'f', "(param i32) (result i32)"),
        event("request_headers", 'h', "(param i32 i32) (result i32)"),
    ))
}

#[test]
fn the_root_is_created_started_and_configured_in_this_order_and_ended_with_the_vm() {
    let TestVm { vm, host } = plugin(&chatty("(i32.const 1)")).start();
    assert_eq!(host.text_lines(), ["c1", "s1", "f1"]);
    drop(vm);
    assert_eq!(host.text_lines()[3..], ["d1", "x1"]);
}

#[test]
fn a_stream_is_done_logged_and_deleted_once_however_often_it_is_finished() {
    let test = plugin(&chatty("(i32.const 1)")).start();
    test.host.lines.borrow_mut().clear();
    let stream = test.open(&exchange());
    stream.request_headers(true).unwrap();
    stream.finish();
    stream.finish();
    assert_eq!(
        stream.request_headers(true).unwrap(),
        lockgate_sandbox::Action::Continue,
        "it is over"
    );
    drop(stream);
    assert_eq!(test.host.text_lines(), ["c2", "h2", "d2", "l2", "x2"]);
    assert_eq!(test.vm.report().streams, 0);
}

#[test]
fn dropping_a_stream_finishes_it_even_if_the_vm_is_dropped_first() {
    let TestVm { vm, host } = plugin(&chatty("(i32.const 1)")).start();
    let stream = vm.open(&exchange()).unwrap();
    host.lines.borrow_mut().clear();
    drop(vm);
    assert!(host.text_lines().is_empty(), "the VM lives as long as its streams");
    drop(stream);
    assert_eq!(host.text_lines(), ["d2", "l2", "x2", "d1", "x1"]);
}

#[test]
fn a_context_whose_done_returns_false_ends_with_proxy_done() {
    let test = plugin(&chatty("(drop (call $set_tick (i32.const 1))) (i32.const 0)")).start();
    let stream = test.open(&exchange());
    test.host.lines.borrow_mut().clear();
    drop(stream);
    assert_eq!(test.host.text_lines(), ["d2"]);
    let target = test.host.tick.borrow().clone().unwrap().0;
    assert!(target.tick());
    assert_eq!(
        test.host.text_lines()[1..],
        ["0", "1", "l2", "x2"],
        "once, and after the callback has returned"
    );
    assert!(target.tick());
    assert_eq!(
        test.host.text_lines()[5..],
        ["0", "0"],
        "the context is gone; the root may say that it is done, and nothing follows"
    );
}

#[test]
fn proxy_done_within_done_ends_the_context_at_once() {
    let test = plugin(&chatty("(call $log_number (call $proxy_done)) (i32.const 0)")).start();
    let stream = test.open(&exchange());
    test.host.lines.borrow_mut().clear();
    drop(stream);
    assert_eq!(test.host.text_lines(), ["d2", "0", "l2", "x2"]);
}

#[test]
fn a_stream_dropped_from_within_a_host_call_is_finished_after_the_guest_has_returned() {
    let wasm = guest(
        r#"(data (i32.const 0) "drop")
           (func (export "proxy_on_done") (param $id i32) (result i32)
             (call $log_number (i32.add (i32.const 100) (local.get $id))) (i32.const 1))
           (func (export "proxy_on_request_headers") (param i32 i32 i32) (result i32)
             (call $log_number (call $foreign (i32.const 0) (i32.const 4) (i32.const 0) (i32.const 0)
                          (global.get $got) (global.get $len)))
             (call $log_number (i32.const 1))
             (i32.const 0))"#,
    );
    let test = plugin(&wasm).start();
    let victim = test.open(&exchange());
    test.host.streams_to_drop.borrow_mut().push(victim);
    let stream = test.open(&exchange());
    stream.request_headers(true).unwrap();
    assert_eq!(test.host.text_lines(), ["0", "1", "102"]);
    assert_eq!(test.vm.report().streams, 1);
}

#[test]
fn a_plugin_without_callbacks_is_never_called_and_costs_nothing_but_its_context() {
    let test = plugin(&guest("")).start();
    let stream = test.open(&exchange());
    for end in [false, true] {
        for action in [
            stream.request_headers(end),
            stream.request_body(end),
            stream.response_body(end),
        ] {
            assert_eq!(action.unwrap(), lockgate_sandbox::Action::Continue);
        }
    }
    assert_eq!(test.vm.plugin().hooks(), lockgate_sandbox::Hooks::default());
}

#[test]
fn a_root_context_that_is_not_done_drains_until_it_is_done_or_dropped() {
    let chatty = chatty("(drop (call $set_tick (i32.const 1))) (i32.const 0)");
    let TestVm { vm, host } = plugin(&chatty).start();
    host.drains.set(true);
    let stream = vm.open(&exchange()).unwrap();
    host.lines.borrow_mut().clear();
    drop(vm);
    drop(stream);
    assert_eq!(host.text_lines(), ["d2", "d1"], "both wait");
    let target = host.tick.borrow().clone().unwrap().0;
    assert!(target.tick(), "ticks go on");
    assert_eq!(host.text_lines()[2..], ["0", "1", "l2", "x2"]);
    assert!(!host.draining.borrow()[0].is_over());
    assert!(target.tick(), "context 2 is gone, so this is the root's");
    assert_eq!(host.text_lines()[6..], ["0", "0", "x1"]);
    assert!(host.draining.borrow()[0].is_over());
    drop(host.draining.take());
    assert_eq!(host.text_lines().len(), 9, "nothing ends twice");
    assert!(!target.tick());
}

#[test]
fn what_still_waits_when_a_vm_is_let_go_is_logged_and_deleted() {
    let TestVm { vm, host } = plugin(&chatty("(i32.const 0)")).start();
    let stream = vm.open(&exchange()).unwrap();
    drop(stream);
    host.lines.borrow_mut().clear();
    drop(vm);
    assert_eq!(host.text_lines(), ["d1", "l2", "x2", "x1"]);
}
