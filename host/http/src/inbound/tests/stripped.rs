//! Fields that are meant for one hop only.

use super::*;

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
fn names_that_upstreams_cannot_tell_from_others_are_left_out() {
    let fields = [
        ("host", "a"),
        ("X_Consumer_Name", "root"),
        ("x-forwarded_for", "1.1.1.1"),
        ("x.real.ip", "1.1.1.1"),
        ("accept", "*/*"),
    ];
    let got = admitted(http1("/", &fields)).unwrap();
    assert_eq!(names(&got.head.headers), ["accept", SET[0], SET[1], SET[2], SET[3]]);
    let by_rule = |ambiguous_names| {
        let peer = Peer::new(
            "203.0.113.9:1".parse().unwrap(),
            "192.0.2.1:8080".parse().unwrap(),
            Scheme::Http,
        );
        let rules = Rules {
            trusted_proxies: &[],
            escaped_slashes: EscapedSlashes::Reject,
            ambiguous_names,
        };
        admit(http1("/", &fields), &peer, rules, &RequestIds::new())
    };
    assert_eq!(by_rule(AmbiguousNames::Reject).unwrap_err(), Malformed::AmbiguousName);
    assert!(
        by_rule(AmbiguousNames::Pass)
            .unwrap()
            .head
            .headers
            .contains_key("x_consumer_name")
    );
}

#[test]
fn each_character_that_upstreams_fold_is_found_wherever_it_is_in_a_name() {
    let found = |name: &str| {
        let name = HeaderName::from_bytes(name.as_bytes()).unwrap();
        let headers = HeaderMap::from_iter([(name, HeaderValue::from_static("x"))]);
        Present::of_request(&headers).any(fields::FOLDED)
    };
    for place in [
        "{}",
        "{}a",
        "a{}",
        "some-name{}of-24-bytes",
        "x-forwarded-{}",
        "x-forwarded-{}for",
    ] {
        for byte in 0x21..0x7f_u8 {
            let name = place.replace("{}", char::from(byte).encode_utf8(&mut [0; 4]));
            if HeaderName::from_bytes(name.as_bytes()).is_ok() {
                let is_distinct = byte == b'-' || byte.is_ascii_alphanumeric();
                assert_eq!(found(&name), !is_distinct, "{name}");
            }
        }
    }
}

#[test]
fn what_other_proxies_write_is_a_trusted_proxy_s_alone() {
    let fields = [
        ("host", "a"),
        ("x-real-ip", "1.1.1.1"),
        ("x-original-url", "/admin"),
        ("x-rewrite-url", "/admin"),
        ("true-client-ip", "1.1.1.1"),
        ("x-client-ip", "1.1.1.1"),
        ("x-cluster-client-ip", "1.1.1.1"),
        ("x-original-host", "b"),
    ];
    let got = admitted(http1("/", &fields)).unwrap();
    assert_eq!(names(&got.head.headers), SET);
    let trusted = admitted_from("203.0.113.9:1", &["203.0.113.0/24"], http1("/", &fields)).unwrap();
    assert_eq!(trusted.head.headers.len(), SET.len() + fields.len() - 1);
}

#[test]
fn trailers_name_no_client_and_frame_nothing() {
    let mut trailers = HeaderMap::new();
    for name in [
        "host",
        "authorization",
        "content-length",
        "transfer-encoding",
        "cookie",
        "x-consumer-name",
        "x-forwarded-for",
        "x-forwarded-port",
        "x-real-ip",
        "x-request-id",
        "x_consumer_name",
        "x-credential-identifier",
        "x-remote-user",
        "proxy-authorization",
        "expect",
        "grpc-status",
        "x-checksum",
    ] {
        trailers.insert(HeaderName::from_static(name), HeaderValue::from_static("1"));
    }
    strip_trailers(&mut trailers);
    assert_eq!(names(&trailers), ["grpc-status", "x-checksum"]);
}

#[test]
fn a_requests_trailers_are_those_that_the_listener_lists() {
    let remaining = |allowed: Option<&TrailerNames>| {
        let mut trailers = HeaderMap::new();
        for name in [
            "x-role",
            "x-tenant",
            "x-admin",
            "x-checksum",
            "x-user-sum",
            "x-request-id",
            "digest",
            "content-md5",
            "content-digest",
            "repr-digest",
            "grpc-status",
            "etag",
            "authorization",
            "connection",
            "te",
        ] {
            trailers.insert(HeaderName::from_static(name), HeaderValue::from_static("1"));
        }
        strip_request_trailers(&mut trailers, allowed);
        let mut names: Vec<_> = trailers.keys().map(ToString::to_string).collect();
        names.sort();
        names.join(" ")
    };
    assert_eq!(
        remaining(Some(&TrailerNames::default())),
        "content-digest content-md5 digest grpc-status repr-digest"
    );
    assert_eq!(remaining(Some(&TrailerNames::new(["X-Checksum"]))), "x-checksum");
    assert_eq!(
        remaining(Some(&TrailerNames::new(["x-*"]))),
        "x-admin x-checksum x-role x-tenant"
    );
    assert_eq!(remaining(Some(&TrailerNames::new([""; 0]))), "");
    assert_eq!(remaining(None), "");
}

#[test]
fn no_entry_lets_through_what_is_never_a_trailer() {
    for entry in [
        "content-length",
        "Host",
        "te",
        "connection",
        "x-user-*",
        "x-forwarded-*",
        "x_a",
        "",
        "a b",
        "ü",
    ] {
        assert!(is_no_trailer(entry), "{entry}");
    }
    for entry in ["*", "x-*", "x-checksum", "Digest", "grpc-*"] {
        assert!(!is_no_trailer(entry), "{entry}");
    }
}
