//! What is let in, in which shape, and what is not.

use std::collections::HashSet;
use std::net::IpAddr;

use http::request::Parts;
use http::{HeaderMap, HeaderName, Request, Version};
use lockgate_config::model::EscapedSlashes;
use lockgate_sandbox::exchange::Scheme;
use proptest::prelude::*;

use super::*;

fn request(version: Version, target: &str, fields: &[(&str, &str)]) -> Parts {
    let mut request = Request::builder().version(version).uri(target);
    for (name, value) in fields {
        request = request.header(*name, *value);
    }
    request.body(()).unwrap().into_parts().0
}

fn http1(target: &str, fields: &[(&str, &str)]) -> Parts {
    request(Version::HTTP_11, target, fields)
}

/// From 203.0.113.9, behind no proxy.
fn admitted(parts: Parts) -> Result<Admitted, Malformed> {
    admitted_from("203.0.113.9:4711", &[], parts)
}

fn admitted_from(peer: &str, trusted: &[&str], parts: Parts) -> Result<Admitted, Malformed> {
    let peer = Peer::new(peer.parse().unwrap(), "192.0.2.1:8080".parse().unwrap(), Scheme::Http);
    let trusted: Vec<IpNet> = trusted.iter().map(|net| net.parse().unwrap()).collect();
    let rules = Rules {
        trusted_proxies: &trusted,
        escaped_slashes: EscapedSlashes::Reject,
    };
    admit(parts, &peer, rules, &RequestIds::new())
}

fn refusal(parts: Parts) -> Malformed {
    let checked = check_framing(&parts).unwrap_err();
    assert_eq!(admitted(parts).unwrap_err(), checked);
    checked
}

fn names(headers: &HeaderMap) -> Vec<&str> {
    let mut names: Vec<_> = headers.keys().map(|name| name.as_str()).collect();
    names.sort_unstable();
    names
}

const SET: [&str; 4] = [
    "x-forwarded-for",
    "x-forwarded-host",
    "x-forwarded-proto",
    "x-request-id",
];

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
        "a:",
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

#[test]
fn a_length_is_said_once_and_in_one_way() {
    let with = |fields: &[(&str, &str)]| refusal(http1("/", &[&[("host", "a")], fields].concat()));
    for value in ["", "+5", "-5", "5, 5", "0x5", "5 ", "99999999999999999999"] {
        let expected = if value == "5 " { "5 " } else { value };
        assert_eq!(
            with(&[("content-length", expected)]),
            Malformed::ContentLength,
            "{value:?}"
        );
    }
    assert_eq!(
        with(&[("content-length", "5"), ("content-length", "5")]),
        Malformed::ContentLength
    );
    assert_eq!(
        with(&[("content-length", "5"), ("transfer-encoding", "chunked")]),
        Malformed::TwoLengths
    );
    for value in [
        "gzip, chunked",
        "identity",
        "chunked, chunked",
        "xchunked",
        "",
        "chunked;a=b",
    ] {
        assert_eq!(
            with(&[("transfer-encoding", value)]),
            Malformed::TransferEncoding,
            "{value}"
        );
    }
    assert_eq!(
        with(&[("transfer-encoding", "chunked"), ("transfer-encoding", "chunked")]),
        Malformed::TransferEncoding
    );
    let old = request(Version::HTTP_10, "/", &[("transfer-encoding", "chunked")]);
    assert_eq!(refusal(old), Malformed::TransferEncoding);
    assert!(admitted(http1("/", &[("host", "a"), ("content-length", "5")])).is_ok());
    assert!(admitted(http1("/", &[("host", "a"), ("transfer-encoding", "Chunked")])).is_ok());
}

#[test]
fn an_upstreams_lengths_are_held_to_the_same() {
    let check = |fields: &[(&str, &str)]| {
        let mut response = http::Response::builder();
        for (name, value) in fields {
            response = response.header(*name, *value);
        }
        check_response(&response.body(()).unwrap())
    };
    assert_eq!(
        check(&[("content-length", "5"), ("transfer-encoding", "chunked")]),
        Err(Malformed::TwoLengths)
    );
    assert_eq!(
        check(&[("content-length", "5"), ("content-length", "6")]),
        Err(Malformed::ContentLength)
    );
    assert_eq!(
        check(&[("transfer-encoding", "gzip, chunked")]),
        Err(Malformed::TransferEncoding)
    );
    assert_eq!(check(&[("content-length", "5")]), Ok(()));
    assert_eq!(check(&[]), Ok(()));
}

#[test]
fn hop_by_hop_fields_stay_behind() {
    let got = admitted(http1(
        "/",
        &[
            ("host", "a"),
            ("connection", "close, X-Mine , te,upgrade"),
            ("connection", "also-mine"),
            ("x-mine", "1"),
            ("also-mine", "1"),
            ("keep-alive", "timeout=5"),
            ("proxy-connection", "keep-alive"),
            ("proxy-authorization", "Basic eDp5"),
            ("te", "gzip, trailers"),
            ("trailer", "x"),
            ("upgrade", "websocket"),
            ("transfer-encoding", "chunked"),
            ("expect", "100-continue"),
            ("accept", "*/*"),
        ],
    ))
    .unwrap();
    assert_eq!(
        names(&got.head.headers),
        ["accept", "te", "trailer", SET[0], SET[1], SET[2], SET[3]]
    );
    assert_eq!(got.head.headers["te"], "trailers");
}

#[test]
fn connection_cannot_take_away_what_the_gateway_sets_or_needs() {
    let listed = "x-forwarded-for, x-forwarded-proto, x-forwarded-host, x-request-id, content-length, host";
    let got = admitted(http1(
        "/",
        &[("host", "a"), ("content-length", "5"), ("connection", listed)],
    ))
    .unwrap();
    assert_eq!(
        names(&got.head.headers),
        ["content-length", SET[0], SET[1], SET[2], SET[3]]
    );
    assert_eq!(got.head.authority, "a");
}

#[test]
fn answers_and_trailers_are_stripped_too() {
    let fields = [
        "connection",
        "keep-alive",
        "proxy-authenticate",
        "te",
        "trailer",
        "transfer-encoding",
        "upgrade",
        "x-listed",
    ];
    let mut headers = HeaderMap::new();
    for name in fields
        .into_iter()
        .chain(["etag", "content-length", "set-cookie", "proxy-status"])
    {
        headers.insert(HeaderName::from_static(name), HeaderValue::from_static("x-listed"));
    }
    let mut trailers = headers.clone();
    strip_response(&mut headers);
    assert_eq!(
        names(&headers),
        ["content-length", "etag", "proxy-status", "set-cookie", "trailer"]
    );
    strip_trailers(&mut trailers);
    assert_eq!(names(&trailers), ["etag", "proxy-status"]);
}

#[test]
fn an_untrusted_peers_word_is_replaced() {
    let got = admitted(http1(
        "/",
        &[
            ("host", "a"),
            ("x-forwarded-for", "10.0.0.1"),
            ("x-forwarded-for", "10.0.0.2"),
            ("x-forwarded-proto", "https"),
            ("x-forwarded-host", "evil"),
            ("x-forwarded-port", "1"),
            ("forwarded", "for=10.0.0.1"),
            ("x-request-id", "mine"),
        ],
    ))
    .unwrap();
    assert_eq!(names(&got.head.headers), SET);
    assert_eq!(
        got.head.headers.get_all(X_FORWARDED_FOR).iter().collect::<Vec<_>>(),
        ["203.0.113.9"]
    );
    assert_eq!(got.head.headers[X_FORWARDED_PROTO], "http");
    assert_eq!(got.head.headers[X_FORWARDED_HOST], "a");
    assert_eq!(got.head.headers[X_REQUEST_ID].len(), 32);
    assert_eq!(got.client.to_string(), "203.0.113.9");
}

#[test]
fn a_trusted_peers_word_is_kept() {
    let got = admitted_from(
        "10.0.0.1:1",
        &["10.0.0.0/8"],
        http1(
            "/",
            &[
                ("host", "a"),
                ("x-forwarded-for", "198.51.100.7"),
                ("x-forwarded-proto", "https"),
                ("x-forwarded-host", "public.example"),
                ("x-forwarded-port", "443"),
                ("x-request-id", "abc-123"),
            ],
        ),
    )
    .unwrap();
    assert_eq!(got.client.to_string(), "198.51.100.7");
    assert_eq!(got.request_id, "abc-123");
    assert_eq!(got.head.headers[X_FORWARDED_FOR], "198.51.100.7, 10.0.0.1");
    assert_eq!(got.head.headers[X_FORWARDED_PROTO], "https");
    assert_eq!(got.head.headers[X_FORWARDED_HOST], "public.example");
    assert_eq!(got.head.headers["x-forwarded-port"], "443");
}

#[test]
fn a_trusted_peers_nonsense_is_not_kept() {
    let fields = [("host", "a"), ("x-forwarded-proto", "gopher"), ("x-request-id", "a\"b")];
    let got = admitted_from("10.0.0.1:1", &["10.0.0.0/8"], http1("/", &fields)).unwrap();
    assert_eq!(got.head.headers[X_FORWARDED_PROTO], "http");
    assert_eq!(got.request_id.len(), 32);
}

#[test]
fn the_client_is_the_nearest_address_that_is_no_trusted_proxy() {
    for (peer, lists, expected) in [
        ("203.0.113.9:1", vec!["1.1.1.1"], "203.0.113.9"),
        ("10.0.0.1:1", vec![], "10.0.0.1"),
        ("10.0.0.1:1", vec!["1.1.1.1, 2.2.2.2, 10.0.0.2"], "2.2.2.2"),
        ("10.0.0.1:1", vec!["1.1.1.1", "10.0.0.3", "10.0.0.2"], "1.1.1.1"),
        ("10.0.0.1:1", vec!["10.0.0.3, 10.0.0.2"], "10.0.0.3"),
        ("10.0.0.1:1", vec!["1.1.1.1, unknown, 10.0.0.2"], "10.0.0.2"),
        ("10.0.0.1:1", vec!["1.1.1.1:4711 ,"], "1.1.1.1"),
        ("10.0.0.1:1", vec!["[2001:db8::1]:80"], "2001:db8::1"),
        ("10.0.0.1:1", vec!["[2001:db8::2]"], "2001:db8::2"),
        ("10.0.0.1:1", vec!["::ffff:1.1.1.1"], "1.1.1.1"),
        ("[::ffff:10.0.0.1]:1", vec!["1.1.1.1"], "1.1.1.1"),
        ("[::ffff:203.0.113.9]:1", vec!["1.1.1.1"], "203.0.113.9"),
    ] {
        let mut fields = vec![("host", "a")];
        fields.extend(lists.iter().map(|list| ("x-forwarded-for", *list)));
        let got = admitted_from(peer, &["10.0.0.0/8"], http1("/", &fields)).unwrap();
        assert_eq!(got.client.to_string(), expected, "{peer} {lists:?}");
    }
}

#[test]
fn ids_are_32_hexadecimal_digits_and_differ() {
    let (one, other) = (RequestIds::new(), RequestIds::new());
    let ids: HashSet<_> = (0..1000).flat_map(|_| [one.next(), other.next()]).collect();
    assert_eq!(ids.len(), 2000);
    assert!(
        ids.iter()
            .all(|id| id.len() == 32 && id.as_bytes().iter().all(u8::is_ascii_hexdigit))
    );
}

proptest! {
    #[test]
    fn no_list_makes_an_untrusted_address_out_of_thin_air(items in proptest::collection::vec("[0-9a-f:.x, ]{0,12}", 0..6)) {
        let list = items.join(",");
        let got = admitted_from("10.0.0.1:1", &["10.0.0.0/8"], http1("/", &[("host", "a"), ("x-forwarded-for", &list)])).unwrap();
        let proxies: IpNet = "10.0.0.0/8".parse().unwrap();
        let listed = || list.split(',').any(|item| forwarded::address(item.trim()) == Some(got.client));
        prop_assert!(proxies.contains(&got.client) || listed());
    }

    #[test]
    fn whatever_connection_lists_the_gateways_fields_are_there(listed in "[ -~]{0,64}") {
        let got = admitted(http1("/", &[("host", "a"), ("connection", &listed)])).unwrap();
        for name in SET {
            prop_assert!(got.head.headers.contains_key(name));
        }
        prop_assert!(!got.head.headers.contains_key("connection"));
    }
}
