//! Header maps: reading, writing, and refused writes.

use http::HeaderValue;
use lockgate_exchange::ResponseHead;
use lockgate_sandbox::settings::Capabilities;

use super::test_vm::{TestVm, exchange, guest, log_of_refused_request, log_of_request, on_request_headers, plugin};

/// A guest that reads the header whose name is at 0 with the given length, and logs the status and the value.
fn reading(name: &str) -> Vec<u8> {
    let body = format!(
        "(call $log_number (call $get (i32.const 0) (i32.const 0) (i32.const {}) (global.get $got) (global.get $len)))
         (call $log_result)",
        name.len()
    );
    on_request_headers(&body, &format!("(data (i32.const 0) \"{name}\")"))
}

#[test]
fn headers_and_pseudo_headers_are_read_by_name_whatever_their_case() {
    let expected = [
        ("x-user", "anna"),
        ("X-User", "anna"),
        (":path", "/a?b=c"),
        (":method", "GET"),
        (":authority", "example.com"),
        ("host", "example.com"),
        ("Host", "example.com"),
        (":scheme", "http"),
    ];
    for (name, value) in expected {
        assert_eq!(log_of_request(&reading(name)), ["0", value], "{name}");
    }
}

#[test]
fn of_a_repeated_header_the_first_value_is_given() {
    assert_eq!(log_of_request(&reading("x-twice")), ["0", "one"]);
}

#[test]
fn what_is_absent_is_not_found() {
    for name in ["x-absent", ":status", ":nonsense", "", "bad name"] {
        assert_eq!(log_of_request(&reading(name)), ["1", ""], "{name}");
    }
}

#[test]
fn maps_that_this_phase_lacks_are_not_found_but_read_whole_as_empty_and_unknown_ones_are_bad_arguments() {
    let mut body = String::new();
    for map in [1, 2, 3, 4, 5, 6, 7, 8, -1] {
        body += &format!(
            "(call $log_number (call $get (i32.const {map}) (i32.const 0) (i32.const 1) (global.get $got) (global.get $len)))
             (call $log_number (call $map_size (i32.const {map}) (global.get $got)))
             (call $log_number (call $replace (i32.const {map}) (i32.const 0) (i32.const 1) (i32.const 0) (i32.const 1)))
             (call $log_number (call $remove (i32.const {map}) (i32.const 0) (i32.const 1)))
             (call $log_number (call $get_pairs (i32.const {map}) (global.get $got) (global.get $len)))
             (call $log_number (i32.load (global.get $len)))"
        );
    }
    let said = log_of_request(&on_request_headers(&body, "(data (i32.const 0) \"x\")"));
    for map in said[..42].chunks(6) {
        assert_eq!(
            map,
            ["1", "1", "1", "1", "0", "0"],
            "the Rust SDK survives only OK for a whole map"
        );
    }
    for map in said[42..].chunks(6) {
        assert_eq!(map, ["2", "2", "2", "2", "2", "0"]);
    }
}

#[test]
fn pairs_hold_every_entry_pseudo_headers_first_and_repeated_ones_twice() {
    // The bytes of the map go to a property, where the test reads them.
    let body = "(drop (call $get_pairs (i32.const 0) (global.get $got) (global.get $len)))
                (drop (call $set_property (i32.const 0) (i32.const 4)
                        (i32.load (global.get $got)) (i32.load (global.get $len))))
                (call $log_number (call $map_size (i32.const 0) (global.get $got)))
                (call $log_number (i32.load (global.get $got)))";
    let exchange = exchange();
    let said = plugin(&on_request_headers(body, "(data (i32.const 0) \"dump\")"))
        .start()
        .request(&exchange);
    let exchange = exchange.borrow();
    let pairs = lockgate_abi::decode_pairs(exchange.properties.get("dump").unwrap()).unwrap();
    let pairs: Vec<_> = pairs
        .map(|(name, value)| [name, value].map(|text| std::str::from_utf8(text).unwrap()))
        .collect();
    assert_eq!(
        pairs[..4],
        [
            [":authority", "example.com"],
            [":path", "/a?b=c"],
            [":method", "GET"],
            [":scheme", "http"]
        ]
    );
    assert_eq!(pairs[4..], [["x-user", "anna"], ["x-twice", "one"], ["x-twice", "two"]]);
    let bytes: usize = pairs.iter().map(|[name, value]| name.len() + value.len()).sum();
    assert_eq!(said, ["0".to_owned(), bytes.to_string()]);
}

/// A guest that writes `name` = `value` with the given call, and logs the status.
fn writing(call: &str, name: &str, value: &str) -> Vec<u8> {
    let arguments = if call == "$remove" {
        format!("(i32.const 0) (i32.const 0) (i32.const {})", name.len())
    } else {
        format!(
            "(i32.const 0) (i32.const 0) (i32.const {}) (i32.const 256) (i32.const {})",
            name.len(),
            value.len()
        )
    };
    let escaped = |text: &str| text.bytes().map(|byte| format!("\\{byte:02x}")).collect::<String>();
    let data = format!(
        "(data (i32.const 0) \"{}\") (data (i32.const 256) \"{}\")",
        escaped(name),
        escaped(value)
    );
    on_request_headers(&format!("(call $log_number (call {call} {arguments}))"), &data)
}

#[test]
fn adding_replacing_and_removing_change_the_exchange() {
    let exchange = exchange();
    for (call, name, value) in [
        ("$add", "X-Twice", "three"),
        ("$replace", "x-user", "berta"),
        ("$replace", "x-new", ""),
        ("$remove", "x-none", ""),
    ] {
        assert_eq!(
            plugin(&writing(call, name, value)).start().request(&exchange),
            ["0"],
            "{call} {name}"
        );
    }
    let twice: Vec<_> = exchange
        .borrow()
        .request
        .headers
        .get_all("x-twice")
        .iter()
        .cloned()
        .collect();
    assert_eq!(twice, ["one", "two", "three"]);
    assert_eq!(exchange.borrow().request.headers["x-user"], "berta");
    assert_eq!(exchange.borrow().request.headers["x-new"], "");
    assert_eq!(
        plugin(&writing("$remove", "x-twice", "")).start().request(&exchange),
        ["0"]
    );
    assert!(!exchange.borrow().request.headers.contains_key("x-twice"));
}

#[test]
fn pseudo_headers_are_written_where_they_belong() {
    let exchange = exchange();
    for (name, value) in [
        (":path", "/new?x"),
        (":method", "POST"),
        (":scheme", "https"),
        ("host", "other.example:81"),
    ] {
        assert_eq!(
            plugin(&writing("$replace", name, value)).start().request(&exchange),
            ["0"],
            "{name}"
        );
    }
    let exchange = exchange.borrow();
    assert_eq!(exchange.request.path, "/new?x");
    assert_eq!(exchange.request.method, "POST");
    assert_eq!(exchange.request.scheme.as_str(), "https");
    assert_eq!(exchange.request.authority, "other.example:81");
    assert!(!exchange.request.headers.contains_key("host"));
}

#[test]
fn writes_that_would_smuggle_are_bad_arguments_and_change_nothing() {
    let writes = [
        ("x-a", "b\r\nx-evil: 1"),
        ("transfer-encoding", "chunked\r\nx-evil: 1"),
        ("x-a", "b\nc"),
        ("x-a", "\0"),
        ("x a", "b"),
        ("x:a", "b"),
        ("x\r\n", "b"),
        ("", "b"),
        (":path", "/a b"),
        (":path", "http://evil/"),
        (":path", "/a\r\n"),
        (":path", ""),
        (":method", "G T"),
        (":method", "CONNECT"),
        (":authority", "a b"),
        (":authority", "user@host"),
        (":scheme", "ftp"),
        (":status", "200"),
        (":other", "x"),
    ];
    for call in ["$add", "$replace"] {
        for (name, value) in writes {
            let exchange = exchange();
            let before = format!("{:?}", exchange.borrow().request);
            let (lines, refused) = plugin(&writing(call, name, value)).start().refused_request(&exchange);
            assert_eq!(lines, ["2"], "{call} {name}: {value}");
            let overwrites = [":path", ":method", ":authority", ":scheme"].contains(&name);
            assert_eq!(refused, overwrites, "{call} {name}: {value}");
            assert_eq!(
                format!("{:?}", exchange.borrow().request),
                before,
                "{call} {name}: {value}"
            );
        }
    }
}

#[test]
fn content_length_may_be_taken_away_but_pseudo_headers_may_not() {
    let exchange = exchange();
    exchange
        .borrow_mut()
        .request
        .headers
        .insert("content-length", HeaderValue::from_static("5"));
    assert_eq!(
        plugin(&writing("$remove", "content-length", ""))
            .start()
            .request(&exchange),
        ["0"]
    );
    assert!(!exchange.borrow().request.headers.contains_key("content-length"));
    for name in [":path", ":method", "host", ":x"] {
        let (lines, refused) = plugin(&writing("$remove", name, "")).start().refused_request(&exchange);
        assert_eq!(lines, ["2"], "{name}");
        assert_eq!(refused, name != ":x", "{name}: what is there stays there");
    }
}

#[test]
fn writes_of_framing_and_connection_fields_have_no_effect() {
    for (name, value) in [
        ("content-length", "5"),
        ("Transfer-Encoding", "chunked"),
        ("connection", "keep-alive"),
        ("connection", "x-a"),
        ("keep-alive", "1"),
        ("te", "trailers"),
        ("upgrade", "h2c"),
        ("proxy-connection", "close"),
    ] {
        for call in ["$add", "$replace"] {
            let exchange = exchange();
            exchange
                .borrow_mut()
                .request
                .headers
                .insert("content-length", HeaderValue::from_static("3"));
            let before = format!("{:?}", exchange.borrow().request);
            let test = plugin(&writing(call, name, value)).start();
            assert_eq!(test.request(&exchange), ["0"], "{call} {name}");
            assert_eq!(format!("{:?}", exchange.borrow().request), before, "{call} {name}");
        }
    }
}

#[test]
fn a_map_can_be_read_and_written_back_whole_with_its_framing() {
    let body = "(drop (call $get_pairs (i32.const 0) (global.get $got) (global.get $len)))
                (call $log_number (call $set_pairs (i32.const 0) (i32.load (global.get $got)) (i32.load (global.get $len))))";
    let exchange = exchange();
    exchange
        .borrow_mut()
        .request
        .headers
        .insert("content-length", HeaderValue::from_static("5"));
    let before = format!("{:?}", exchange.borrow().request);
    assert_eq!(plugin(&on_request_headers(body, "")).start().request(&exchange), ["0"]);
    assert_eq!(format!("{:?}", exchange.borrow().request), before);
}

#[test]
fn a_map_with_one_bad_entry_replaces_nothing() {
    // Two pairs: x-ok, and a name that no field can have.
    let data = "(data (i32.const 0) \"\\02\\00\\00\\00\\04\\00\\00\\00\\01\\00\\00\\00\\0e\\00\\00\\00\\01\\00\\00\\00\
                x-ok\\00y\\00content length\\009\\00\")";
    let body = "(call $log_number (call $set_pairs (i32.const 0) (i32.const 0) (i32.const 43)))
                (call $log_number (call $set_pairs (i32.const 0) (i32.const 0) (i32.const 20)))
                (call $log_number (call $set_pairs (i32.const 0) (i32.const 0) (i32.const 0)))";
    let exchange = exchange();
    let said = plugin(&on_request_headers(body, data)).start().request(&exchange);
    assert_eq!(said, ["2", "2", "0"], "bad entry, cut map, empty map");
    let exchange = exchange.borrow();
    assert!(
        exchange.request.headers.is_empty(),
        "the empty map is a map without fields"
    );
    assert_eq!(exchange.request.path, "/a?b=c", "pseudo-headers stay as they are");
}

#[test]
fn wild_pointers_and_lengths_are_errors_without_effect() {
    let calls = [
        "(call $get (i32.const 0) (i32.const -1) (i32.const 4) (global.get $got) (global.get $len))",
        "(call $get (i32.const 0) (i32.const 0) (i32.const -1) (global.get $got) (global.get $len))",
        "(call $get (i32.const 0) (i32.const -4) (i32.const -4) (global.get $got) (global.get $len))",
        "(call $get (i32.const 0) (i32.const 131070) (i32.const 6) (global.get $got) (global.get $len))",
        "(call $get (i32.const 0) (i32.const 0) (i32.const 6) (i32.const 131069) (global.get $len))",
        "(call $get (i32.const 0) (i32.const 0) (i32.const 6) (global.get $got) (i32.const -1))",
        "(call $replace (i32.const 0) (i32.const 0) (i32.const 6) (i32.const 1) (i32.const 0x7fffffff))",
        "(call $get_pairs (i32.const 0) (i32.const -1) (global.get $len))",
        "(call $set_pairs (i32.const 0) (i32.const 1) (i32.const -1))",
        "(call $log (i32.const 2) (i32.const -1) (i32.const 2))",
    ];
    let body: String = calls.map(|call| format!("(call $log_number {call})")).concat();
    let wasm = on_request_headers(
        &format!("{body} (call $log_number (global.get $heap))"),
        "(data (i32.const 0) \"x-user\")",
    );
    let said = log_of_refused_request(&wasm);
    assert_eq!(said[..10], ["6"; 10]);
    assert_eq!(
        said[10], "65536",
        "nothing was allocated for results that could not be given"
    );
}

#[test]
fn a_status_is_changed_in_the_response_phase() {
    let wasm = guest(
        r#"(data (i32.const 0) ":status404x-user")
           (func (export "proxy_on_response_headers") (param i32 i32 i32) (result i32)
             (call $log_number (local.get 1))
             (call $log_number (call $replace (i32.const 2) (i32.const 0) (i32.const 7) (i32.const 7) (i32.const 3)))
             (call $log_number (call $get (i32.const 2) (i32.const 0) (i32.const 7) (global.get $got) (global.get $len)))
             (call $log_result)
             (call $log_number (call $get (i32.const 0) (i32.const 10) (i32.const 6) (global.get $got) (global.get $len)))
             (call $log_result)
             (i32.const 1))"#,
    );
    let TestVm { vm, host } = plugin(&wasm).start();
    let exchange = exchange();
    let headers =
        [("x-a", "1"), ("x-b", "2")].map(|(name, value)| (name.parse().unwrap(), HeaderValue::from_static(value)));
    exchange.borrow_mut().response = Some(ResponseHead {
        status: http::StatusCode::OK,
        headers: headers.into_iter().collect(),
    });
    let stream = vm.open(&exchange).unwrap();
    assert_eq!(stream.response_headers(true).unwrap(), lockgate_sandbox::Action::Pause);
    assert_eq!(host.text_lines(), ["3", "0", "0", "404", "0", "anna"]);
    assert_eq!(exchange.borrow().response.as_ref().unwrap().status, 404);
}

#[test]
fn a_plugin_sees_and_changes_only_the_headers_that_its_operator_names() {
    let allowed = |wasm: &[u8]| {
        let capabilities = Capabilities {
            headers: Some(vec!["x-u*".to_owned()]),
            ..Capabilities::default()
        };
        plugin(wasm)
            .with(|settings| settings.capabilities = capabilities)
            .start()
    };
    assert_eq!(allowed(&reading("x-user")).request(&exchange()), ["0", "anna"]);
    assert_eq!(allowed(&reading("x-twice")).request(&exchange()), ["1", ""]);
    assert_eq!(allowed(&reading(":path")).request(&exchange()), ["1", ""]);
    let exchange = exchange();
    for (name, value) in [("x-twice", "mine"), (":path", "/mine")] {
        let (lines, refused) = allowed(&writing("$replace", name, value)).refused_request(&exchange);
        assert_eq!(lines, ["0"], "the SDK survives only OK");
        assert!(refused, "{name}");
    }
    assert_eq!(exchange.borrow().request.headers.get_all("x-twice").iter().count(), 2);
    assert_eq!(exchange.borrow().request.path, "/a?b=c");
    assert_eq!(
        allowed(&writing("$replace", "x-user", "berta")).request(&exchange),
        ["0"]
    );
    assert_eq!(exchange.borrow().request.headers["x-user"], "berta");
}
