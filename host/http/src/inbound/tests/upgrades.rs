//! Which requests ask for an upgrade, and what of it goes on.

use http::{HeaderValue, Method};

use super::*;

const KEY: (&str, &str) = ("sec-websocket-key", "dGhlIHNhbXBsZSBub25jZQ==");

/// The protocols that go on; none if the request asks for no upgrade.
fn offer(version: Version, fields: &[(&str, &str)]) -> Option<String> {
    let fields = [&[("host", "a"), KEY], fields].concat();
    let head = admitted(request(version, "/", &fields)).unwrap().head;
    assert_eq!(head.is_upgrade, head.headers.contains_key("upgrade"));
    assert_eq!(head.is_upgrade, head.headers.contains_key("connection"));
    assert_eq!(head.headers[KEY.0], KEY.1);
    assert!(!head.headers.contains_key("http2-settings") && !head.headers.contains_key("x-hop"));
    let protocols = head.headers.get("upgrade")?;
    assert_eq!(head.headers["connection"], "upgrade");
    Some(protocols.to_str().unwrap().to_owned())
}

#[test]
fn an_upgrade_that_connection_lists_goes_on_alone() {
    for (connection, upgrade, expected) in [
        ("upgrade", "websocket", "websocket"),
        ("Keep-Alive, Upgrade, x-hop", "WebSocket", "WebSocket"),
        ("upgrade", "chat/2, , irc", "chat/2, irc"),
        ("upgrade, http2-settings", "h2c, websocket", "websocket"),
    ] {
        let fields = [
            ("connection", connection),
            ("upgrade", upgrade),
            ("x-hop", "1"),
            ("http2-settings", "AAMAAABk"),
        ];
        let fields = if connection.contains("x-hop") {
            &fields[..3]
        } else {
            &fields[..2]
        };
        assert_eq!(offer(Version::HTTP_11, fields).as_deref(), Some(expected), "{upgrade}");
    }
    let twice = [
        ("connection", "close"),
        ("connection", "upgrade"),
        ("upgrade", "a"),
        ("upgrade", "b"),
    ];
    assert_eq!(offer(Version::HTTP_11, &twice).as_deref(), Some("a, b"));
    let empty = [("connection", "upgrade"), ("upgrade", "a"), ("content-length", "0")];
    assert_eq!(offer(Version::HTTP_11, &empty).as_deref(), Some("a"));
}

#[test]
fn what_is_no_offer_in_http_is_dropped() {
    let listed = ("connection", "upgrade");
    for upgrade in [
        "h2c",
        "H2C",
        "h2c, h2",
        "HTTP/2.0",
        "http",
        "TLS/1.0",
        "TLS/1.3, HTTP/1.1",
        "h3",
        "",
        ",",
        "a b",
        "web\"socket",
        "/1",
        "a/",
        "a/b/c",
    ] {
        assert_eq!(
            offer(Version::HTTP_11, &[listed, ("upgrade", upgrade)]),
            None,
            "{upgrade}"
        );
    }
    let websocket = ("upgrade", "websocket");
    assert_eq!(offer(Version::HTTP_10, &[listed, websocket]), None);
    for fields in [
        &[websocket][..],
        &[("connection", "close"), websocket],
        &[("connection", "upgrades"), websocket],
        &[listed],
        &[listed, websocket, ("content-length", "1")],
        &[listed, websocket, ("transfer-encoding", "chunked")],
    ] {
        assert_eq!(offer(Version::HTTP_11, fields), None, "{fields:?}");
    }
}

#[test]
fn an_extended_connect_asks_like_http1() {
    let mut parts = request(Version::HTTP_2, "https://a/chat", &[("sec-websocket-version", "13")]);
    parts.method = Method::GET;
    parts.extensions.insert(ExtendedConnect::new("websocket").unwrap());
    let head = admitted(parts).unwrap().head;
    assert!(head.is_upgrade && offers_websocket(&head.headers));
    assert_eq!(
        (&head.headers["connection"], &head.headers["upgrade"]),
        (
            &HeaderValue::from_static("upgrade"),
            &HeaderValue::from_static("websocket")
        )
    );
    for protocol in ["h2c", "http", "", "a b", "a\r\nb", "TLS/1.2"] {
        assert!(ExtendedConnect::new(protocol).is_none(), "{protocol}");
    }
}

#[test]
fn only_a_101_keeps_its_upgrade() {
    for (status, expected) in [
        (101, &["connection", "upgrade", "x-a"][..]),
        (200, &["x-a"]),
        (426, &["x-a"]),
    ] {
        let mut headers: HeaderMap = [
            ("connection", "keep-alive, x-b, upgrade"),
            ("upgrade", "foo"),
            ("x-a", "1"),
            ("x-b", "1"),
            ("keep-alive", "1"),
        ]
        .into_iter()
        .map(|(name, value)| (name.parse().unwrap(), HeaderValue::from_static(value)))
        .collect();
        strip_response_head(http::StatusCode::from_u16(status).unwrap(), &mut headers);
        assert_eq!(names(&headers), expected, "{status}");
        assert!(status != 101 || headers["connection"] == "upgrade");
    }
}
