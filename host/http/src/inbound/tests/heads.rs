//! Targets, hosts and fields of a request's head, in both versions.

use super::*;

#[test]
fn a_plain_request_gets_its_proxy_fields_and_loses_host() {
    let got = admitted(http1(
        "/a/../b?c",
        &[("host", "api.example.com:8080"), ("accept", "*/*")],
    ))
    .unwrap();
    assert_eq!(got.head.path, "/b?c");
    assert_eq!(got.head.authority, "api.example.com:8080");
    assert_eq!(names(&got.head.headers), ["accept", SET[0], SET[1], SET[2], SET[3]]);
    assert_eq!(got.head.headers[X_FORWARDED_FOR], "203.0.113.9");
    assert_eq!(got.head.headers[X_FORWARDED_PROTO], "http");
    assert_eq!(got.head.headers[X_FORWARDED_HOST], "api.example.com:8080");
    assert_eq!(got.head.headers[X_REQUEST_ID], got.request_id);
    assert_eq!(got.client, "203.0.113.9".parse::<IpAddr>().unwrap());
}

#[test]
fn http1_needs_exactly_one_valid_host() {
    assert_eq!(refusal(http1("/", &[])), Malformed::HostMissing);
    assert_eq!(
        refusal(http1("/", &[("host", "a"), ("host", "a")])),
        Malformed::HostConflict
    );
    for host in [
        "",
        ":80",
        "a b",
        "a/b",
        "user@a",
        "a..b",
        ".a",
        "a..",
        "..",
        "a:x",
        "a:99999",
        "a,b",
        "[::1",
        "[zz]",
        "[::1]x",
        ".",
        "a%20b",
        &"a".repeat(300),
    ] {
        assert_eq!(refusal(http1("/", &[("host", host)])), Malformed::HostInvalid, "{host}");
    }
    for host in [
        "a",
        "a.b.",
        "127.0.0.1:80",
        "[::1]",
        "[::1]:8080",
        "a_b-c.d",
        "xn--bcher-kva.example",
    ] {
        assert!(admitted(http1("/", &[("host", host)])).is_ok(), "{host}");
    }
}

#[test]
fn http10_without_host_means_the_address_it_came_to() {
    let got = admitted(request(Version::HTTP_10, "/", &[])).unwrap();
    assert_eq!(got.head.authority, "192.0.2.1:8080");
}

#[test]
fn an_absolute_target_must_agree_with_host() {
    let got = admitted(http1("http://A.example/x", &[("host", "a.example")])).unwrap();
    assert_eq!(
        (got.head.path.as_str(), got.head.authority),
        ("/x", HeaderValue::from_static("a.example"))
    );
    assert_eq!(
        admitted(http1("http://a.example", &[("host", "a.example")]))
            .unwrap()
            .head
            .path,
        "/"
    );
    assert_eq!(
        refusal(http1("http://a.example/", &[("host", "b.example")])),
        Malformed::HostConflict
    );
    assert_eq!(
        refusal(http1("http://u@a.example/", &[("host", "a.example")])),
        Malformed::HostInvalid
    );
    assert_eq!(
        refusal(http1("ftp://a.example/", &[("host", "a.example")])),
        Malformed::Target
    );
    assert_eq!(
        refusal(http1("a.example:80", &[("host", "a.example")])),
        Malformed::Target
    );
    assert_eq!(refusal(http1("*", &[("host", "a.example")])), Malformed::Target);
}

#[test]
fn one_host_may_be_written_in_two_ways() {
    for (target, host) in [
        ("http://example.com/", "example.com:80"),
        ("http://example.com:80/", "EXAMPLE.com"),
        ("https://example.com/", "example.com:443"),
        ("http://example.com./", "example.com"),
        ("http://[0:0::1]/", "[::1]:80"),
        ("http://example.com:080/", "example.com:80"),
    ] {
        assert!(admitted(http1(target, &[("host", host)])).is_ok(), "{target} {host}");
    }
    for (target, host) in [
        ("http://example.com/", "example.com:443"),
        ("https://example.com/", "example.com:80"),
        ("http://example.com:8080/", "example.com"),
        ("http://[::2]/", "[::1]"),
    ] {
        assert_eq!(
            refusal(http1(target, &[("host", host)])),
            Malformed::HostConflict,
            "{target} {host}"
        );
    }
    let got = admitted(http1("/", &[("host", "a.example:")])).unwrap();
    assert_eq!(got.head.authority, "a.example");
}

#[test]
fn connect_is_refused() {
    let mut parts = http1("a.example:443", &[("host", "a.example:443")]);
    parts.method = http::Method::CONNECT;
    assert_eq!(refusal(parts), Malformed::Connect);
}

#[test]
fn http2_names_its_host_once_or_twice_the_same() {
    let got = admitted(request(Version::HTTP_2, "https://a.example/x", &[])).unwrap();
    assert_eq!(got.head.authority, "a.example");
    assert!(
        admitted(request(
            Version::HTTP_2,
            "https://a.example/x",
            &[("host", "a.example")]
        ))
        .is_ok()
    );
    assert_eq!(
        refusal(request(Version::HTTP_2, "https://a.example/x", &[("host", "b")])),
        Malformed::HostConflict
    );
    assert_eq!(refusal(request(Version::HTTP_2, "/x", &[])), Malformed::HostMissing);
}

#[test]
fn http2_carries_no_connection_fields() {
    for (name, value) in [
        ("connection", "close"),
        ("keep-alive", "1"),
        ("proxy-connection", "x"),
        ("upgrade", "websocket"),
        ("te", "gzip"),
    ] {
        let parts = request(Version::HTTP_2, "https://a/", &[(name, value)]);
        assert_eq!(refusal(parts), Malformed::ConnectionField, "{name}");
    }
    assert_eq!(
        refusal(request(
            Version::HTTP_2,
            "https://a/",
            &[("transfer-encoding", "chunked")]
        )),
        Malformed::TransferEncoding
    );
    let got = admitted(request(Version::HTTP_2, "https://a/", &[("te", "trailers")])).unwrap();
    assert_eq!(got.head.headers["te"], "trailers");
}

#[test]
fn http2_cookie_crumbs_become_one_field() {
    let got = admitted(request(
        Version::HTTP_2,
        "https://a/",
        &[("cookie", "a=1"), ("cookie", "b=2"), ("cookie", "c=3")],
    ))
    .unwrap();
    assert_eq!(
        got.head.headers.get_all("cookie").iter().collect::<Vec<_>>(),
        ["a=1; b=2; c=3"]
    );
}
