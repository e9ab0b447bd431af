//! Services of the host: shared data, queues, metrics, foreign functions, the clock. Their statuses pass through.

use lockgate_sandbox::Refusal;

use super::test_vm::{exchange, guest, on_request_headers, plugin};

#[test]
fn shared_data_has_a_version_and_belongs_to_the_vm_id() {
    let body = r#"
        (call $log_number (call $get_shared (i32.const 0) (i32.const 3) (global.get $got) (global.get $len) (i32.const 3000)))
        (call $log_number (call $set_shared (i32.const 0) (i32.const 3) (i32.const 16) (i32.const 5) (i32.const 0)))
        (call $log_number (call $get_shared (i32.const 0) (i32.const 3) (global.get $got) (global.get $len) (i32.const 3000)))
        (call $log_number (i32.load (i32.const 3000)))
        (call $log_result)
        (call $log_number (call $set_shared (i32.const 0) (i32.const 3) (i32.const 16) (i32.const 1) (i32.const 9)))
        (call $log_number (call $set_shared (i32.const 0) (i32.const 3) (i32.const 16) (i32.const 0) (i32.const 1)))
        (call $log_number (call $get_shared (i32.const 0) (i32.const 3) (global.get $got) (global.get $len) (i32.const 3000)))
        (call $log_number (i32.load (global.get $len)))"#;
    let test = plugin(&on_request_headers(
        body,
        "(data (i32.const 0) \"key\") (data (i32.const 16) \"value\")",
    ))
    .start();
    assert_eq!(
        test.request(&exchange()),
        ["1", "0", "0", "1", "value", "8", "0", "0", "0"]
    );
    assert!(
        test.host
            .shared
            .borrow()
            .contains_key(&("vm".to_owned(), "key".to_owned()))
    );
}

#[test]
fn a_queue_notifies_its_owner_after_the_guest_that_fills_it_has_returned() {
    let wasm = guest(
        r#"(data (i32.const 0) "jobs") (data (i32.const 16) "work") (data (i32.const 32) "vm")
           (func (export "proxy_on_configure") (param i32 i32) (result i32)
             (call $log_number (call $register_queue (i32.const 0) (i32.const 4) (i32.const 3000)))
             (call $log_number (i32.load (i32.const 3000)))
             (i32.const 1))
           (func (export "proxy_on_request_headers") (param i32 i32 i32) (result i32)
             (call $log_number (call $resolve_queue (i32.const 32) (i32.const 2) (i32.const 16) (i32.const 4) (i32.const 3000)))
             (call $log_number (call $resolve_queue (i32.const 32) (i32.const 2) (i32.const 0) (i32.const 4) (i32.const 3000)))
             (call $log_number (call $dequeue (i32.load (i32.const 3000)) (global.get $got) (global.get $len)))
             (call $log_number (call $enqueue (i32.load (i32.const 3000)) (i32.const 16) (i32.const 4)))
             (call $log_number (call $enqueue (i32.const 99) (i32.const 16) (i32.const 4)))
             (call $log_number (i32.const 55))
             (i32.const 0))
           (func (export "proxy_on_queue_ready") (param $root i32) (param $queue i32)
             (call $log_number (i32.add (i32.const 100) (local.get $root)))
             (call $log_number (call $dequeue (local.get $queue) (global.get $got) (global.get $len)))
             (call $log_result))"#,
    );
    let test = plugin(&wasm).start();
    assert_eq!(test.host.text_lines(), ["0", "1"]);
    let stream = test.open(&exchange());
    stream.request_headers(true).unwrap();
    assert_eq!(
        test.host.text_lines()[2..],
        ["1", "0", "7", "0", "1", "55", "101", "0", "work"]
    );
}

#[test]
fn metrics_are_defined_counted_and_read() {
    let body = r#"
        (call $log_number (call $define_metric (i32.const 0) (i32.const 0) (i32.const 4) (i32.const 3000)))
        (call $log_number (call $increment_metric (i32.load (i32.const 3000)) (i64.const 3)))
        (call $log_number (call $record_metric (i32.load (i32.const 3000)) (i64.const 40)))
        (call $log_number (call $increment_metric (i32.load (i32.const 3000)) (i64.const -50)))
        (call $log_number (call $get_metric (i32.load (i32.const 3000)) (i32.const 3008)))
        (call $log_number (i32.load (i32.const 3008)))
        (call $log_number (call $get_metric (i32.const 99) (i32.const 3008)))
        (call $log_number (call $record_metric (i32.const 0) (i64.const 1)))
        (call $log_number (call $define_metric (i32.const 3) (i32.const 0) (i32.const 4) (i32.const 3000)))
        (call $log_number (call $get_metric (i32.load (i32.const 3000)) (i32.const -4)))"#;
    let test = plugin(&on_request_headers(body, "(data (i32.const 0) \"hits\")")).start();
    assert_eq!(
        test.request(&exchange()),
        ["0", "0", "0", "2", "0", "40", "1", "1", "2", "6"]
    );
}

#[test]
fn foreign_functions_get_the_argument_and_the_stream_in_effect() {
    let call = |name: i32, length: i32| {
        format!(
            "(call $log_number (call $foreign (i32.const {name}) (i32.const {length}) (i32.const 16) (i32.const 5)
               (global.get $got) (global.get $len))) (call $log_result)"
        )
    };
    let body = [call(0, 4), call(4, 4), call(8, 4), call(16, 5)].concat();
    let data = "(data (i32.const 0) \"echopath\\ff\\fe\\fd\\fc\") (data (i32.const 16) \"value\")";
    let said = plugin(&on_request_headers(&body, data)).start().request(&exchange());
    assert_eq!(said, ["0", "value", "0", "/a?b=c", "1", "/a?b=c", "1", "/a?b=c"]);
}

#[test]
fn a_foreign_function_completes_after_the_guest_that_called_it_has_returned() {
    let wasm = guest(
        r#"(data (i32.const 0) "complete") (data (i32.const 16) "\07")
           (func (export "proxy_on_request_headers") (param i32 i32 i32) (result i32)
             (call $log_number (call $foreign (i32.const 0) (i32.const 8) (i32.const 16) (i32.const 1) (i32.const 0) (i32.const 0)))
             (call $log_number (i32.const 55))
             (i32.const 0))
           (func (export "proxy_on_foreign_function") (param $root i32) (param $id i32) (param $size i32)
             (call $log_number (i32.add (i32.const 100) (local.get $root)))
             (call $log_number (local.get $id))
             (call $log_number (local.get $size)))"#,
    );
    let test = plugin(&wasm).start();
    let stream = test.open(&exchange());
    stream.request_headers(true).unwrap();
    assert_eq!(test.host.text_lines(), ["0", "55", "101", "7", "0"]);
}

#[test]
fn without_room_a_shared_value_is_an_error_and_counted() {
    // The host in memory has room for 64 values.
    let body = r#"
        (local $key i32)
        (loop $more
          (i32.store8 (i32.const 0) (local.tee $key (i32.add (local.get $key) (i32.const 1))))
          (br_if $more (i32.eqz (call $set_shared (i32.const 0) (i32.const 1) (i32.const 0) (i32.const 1) (i32.const 0)))))
        (call $log_number (local.get $key))
        (call $log_number (call $set_shared (i32.const 0) (i32.const 1) (i32.const 0) (i32.const 1) (i32.const 0)))"#;
    let test = plugin(&on_request_headers(body, "")).start();
    assert_eq!(test.request(&exchange()), ["65", "10"]);
    assert_eq!(test.host.refusals.borrow()[..], [(Refusal::SharedData, 2)]);
}

#[test]
fn without_room_a_value_of_lockgate_kv_is_an_error_and_counted() {
    let body = "(call $log_number (call $foreign (i32.const 0) (i32.const 11) (i32.const 0) (i32.const 0)
                  (i32.const 0) (i32.const 0)))";
    let test = plugin(&on_request_headers(body, "(data (i32.const 0) \"lockgate.kv\")")).start();
    assert_eq!(test.request(&exchange()), ["10"]);
    assert_eq!(test.host.refusals.borrow()[..], [(Refusal::Kv, 1)]);
}

#[test]
fn log_lines_have_their_level_and_unknown_levels_are_bad_arguments() {
    let body = "(call $log_number (call $log (i32.const 4) (i32.const 0) (i32.const 3)))
                (call $log_number (call $log (i32.const 6) (i32.const 0) (i32.const 3)))
                (call $log_number (call $log (i32.const 0) (i32.const 8) (i32.const 2)))";
    let test = plugin(&on_request_headers(
        body,
        "(data (i32.const 0) \"bad\") (data (i32.const 8) \"\\ff!\")",
    ))
    .start();
    assert_eq!(test.request(&exchange()), ["bad", "0", "2", "\u{fffd}!", "0"]);
    assert_eq!(test.host.lines.borrow()[0].0, lockgate_sandbox::LogLevel::Error);
}

#[test]
fn a_tick_period_of_zero_stops_the_timer() {
    let body = "(drop (call $set_tick (i32.const 1000))) (call $log_number (call $set_tick (i32.const 0)))";
    let test = plugin(&on_request_headers(body, "")).start();
    assert_eq!(test.request(&exchange()), ["0"]);
    assert!(test.host.tick.borrow().as_ref().unwrap().1.is_none());
}

#[test]
fn envoys_filter_state_for_the_tcp_cluster_chooses_the_upstream() {
    // SetEnvoyFilterStateArguments { path, value }.
    let call = |path: &str, value: &str| {
        let argument = [
            &[0x0a, path.len() as u8][..],
            path.as_bytes(),
            &[0x12, value.len() as u8],
            value.as_bytes(),
        ]
        .concat();
        let escaped: String = argument.iter().map(|byte| format!("\\{byte:02x}")).collect();
        let body = format!(
            "(call $log_number (call $foreign (i32.const 0) (i32.const 22) (i32.const 64) (i32.const {}) (i32.const 0) (i32.const 0)))",
            argument.len()
        );
        let data = format!("(data (i32.const 0) \"set_envoy_filter_state\") (data (i32.const 64) \"{escaped}\")");
        on_request_headers(&body, &data)
    };
    let cluster = "envoy.tcp_proxy.cluster";
    for (path, value, status, name) in [
        (cluster, "known", "0", Some("lockgate.upstream")),
        (cluster, "unknown", "2", None),
        ("wasm.mine", "v", "0", Some("filter_state.wasm.mine")),
        ("", "v", "2", None),
    ] {
        let exchange = exchange();
        assert_eq!(
            plugin(&call(path, value)).start().request(&exchange),
            [status],
            "{path}"
        );
        let set = exchange.borrow();
        let names: Vec<_> = set.properties.iter().map(|(name, _)| name.to_owned()).collect();
        assert_eq!(names, name.into_iter().collect::<Vec<_>>(), "{path} {value}");
    }
    let exchange = exchange();
    let test = plugin(&call(cluster, "known"))
        .with(|settings| settings.capabilities.write_properties = Some(vec!["mine.*".to_owned()]))
        .start();
    assert_eq!(test.request(&exchange), ["0"]);
    assert!(
        exchange.borrow().properties.get("lockgate.upstream").is_none(),
        "it may not"
    );
}
