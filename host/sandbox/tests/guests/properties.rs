//! Properties: those that the host knows, and those that plugins set.

use std::time::Duration;

use lockgate_exchange::{CertificateInfo, ResponseHead, SharedExchange, TlsInfo};

use super::test_vm::{exchange, guest, on_request_headers, plugin};

/// Reads a property in a guest, and returns its bytes through the property `dump`.
fn read(exchange: &SharedExchange, path: &str) -> Option<Vec<u8>> {
    let body = format!(
        "(if (i32.eqz (call $get_property (i32.const 0) (i32.const {}) (global.get $got) (global.get $len)))
           (then (drop (call $set_property (i32.const 512) (i32.const 4)
                         (i32.load (global.get $got)) (i32.load (global.get $len)))))
           (else (call $log_number (i32.const 1))))",
        path.len()
    );
    let data = format!(
        "(data (i32.const 0) \"{}\") (data (i32.const 512) \"dump\")",
        path.replace('\0', "\\00")
    );
    let said = plugin(&on_request_headers(&body, &data)).start().request(exchange);
    let dump = exchange.borrow().properties.get("dump").map(|bytes| bytes.to_vec());
    exchange.borrow_mut().properties.remove("dump");
    if said.is_empty() {
        Some(dump.unwrap_or_default())
    } else {
        None
    }
}

fn text(exchange: &SharedExchange, path: &str) -> Option<String> {
    read(exchange, path).map(|bytes| String::from_utf8(bytes).unwrap())
}

fn number(exchange: &SharedExchange, path: &str) -> Option<i64> {
    read(exchange, path).map(|bytes| i64::from_le_bytes(bytes.try_into().unwrap()))
}

fn answered() -> SharedExchange {
    let exchange = exchange();
    {
        let mut exchange = exchange.borrow_mut();
        exchange.response = Some(ResponseHead {
            status: http::StatusCode::NOT_FOUND,
            headers: http::HeaderMap::new(),
        });
        let info = &mut exchange.info;
        info.route = Some("orders".into());
        info.upstream = Some("v1".into());
        info.upstream_address = Some("10.9.8.7:90".parse().unwrap());
        info.attempts = 2;
        info.request_bytes = 11;
        info.ended = Some(Duration::from_micros(5));
        info.code_details = Some("via_upstream".into());
    }
    exchange
}

#[test]
fn the_host_serves_what_envoy_serves_under_the_same_names() {
    let exchange = answered();
    let texts = [
        ("request\0path", "/a?b=c"),
        ("request\0url_path", "/a"),
        ("request\0query", "b=c"),
        ("request\0host", "example.com"),
        ("request\0scheme", "http"),
        ("request\0method", "GET"),
        ("request\0id", "r-1"),
        ("request\0protocol", "HTTP/1.1"),
        ("request\0headers\0x-user", "anna"),
        ("request.method", "GET"),
        ("response\0code_details", "via_upstream"),
        ("source\0address", "10.1.2.3:4567"),
        ("destination\0address", "127.0.0.1:8080"),
        ("upstream\0address", "10.9.8.7:90"),
        ("plugin_name", "tested"),
        ("plugin_root_id", "root"),
        ("plugin_vm_id", "vm"),
        ("route_name", "orders"),
        ("xds\0route_name", "orders"),
        ("cluster_name", "v1"),
        ("lockgate\0client\0address", "203.0.113.9"),
        ("lockgate.client.address", "203.0.113.9"),
        ("lockgate.route", "orders"),
        ("lockgate.upstream", "v1"),
    ];
    for (path, expected) in texts {
        assert_eq!(text(&exchange, path).as_deref(), Some(expected), "{path:?}");
    }
    let numbers = [
        ("response\0code", 404),
        ("source\0port", 4567),
        ("connection\0id", 7),
        ("connection_id", 7),
        ("upstream\0request_attempt_count", 2),
        ("request\0size", 11),
        ("request\0duration", 5000),
        ("listener_direction", 1),
    ];
    for (path, expected) in numbers {
        assert_eq!(number(&exchange, path), Some(expected), "{path:?}");
    }
    assert_eq!(read(&exchange, "connection\0mtls"), Some(vec![0]));
    assert_eq!(read(&exchange, "metadata"), Some(vec![]), "a message without entries");
    assert_eq!(
        read(&exchange, "metadata\0filter_metadata"),
        Some(vec![0; 4]),
        "a map without entries"
    );
    assert!(number(&exchange, "request\0time").unwrap() > 1_700_000_000_000_000_000);
}

#[test]
fn what_is_not_known_is_not_found() {
    for path in [
        "response\0code",
        "upstream\0address",
        "route_name",
        "nothing",
        "request",
        "request\0nothing",
        "request\0duration",
        "connection\0tls_version",
        "request\0headers\0x-absent",
    ] {
        assert_eq!(read(&exchange(), path), None, "{path:?}");
    }
}

#[test]
fn maps_come_as_pairs() {
    let bytes = read(&exchange(), "request\0headers").unwrap();
    let names: Vec<_> = lockgate_abi::decode_pairs(&bytes)
        .unwrap()
        .map(|(name, _)| name.to_vec())
        .collect();
    assert!(names.contains(&b":path".to_vec()) && names.contains(&b"x-user".to_vec()));
}

/// Sets a property in a guest, and returns the logged status.
fn set(exchange: &SharedExchange, path: &str, value: &str) -> Vec<String> {
    let body = format!(
        "(call $log_number (call $set_property (i32.const 0) (i32.const {}) (i32.const 512) (i32.const {})))",
        path.len(),
        value.len()
    );
    let data = format!(
        "(data (i32.const 0) \"{}\") (data (i32.const 512) \"{value}\")",
        path.replace('\0', "\\00")
    );
    plugin(&on_request_headers(&body, &data)).start().request(exchange)
}

#[test]
fn what_one_plugin_sets_the_next_ones_read_under_either_spelling() {
    let exchange = exchange();
    assert_eq!(set(&exchange, "lockgate\0consumer\0name", "anna"), ["0"]);
    assert_eq!(text(&exchange, "lockgate.consumer.name").as_deref(), Some("anna"));
    assert_eq!(text(&exchange, "lockgate\0consumer\0name").as_deref(), Some("anna"));
    assert_eq!(
        exchange.borrow().properties.get("lockgate.consumer.name").unwrap(),
        "anna"
    );
}

#[test]
fn facts_of_the_host_cannot_be_forged() {
    let exchange = answered();
    assert_eq!(set(&exchange, "lockgate.client.address", "1.1.1.1"), ["2"]);
    assert_eq!(set(&exchange, "lockgate\0route", "other"), ["2"]);
    assert_eq!(
        set(&exchange, "source.address", "1.1.1.1"),
        ["0"],
        "accepted, as Envoy does"
    );
    assert_eq!(
        text(&exchange, "source.address").as_deref(),
        Some("10.1.2.3:4567"),
        "but the truth goes first"
    );
}

#[test]
fn a_chosen_upstream_is_checked_by_the_host_and_read_back() {
    let exchange = answered();
    assert_eq!(set(&exchange, "lockgate.upstream", "nowhere"), ["2"]);
    assert_eq!(text(&exchange, "lockgate.upstream").as_deref(), Some("v1"));
    assert_eq!(set(&exchange, "lockgate.upstream", "known"), ["0"]);
    assert_eq!(text(&exchange, "lockgate.upstream").as_deref(), Some("known"));
}

#[test]
fn a_null_value_takes_a_property_away_and_a_root_has_no_stream_to_set_one_on() {
    let wasm = guest(
        r#"(data (i32.const 0) "mine")
           (func (export "proxy_on_configure") (param i32 i32) (result i32)
             (call $log_number (call $set_property (i32.const 0) (i32.const 4) (i32.const 0) (i32.const 1)))
             (call $log_number (call $get_property (i32.const 0) (i32.const 4) (global.get $got) (global.get $len)))
             (i32.const 1))
           (func (export "proxy_on_request_headers") (param i32 i32 i32) (result i32)
             (call $log_number (call $set_property (i32.const 0) (i32.const 4) (i32.const 0) (i32.const 1)))
             (call $log_number (call $set_property (i32.const 0) (i32.const 4) (i32.const 0) (i32.const 0)))
             (call $log_number (call $get_property (i32.const 0) (i32.const 4) (global.get $got) (global.get $len)))
             (call $log_number (call $set_property (i32.const 0) (i32.const 0) (i32.const 0) (i32.const 1)))
             (i32.const 0))"#,
    );
    let test = plugin(&wasm).start();
    assert_eq!(test.host.text_lines(), ["1", "1"]);
    assert_eq!(test.request(&exchange()), ["0", "0", "1", "2"]);
}

#[test]
fn properties_cannot_fill_the_hosts_memory() {
    let body = "(call $log_number (call $set_property (i32.const 0) (i32.const 4) (i32.const 1) (i32.const 131000)))
                (call $log_number (call $set_property (i32.const 0) (i32.const 3) (i32.const 1) (i32.const 131000)))
                (call $log_number (call $set_property (i32.const 0) (i32.const 2) (i32.const 1) (i32.const 131000)))";
    let test = plugin(&on_request_headers(body, "(data (i32.const 0) \"mine\")")).start();
    let exchange = exchange();
    assert_eq!(
        test.request(&exchange),
        ["0", "0", "0"],
        "OK is all that Rust guests survive here"
    );
    assert_eq!(
        exchange.borrow().properties.iter().count(),
        2,
        "and what does not fit is dropped"
    );
    assert_eq!(*test.host.refusals.borrow(), [(lockgate_sandbox::Refusal::Property, 1)]);
}

/// `DeclarePropertyArguments` as bytes of WebAssembly text, and their number.
fn declaration(name: &str, read_only: bool, scope: u64) -> (String, usize) {
    let message = lockgate_abi::protobuf::Message::default();
    let message = message
        .bytes(1, name.as_bytes())
        .number(2, u64::from(read_only))
        .number(5, scope);
    let bytes = message.finish();
    (bytes.iter().map(|byte| format!("\\{byte:02x}")).collect(), bytes.len())
}

/// A guest that declares `p` twice in `configure`, and sets it twice in each request's headers.
fn declaring(read_only: bool, scope: u64) -> Vec<u8> {
    let (message, length) = declaration("p", read_only, scope);
    guest(&format!(
        r#"(data (i32.const 0) "{message}") (data (i32.const 64) "declare_property") (data (i32.const 96) "p12")
           (func $declare
             (call $log_number (call $foreign (i32.const 64) (i32.const 16) (i32.const 0) (i32.const {length})
                          (global.get $got) (global.get $len))))
           (func (export "proxy_on_configure") (param i32 i32) (result i32)
             (call $declare) (call $declare) (i32.const 1))
           (func (export "proxy_on_request_headers") (param i32 i32 i32) (result i32)
             (call $log_number (call $get_property (i32.const 96) (i32.const 1) (global.get $got) (global.get $len)))
             (call $log_number (call $set_property (i32.const 96) (i32.const 1) (i32.const 97) (i32.const 1)))
             (call $log_number (call $set_property (i32.const 96) (i32.const 1) (i32.const 98) (i32.const 1)))
             (call $log_number (call $get_property (i32.const 96) (i32.const 1) (global.get $got) (global.get $len)))
             (call $log_result)
             (i32.const 0))"#
    ))
}

#[test]
fn a_declared_property_may_be_set_once_or_live_as_long_as_its_connection() {
    let test = plugin(&declaring(true, 0)).start();
    assert_eq!(test.host.text_lines(), ["0", "2"], "declaring again is a bad argument");
    assert_eq!(test.request(&exchange()), ["1", "0", "2", "0", "1"]);
    let test = plugin(&declaring(false, 2)).start();
    let (first, second) = (exchange(), exchange());
    second.borrow_mut().info.connection = first.borrow().info.connection.clone();
    assert_eq!(test.request(&first), ["1", "0", "0", "0", "2"]);
    assert_eq!(test.request(&second), ["0", "0", "0", "0", "2"]);
    assert_eq!(
        test.request(&exchange()),
        ["1", "0", "0", "0", "2"],
        "another connection"
    );
}

#[test]
fn a_read_only_property_is_neither_removed_nor_replaced_nor_hidden_by_any_plugin() {
    let takes_away = |change: &str| {
        on_request_headers(
            &format!(
                "(call $log_number (call $set_property (i32.const 96) (i32.const 1) {change}))
                 (call $log_number (call $set_property (i32.const 96) (i32.const 1) (i32.const 98) (i32.const 1)))
                 (drop (call $get_property (i32.const 96) (i32.const 1) (global.get $got) (global.get $len)))
                 (call $log_result)"
            ),
            r#"(data (i32.const 96) "p12")"#,
        )
    };
    for scope in [0, 2] {
        let exchange = exchange();
        plugin(&declaring(true, scope)).start().request(&exchange);
        for change in ["(i32.const 0) (i32.const 0)", "(i32.const 98) (i32.const 1)"] {
            let other = plugin(&takes_away(change)).start();
            assert_eq!(other.request(&exchange), ["2", "2", "1"], "{scope} {change}");
        }
        let own = plugin(&declaring(true, scope)).start();
        assert_eq!(own.request(&exchange), ["0", "2", "2", "0", "1"]);
    }
    let exchange = exchange();
    plugin(&declaring(false, 2)).start().request(&exchange);
    let said = plugin(&takes_away("(i32.const 0) (i32.const 0)"))
        .start()
        .request(&exchange);
    assert_eq!(said[..2], ["0", "0"], "others may be changed");
}

/// An exchange on a connection with this TLS session.
fn over_tls(peer: Option<CertificateInfo>) -> SharedExchange {
    let exchange = exchange();
    let mut connection = (*exchange.borrow().info.connection).clone();
    let local = CertificateInfo {
        subject: "CN=gateway".to_owned(),
        dns_san: Some("gateway.example".to_owned()),
        ..CertificateInfo::default()
    };
    connection.tls = Some(TlsInfo {
        version: "TLSv1.3",
        server_name: None,
        alpn: None,
        local: Some(local.into()),
        peer: peer.map(Into::into),
    });
    exchange.borrow_mut().info.connection = connection.into();
    exchange
}

#[test]
fn certificates_have_properties_if_they_exist() {
    let peer = CertificateInfo {
        subject: "CN=client".to_owned(),
        dns_san: None,
        uri_san: Some("spiffe://shop/orders".to_owned()),
        sha256: "ab".repeat(32),
    };
    let digest = peer.sha256.clone();
    let (with, without) = (over_tls(Some(peer)), over_tls(None));
    for (name, shown, none) in [
        ("subject_peer_certificate", Some("CN=client"), Some("")),
        ("uri_san_peer_certificate", Some("spiffe://shop/orders"), None),
        ("dns_san_peer_certificate", None, None),
        ("sha256_peer_certificate_digest", Some(&*digest), None),
        ("subject_local_certificate", Some("CN=gateway"), Some("CN=gateway")),
        (
            "dns_san_local_certificate",
            Some("gateway.example"),
            Some("gateway.example"),
        ),
        ("uri_san_local_certificate", None, None),
        ("mtls", Some("\u{1}"), Some("\0")),
        ("sha256_local_certificate_digest", None, None),
    ] {
        let path = format!("connection\0{name}");
        assert_eq!(text(&with, &path).as_deref(), shown, "{name}");
        assert_eq!(text(&without, &path).as_deref(), none, "{name}");
        if name != "mtls" {
            assert_eq!(text(&exchange(), &path), None, "{name}: in the clear");
        }
    }
}
