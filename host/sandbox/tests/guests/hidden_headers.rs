//! What `capabilities.headers` hides is hidden everywhere: in properties, whole maps, counts and sizes, of every message.

use http::{HeaderMap, HeaderValue, StatusCode};
use lockgate_exchange::{ResponseHead, SharedExchange};
use lockgate_sandbox::CalloutResponse;
use lockgate_sandbox::settings::Capabilities;

use super::test_vm::{TestVm, exchange, guest, on_request_headers, plugin};

fn seeing(names: &[&str], wasm: &[u8]) -> TestVm {
    let names = names.iter().map(|name| (*name).to_owned()).collect();
    let capabilities = Capabilities {
        headers: Some(names),
        ..Capabilities::default()
    };
    plugin(wasm)
        .with(|settings| settings.capabilities = capabilities)
        .start()
}

fn secret(fields: &[(&'static str, &'static str)]) -> HeaderMap {
    let pairs = fields.iter().map(|(name, value)| {
        let name = http::HeaderName::from_static(name);
        (name, HeaderValue::from_static(value))
    });
    pairs.collect()
}

/// An exchange whose every map has a secret.
fn answered() -> SharedExchange {
    let exchange = exchange();
    {
        let mut exchange = exchange.borrow_mut();
        let request = &mut exchange.request.headers;
        request.extend(secret(&[
            ("authorization", "secret"),
            ("referer", "secret"),
            ("user-agent", "secret"),
        ]));
        let fields = secret(&[("set-cookie", "secret"), ("grpc-status", "3"), ("x-app", "seen")]);
        exchange.response = Some(ResponseHead {
            status: StatusCode::NOT_FOUND,
            headers: fields.clone(),
        });
        exchange.response_trailers = Some(fields);
        exchange.request_trailers = Some(secret(&[("x-sum", "secret")]));
    }
    exchange
}

/// What a plugin that sees these headers reads under a path.
fn property(names: &[&str], path: &str) -> Option<Vec<u8>> {
    let body = format!(
        "(if (i32.eqz (call $get_property (i32.const 0) (i32.const {}) (global.get $got) (global.get $len)))
           (then (drop (call $set_property (i32.const 512) (i32.const 4)
                         (i32.load (global.get $got)) (i32.load (global.get $len))))))",
        path.len()
    );
    let path = path.replace('.', "\\00");
    let data = format!("(data (i32.const 0) \"{path}\") (data (i32.const 512) \"dump\")");
    let exchange = answered();
    seeing(names, &on_request_headers(&body, &data)).request(&exchange);
    let exchange = exchange.borrow();
    exchange.properties.get("dump").map(|bytes| bytes.to_vec())
}

#[test]
fn properties_show_no_hidden_header() {
    let hidden = [
        ("request.headers.authorization", "authorization"),
        ("request.headers.Authorization", "authorization"),
        ("request.referer", "referer"),
        ("request.useragent", "user-agent"),
        ("request.path", ":path"),
        ("request.url_path", ":path"),
        ("request.query", ":path"),
        ("request.host", ":authority"),
        ("request.method", ":method"),
        ("request.scheme", ":scheme"),
        ("response.headers.set-cookie", "set-cookie"),
        ("response.trailers.set-cookie", "set-cookie"),
        ("response.code", ":status"),
        ("response.grpc_status", "grpc-status"),
    ];
    for (path, name) in hidden {
        assert_eq!(property(&["x-app"], path), None, "{path}");
        assert!(property(&[name], path).is_some(), "{path}");
    }
    for path in ["request.headers", "response.headers", "response.trailers"] {
        let map = property(&["x-app", "x-user"], path).unwrap();
        assert!(!map.windows(6).any(|bytes| bytes == b"secret"), "{path}");
        assert!(
            property(&["*"], path)
                .unwrap()
                .windows(6)
                .any(|bytes| bytes == b"secret"),
            "{path}"
        );
    }
}

#[test]
fn sizes_count_no_hidden_header() {
    let size = |names: &[&str], path: &str| {
        let bytes = property(names, path).unwrap();
        u64::from_le_bytes(bytes.try_into().unwrap())
    };
    assert_eq!(size(&[], "request.total_size"), 0);
    assert_eq!(size(&["x-user"], "request.total_size"), 10);
    assert_eq!(size(&[], "response.total_size"), 0);
    assert_eq!(size(&["x-app"], "response.total_size"), 18);
    assert!(size(&["*"], "response.total_size") > 18);
}

#[test]
fn callbacks_count_no_hidden_header() {
    let wasm = guest(
        r#"(func (export "proxy_on_request_headers") (param i32) (param $n i32) (param i32) (result i32)
             (call $log_number (local.get $n)) (i32.const 0))
           (func (export "proxy_on_request_trailers") (param i32) (param $n i32) (result i32)
             (call $log_number (local.get $n)) (i32.const 0))
           (func (export "proxy_on_response_headers") (param i32) (param $n i32) (param i32) (result i32)
             (call $log_number (local.get $n)) (i32.const 0))
           (func (export "proxy_on_response_trailers") (param i32) (param $n i32) (result i32)
             (call $log_number (local.get $n)) (i32.const 0))"#,
    );
    for (names, counts) in [(&["x-app"][..], ["0", "0", "1", "1"]), (&["*"], ["10", "1", "4", "3"])] {
        let test = seeing(names, &wasm);
        let stream = test.open(&answered());
        stream.request_headers(false).unwrap();
        stream.request_trailers().unwrap();
        stream.response_headers(false).unwrap();
        stream.response_trailers().unwrap();
        assert_eq!(test.host.text_lines(), counts, "{names:?}");
    }
}

#[test]
fn of_a_callouts_answer_a_plugin_sees_its_outcome_and_what_it_may_see() {
    let pairs = "\\03\\00\\00\\00\\07\\00\\00\\00\\03\\00\\00\\00\\05\\00\\00\\00\\01\\00\\00\\00\\0a\\00\\00\\00\\01\\00\\00\\00:method\\00GET\\00:path\\00/\\00:authority\\00a\\00";
    let wasm = guest(&format!(
        r#"(data (i32.const 0) "known:statusset-cookiex-app") (data (i32.const 4096) "{pairs}")
           (func $read (param $at i32) (param $n i32)
             (call $log_number (call $get (i32.const 6) (local.get $at) (local.get $n) (global.get $got) (global.get $len))))
           (func (export "proxy_on_request_headers") (param i32 i32 i32) (result i32)
             (call $log_number (call $http_call (i32.const 0) (i32.const 5) (i32.const 4096) (i32.const 62)
               (i32.const 0) (i32.const 0) (i32.const 0) (i32.const 0) (i32.const 1000) (i32.const 3000))) (i32.const 1))
           (func (export "proxy_on_http_call_response") (param i32 i32) (param $n i32) (param i32) (param $t i32)
             (call $log_number (local.get $n)) (call $log_number (local.get $t))
             (call $read (i32.const 5) (i32.const 7)) (call $read (i32.const 12) (i32.const 10)) (call $read (i32.const 22) (i32.const 5)))"#
    ));
    for (names, lines) in [
        (&[][..], ["0", "1", "0", "0", "1", "1"]),
        (&["x-app"], ["0", "2", "1", "0", "1", "0"]),
        (&["*"], ["0", "3", "2", "0", "0", "0"]),
    ] {
        let test = seeing(names, &wasm);
        let stream = test.open(&exchange());
        stream.request_headers(true).unwrap();
        let fields = secret(&[("set-cookie", "secret"), ("x-app", "seen")]);
        test.host.reply(0).deliver(Ok(CalloutResponse {
            status: StatusCode::OK,
            headers: fields.clone(),
            body: bytes::Bytes::new(),
            trailers: Some(fields),
        }));
        assert_eq!(test.host.text_lines(), lines, "{names:?}");
    }
}
