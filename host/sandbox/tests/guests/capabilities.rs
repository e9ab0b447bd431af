//! Allow-lists: a refused call returns the status of something absent, and the guest survives.

use lockgate_sandbox::LoadError;
use lockgate_sandbox::settings::Capabilities;

use super::test_vm::{exchange, guest, on_request_headers, plugin};

fn only(calls: &[&str]) -> Capabilities {
    Capabilities {
        host_calls: Some(calls.iter().map(|&call| call.to_owned()).collect()),
        ..Capabilities::default()
    }
}

#[test]
fn refused_calls_return_what_the_rust_sdk_survives_and_do_nothing() {
    let body = r#"
        (call $log_number (call $get (i32.const 0) (i32.const 0) (i32.const 6) (global.get $got) (global.get $len)))
        (call $log_number (call $replace (i32.const 0) (i32.const 0) (i32.const 6) (i32.const 0) (i32.const 1)))
        (call $log_number (call $set_shared (i32.const 0) (i32.const 1) (i32.const 0) (i32.const 1) (i32.const 0)))
        (call $log_number (call $get_property (i32.const 0) (i32.const 1) (global.get $got) (global.get $len)))
        (call $log_number (call $foreign (i32.const 0) (i32.const 1) (i32.const 0) (i32.const 0) (global.get $got) (global.get $len)))
        (call $log_number (call $now (global.get $got)))
        (call $log_number (call $map_size (i32.const 0) (global.get $got)))"#;
    let wasm = on_request_headers(body, "(data (i32.const 0) \"x-user\")");
    let exchange = exchange();
    let test = plugin(&wasm)
        .with(|settings| settings.capabilities = only(&["get_header_map_size"]))
        .start();
    let (lines, refused) = test.refused_request(&exchange);
    assert_eq!(lines, ["1", "0", "0", "1", "1", "0", "0"]);
    assert!(refused, "the client's x-user would have been replaced");
    assert_eq!(exchange.borrow().request.headers["x-user"], "anna");
    assert!(test.host.shared.borrow().is_empty());
}

#[test]
fn an_unknown_host_call_is_refused_with_its_nearest_name() {
    let error = plugin(&guest(""))
        .with(|settings| settings.capabilities = only(&["proxy_http_cal"]))
        .link()
        .err()
        .unwrap();
    assert!(matches!(
        &error,
        LoadError::UnknownHostCall {
            nearest: Some("proxy_http_call"),
            ..
        }
    ));
    assert!(
        error.to_string().contains("did you mean \"proxy_http_call\"?"),
        "{error}"
    );
}

#[test]
fn callouts_go_only_to_the_upstreams_that_are_named() {
    let head = [(":method", "GET"), (":path", "/"), (":authority", "a")];
    let borrowed = head.iter().map(|(name, value)| (name.as_bytes(), value.as_bytes()));
    let mut bytes = vec![0; lockgate_abi::encoded_len(borrowed.clone())];
    lockgate_abi::encode_pairs(borrowed, &mut bytes).unwrap();
    let text: String = bytes.iter().map(|byte| format!("\\{byte:02x}")).collect();
    let body = format!(
        "(call $log_number (call $http_call (i32.const 0) (i32.const 5) (i32.const 4096) (i32.const {})
           (i32.const 0) (i32.const 0) (i32.const 0) (i32.const 0) (i32.const 0) (i32.const 3000)))",
        bytes.len()
    );
    let data = format!("(data (i32.const 0) \"known\") (data (i32.const 4096) \"{text}\")");
    for (upstreams, status) in [(None, "0"), (Some(vec!["known".to_owned()]), "0"), (Some(vec![]), "2")] {
        let capabilities = Capabilities {
            upstreams,
            ..Capabilities::default()
        };
        let test = plugin(&on_request_headers(&body, &data))
            .with(|settings| settings.capabilities = capabilities)
            .start();
        assert_eq!(test.request(&exchange()), [status]);
    }
}

#[test]
fn the_settings_are_strict_about_their_keys_and_units() {
    use lockgate_sandbox::settings::{Limits, OnError};
    let limits: Limits = serde_json::from_str(r#"{ "deadline": "5ms", "memory": "32MiB" }"#).unwrap();
    assert_eq!((limits.deadline.0.as_millis(), limits.memory.0), (5, 32 << 20));
    assert_eq!(limits.callouts, Limits::default().callouts);
    assert!(serde_json::from_str::<Limits>(r#"{ "deadline": 5 }"#).is_err());
    assert!(serde_json::from_str::<Limits>(r#"{ "deadlin": "5ms" }"#).is_err());
    assert_eq!(serde_json::from_str::<OnError>("\"bypass\"").unwrap(), OnError::Bypass);
}

#[test]
fn what_may_be_written_is_less_than_what_may_be_seen() {
    let body = r#"
        (call $log_number (call $replace (i32.const 0) (i32.const 0) (i32.const 6) (i32.const 100) (i32.const 1)))
        (call $log_number (call $replace (i32.const 0) (i32.const 20) (i32.const 5) (i32.const 100) (i32.const 1)))
        (call $log_number (call $get (i32.const 0) (i32.const 0) (i32.const 6) (global.get $got) (global.get $len)))
        (call $log_number (call $set_property (i32.const 40) (i32.const 4) (i32.const 100) (i32.const 1)))
        (call $log_number (call $set_property (i32.const 50) (i32.const 6) (i32.const 100) (i32.const 1)))
        (call $log_number (call $foreign (i32.const 60) (i32.const 4) (i32.const 0) (i32.const 0) (global.get $got) (global.get $len)))
        ;; All headers as they were read, given back.
        (drop (call $get_pairs (i32.const 0) (global.get $got) (global.get $len)))
        (call $log_number (call $set_pairs (i32.const 0) (i32.load (global.get $got)) (i32.load (global.get $len))))"#;
    let data = r#"(data (i32.const 0) "x-user") (data (i32.const 20) "x-app") (data (i32.const 40) "mine")
        (data (i32.const 50) "auth.x") (data (i32.const 60) "fine") (data (i32.const 100) "!")"#;
    let list = |names: &[&str]| Some(names.iter().map(|name| (*name).to_owned()).collect::<Vec<_>>());
    let test = plugin(&on_request_headers(body, data))
        .with(|settings| {
            settings.capabilities.write_headers = list(&["x-app*"]);
            settings.capabilities.write_properties = list(&["auth.*"]);
            settings.capabilities.foreign_functions = list(&[]);
        })
        .start();
    let exchange = exchange();
    let (lines, refused) = test.refused_request(&exchange);
    assert_eq!(lines, ["0", "0", "0", "0", "0", "1", "0"]);
    assert!(refused, "x-user was not the plugin's to write");
    let exchange = exchange.borrow();
    assert_eq!(exchange.request.headers["x-user"], "anna", "seen, and not changed");
    assert_eq!(exchange.request.headers["x-app"], "!");
    assert_eq!(exchange.request.headers.get_all("x-twice").iter().count(), 2);
    let set: Vec<_> = exchange.properties.iter().map(|(name, _)| name).collect();
    assert_eq!(set, ["auth.x"]);
    let mut refused: Vec<_> = test
        .host
        .refusals
        .borrow()
        .iter()
        .map(|(what, _)| what.as_str())
        .collect();
    refused.sort_unstable();
    assert_eq!(
        refused,
        [
            "capability_foreign_function",
            "capability_header",
            "capability_property"
        ]
    );
}
