//! Messages whose end is in doubt: refused, the connection closed, and nothing of them reaches the upstream as a second request.
//! Written as bytes, as an attacker would.

use lockgate_tests::{Gateway, Upstream, get};
use serde_json::json;
use std::net::Shutdown;
use std::time::Duration;

fn gateway(upstream: &Upstream) -> Gateway {
    Gateway::start(json!({ "upstreams": { "app": { "endpoints": [upstream.address().to_string()] } } }))
}

/// Sends bytes and half-closes; answers the statuses of all that came back until the gateway closed.
fn statuses(gateway: &Gateway, bytes: &[u8]) -> Vec<u16> {
    let mut wire = gateway.connect();
    drop(wire.write(bytes));
    wire.socket()
        .set_read_timeout(Some(Duration::from_secs(2)))
        .expect("a socket takes options");
    let mut statuses = Vec::new();
    while let Ok(response) = wire.response("GET") {
        statuses.push(response.status());
    }
    drop(wire.socket().shutdown(Shutdown::Both));
    statuses
}

/// What must be refused: each would be read otherwise by somebody else.
const AMBIGUOUS: &[(&str, &[u8])] = &[
    (
        "two lengths that differ",
        b"POST / HTTP/1.1\r\nhost: a\r\ncontent-length: 4\r\ncontent-length: 5\r\n\r\nabcde",
    ),
    (
        "two lengths that agree",
        b"POST / HTTP/1.1\r\nhost: a\r\ncontent-length: 4\r\ncontent-length: 4\r\n\r\nabcd",
    ),
    (
        "a list of lengths",
        b"POST / HTTP/1.1\r\nhost: a\r\ncontent-length: 4, 4\r\n\r\nabcd",
    ),
    (
        "a length with a sign",
        b"POST / HTTP/1.1\r\nhost: a\r\ncontent-length: +4\r\n\r\nabcd",
    ),
    (
        "a negative length",
        b"POST / HTTP/1.1\r\nhost: a\r\ncontent-length: -4\r\n\r\nabcd",
    ),
    (
        "a hexadecimal length",
        b"POST / HTTP/1.1\r\nhost: a\r\ncontent-length: 0x4\r\n\r\nabcd",
    ),
    (
        "a length with a space in it",
        b"POST / HTTP/1.1\r\nhost: a\r\ncontent-length: 4 4\r\n\r\nabcd",
    ),
    (
        "an empty length",
        b"POST / HTTP/1.1\r\nhost: a\r\ncontent-length:\r\n\r\n",
    ),
    (
        "a length beyond all numbers",
        b"POST / HTTP/1.1\r\nhost: a\r\ncontent-length: 99999999999999999999999\r\n\r\nabcd",
    ),
    (
        "a length and chunks",
        b"POST / HTTP/1.1\r\nhost: a\r\ncontent-length: 4\r\ntransfer-encoding: chunked\r\n\r\n0\r\n\r\n",
    ),
    (
        "chunks and a length",
        b"POST / HTTP/1.1\r\nhost: a\r\ntransfer-encoding: chunked\r\ncontent-length: 4\r\n\r\n0\r\n\r\n",
    ),
    (
        "an unknown coding",
        b"POST / HTTP/1.1\r\nhost: a\r\ntransfer-encoding: gzip\r\n\r\n0\r\n\r\n",
    ),
    (
        "a list of codings",
        b"POST / HTTP/1.1\r\nhost: a\r\ntransfer-encoding: gzip, chunked\r\n\r\n0\r\n\r\n",
    ),
    (
        "identity and chunked",
        b"POST / HTTP/1.1\r\nhost: a\r\ntransfer-encoding: identity, chunked\r\n\r\n0\r\n\r\n",
    ),
    (
        "chunked twice",
        b"POST / HTTP/1.1\r\nhost: a\r\ntransfer-encoding: chunked, chunked\r\n\r\n0\r\n\r\n",
    ),
    (
        "chunked in two fields",
        b"POST / HTTP/1.1\r\nhost: a\r\ntransfer-encoding: chunked\r\ntransfer-encoding: chunked\r\n\r\n0\r\n\r\n",
    ),
    (
        "chunked in quotes",
        b"POST / HTTP/1.1\r\nhost: a\r\ntransfer-encoding: \"chunked\"\r\n\r\n0\r\n\r\n",
    ),
    (
        "chunked with a parameter",
        b"POST / HTTP/1.1\r\nhost: a\r\ntransfer-encoding: chunked;q=1\r\n\r\n0\r\n\r\n",
    ),
    (
        "chunked with a control character",
        b"POST / HTTP/1.1\r\nhost: a\r\ntransfer-encoding: \x0bchunked\r\n\r\n0\r\n\r\n",
    ),
    (
        "an empty coding",
        b"POST / HTTP/1.1\r\nhost: a\r\ntransfer-encoding:\r\n\r\n0\r\n\r\n",
    ),
    (
        "chunks in HTTP/1.0",
        b"POST / HTTP/1.0\r\nhost: a\r\ntransfer-encoding: chunked\r\n\r\n0\r\n\r\n",
    ),
    ("a space before the colon", b"GET / HTTP/1.1\r\nhost : a\r\n\r\n"),
    (
        "a length with a space before the colon",
        b"POST / HTTP/1.1\r\nhost: a\r\ncontent-length : 4\r\n\r\nabcd",
    ),
    ("a folded line", b"GET / HTTP/1.1\r\nhost: a\r\nx-a: 1\r\n 2\r\n\r\n"),
    (
        "a folded coding",
        b"POST / HTTP/1.1\r\nhost: a\r\ntransfer-encoding:\r\n chunked\r\n\r\n0\r\n\r\n",
    ),
    ("a space before the first field", b"GET / HTTP/1.1\r\n host: a\r\n\r\n"),
    ("a bare line feed", b"GET / HTTP/1.1\r\nhost: a\nx-a: 1\r\n\r\n"),
    ("bare line feeds at the end", b"GET / HTTP/1.1\r\nhost: a\r\nx-a: 1\n\n"),
    (
        "a bare carriage return",
        b"GET / HTTP/1.1\r\nhost: a\r\nx-a: 1\rx-b: 2\r\n\r\n",
    ),
    ("a NUL in a value", b"GET / HTTP/1.1\r\nhost: a\r\nx-a: 1\x002\r\n\r\n"),
    (
        "a name that is no token",
        b"GET / HTTP/1.1\r\nhost: a\r\nx(a): 1\r\n\r\n",
    ),
    ("an empty name", b"GET / HTTP/1.1\r\nhost: a\r\n: 1\r\n\r\n"),
    (
        "a field without a colon",
        b"GET / HTTP/1.1\r\nhost: a\r\nnothing\r\n\r\n",
    ),
    ("no host", b"GET / HTTP/1.1\r\nx-a: 1\r\n\r\n"),
    ("two hosts", b"GET / HTTP/1.1\r\nhost: a\r\nhost: b\r\n\r\n"),
    ("the same host twice", b"GET / HTTP/1.1\r\nhost: a\r\nhost: a\r\n\r\n"),
    ("an invalid host", b"GET / HTTP/1.1\r\nhost: a/b\r\n\r\n"),
    ("a host with credentials", b"GET / HTTP/1.1\r\nhost: user@a\r\n\r\n"),
    ("a host with a comma", b"GET / HTTP/1.1\r\nhost: a, b\r\n\r\n"),
    (
        "a host with a port that is none",
        b"GET / HTTP/1.1\r\nhost: a:99999\r\n\r\n",
    ),
    (
        "an absolute target of another host",
        b"GET http://b/ HTTP/1.1\r\nhost: a\r\n\r\n",
    ),
    ("a fragment", b"GET /a#b HTTP/1.1\r\nhost: a\r\n\r\n"),
    ("a target without a slash", b"GET a HTTP/1.1\r\nhost: a\r\n\r\n"),
    ("a space in the target", b"GET /a b HTTP/1.1\r\nhost: a\r\n\r\n"),
    ("an unknown version", b"GET / HTTP/1.2\r\nhost: a\r\n\r\n"),
    ("no version", b"GET /\r\nhost: a\r\n\r\n"),
    ("a version in lower case", b"GET / http/1.1\r\nhost: a\r\n\r\n"),
    ("a method that is no token", b"G(T / HTTP/1.1\r\nhost: a\r\n\r\n"),
    ("CONNECT", b"CONNECT a:443 HTTP/1.1\r\nhost: a:443\r\n\r\n"),
    (
        "noise",
        b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03 a TLS greeting\r\n\r\n",
    ),
];

#[test]
fn ambiguous_requests_are_refused_and_reach_no_upstream() {
    let upstream = Upstream::fixed("the answer");
    let gateway = gateway(&upstream);
    let mut wrong = Vec::new();
    for (what, bytes) in AMBIGUOUS {
        let before = upstream.requests().len();
        let hidden = b"GET /smuggled HTTP/1.1\r\nhost: a\r\n\r\n".as_slice();
        let statuses = statuses(&gateway, &[bytes, hidden].concat());
        let sent_on = upstream.requests().len() - before;
        if statuses.len() > 1 || statuses.first().is_some_and(|status| !(400..=501).contains(status)) || sent_on > 0 {
            wrong.push(format!("{what}: answered {statuses:?}, {sent_on} sent on"));
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
    assert_eq!(gateway.get("/").status(), 200);
}

/// Bodies that go wrong on the way: the request may have reached the upstream by then, but never whole, and nothing follows it.
const BROKEN_CHUNKS: &[(&str, &[u8])] = &[
    ("a size that is none", b"zz\r\nabc\r\n0\r\n\r\n"),
    ("an empty size", b"\r\nabc\r\n0\r\n\r\n"),
    ("a size with a sign", b"+3\r\nabc\r\n0\r\n\r\n"),
    ("a size in 0x form", b"0x3\r\nabc\r\n0\r\n\r\n"),
    ("a size beyond all numbers", b"fffffffffffffffff\r\nabc\r\n0\r\n\r\n"),
    ("a size with a space before it", b" 3\r\nabc\r\n0\r\n\r\n"),
    ("a chunk longer than its size", b"3\r\nabcd\r\n0\r\n\r\n"),
    ("a chunk without its line end", b"3\r\nabc0\r\n\r\n"),
    ("a bare line feed after the size", b"3\nabc\r\n0\r\n\r\n"),
    ("a bare line feed after the chunk", b"3\r\nabc\n0\r\n\r\n"),
    ("a bare line feed in an extension", b"3;a\nb\r\nabc\r\n0\r\n\r\n"),
    ("a bare carriage return in an extension", b"3;a\rb\r\nabc\r\n0\r\n\r\n"),
    ("a trailer that is none", b"3\r\nabc\r\n0\r\nnothing\r\n\r\n"),
    (
        "a trailer with a space before the colon",
        b"3\r\nabc\r\n0\r\nx : 1\r\n\r\n",
    ),
];

#[test]
fn a_truncated_body_is_never_followed_by_another_request() {
    let upstream = Upstream::fixed("the answer");
    let gateway = gateway(&upstream);
    let mut wrong = Vec::new();
    for (what, body) in BROKEN_CHUNKS {
        let before = upstream.requests().len();
        let hidden = b"GET /smuggled HTTP/1.1\r\nhost: a\r\n\r\n".as_slice();
        let statuses = statuses(
            &gateway,
            &[
                b"POST / HTTP/1.1\r\nhost: a\r\ntransfer-encoding: chunked\r\n\r\n".as_slice(),
                body,
                hidden,
            ]
            .concat(),
        );
        let seen = upstream.requests().split_off(before);
        let whole = seen
            .iter()
            .filter(|request| request.ending == lockgate_tests::http::Ending::Whole)
            .count();
        if statuses.iter().any(|status| *status < 400)
            || whole > 0
            || seen.iter().any(|request| request.target() == "/smuggled")
        {
            wrong.push(format!(
                "{what}: answered {statuses:?}, {whole} of {} sent on whole",
                seen.len()
            ));
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

#[test]
fn trailers_cannot_add_what_a_head_could_not() {
    let upstream = Upstream::fixed("the answer");
    let gateway = gateway(&upstream);
    for trailer in [
        "content-length: 5",
        "transfer-encoding: chunked",
        "host: b",
        "x-forwarded-for: 6.6.6.6",
        "authorization: x",
        "connection: close",
    ] {
        let body = format!(
            "POST / HTTP/1.1\r\nhost: a\r\nconnection: close\r\ntransfer-encoding: chunked\r\n\r\n3\r\nabc\r\n0\r\n{trailer}\r\nx-fine: 1\r\n\r\n"
        );
        let before = upstream.requests().len();
        let statuses = statuses(&gateway, body.as_bytes());
        for seen in &upstream.requests()[before..] {
            let name = trailer.split(':').next().expect("a trailer has a name");
            assert!(
                !seen.trailers.iter().any(|(known, _)| known.eq_ignore_ascii_case(name)),
                "{trailer} was sent on"
            );
        }
        assert!(statuses == [200] || statuses == [400], "{trailer}: {statuses:?}");
    }
}

#[test]
fn unusual_but_valid_requests_are_accepted() {
    let upstream = Upstream::fixed("the answer");
    let gateway = gateway(&upstream);
    let unusual: &[(&str, &[u8])] = &[
        ("names in capitals", b"GET / HTTP/1.1\r\nHOST: a\r\nCONNECTION: close\r\n\r\n"),
        ("no space after the colon", b"GET / HTTP/1.1\r\nhost:a\r\nconnection:close\r\n\r\n"),
        ("spaces around a value", b"GET / HTTP/1.1\r\nhost: \t a \t\r\nconnection: close\r\n\r\n"),
        ("an empty line first", b"\r\nGET / HTTP/1.1\r\nhost: a\r\nconnection: close\r\n\r\n"),
        ("Chunked in capitals", b"POST / HTTP/1.1\r\nhost: a\r\nconnection: close\r\ntransfer-encoding: Chunked\r\n\r\n3\r\nabc\r\n0\r\n\r\n"),
        ("a chunk extension", b"POST / HTTP/1.1\r\nhost: a\r\nconnection: close\r\ntransfer-encoding: chunked\r\n\r\n3;name=value\r\nabc\r\n0\r\n\r\n"),
        ("leading zeros", b"POST / HTTP/1.1\r\nhost: a\r\nconnection: close\r\ntransfer-encoding: chunked\r\n\r\n0003\r\nabc\r\n0\r\n\r\n"),
        ("a port in the host", b"GET / HTTP/1.1\r\nhost: a:8080\r\nconnection: close\r\n\r\n"),
        ("an IPv6 host", b"GET / HTTP/1.1\r\nhost: [::1]:8080\r\nconnection: close\r\n\r\n"),
        ("an absolute target of the same host", b"GET http://a/x HTTP/1.1\r\nhost: a\r\nconnection: close\r\n\r\n"),
        ("HTTP/1.0", b"GET / HTTP/1.0\r\nhost: a\r\n\r\n"),
        ("bytes beyond ASCII in a value", b"GET / HTTP/1.1\r\nhost: a\r\nconnection: close\r\nx-name: M\xfcller\r\n\r\n"),
    ];
    for (what, bytes) in unusual {
        assert_eq!(statuses(&gateway, bytes), [200], "{what}");
    }
}

#[test]
fn a_response_longer_than_announced_does_not_reach_the_next_request() {
    let upstream = Upstream::scripted(|request, wire| {
        let extra = if request.target() == "/long" {
            "HTTP/1.1 200 OK\r\ncontent-length: 8\r\n\r\npoisoned"
        } else {
            ""
        };
        wire.write(format!("HTTP/1.1 200 OK\r\ncontent-length: 4\r\n\r\ngood{extra}"))?;
        Ok(lockgate_tests::upstream::Then::KeepAlive)
    });
    let gateway = gateway(&upstream);
    let mut wire = gateway.connect();
    for target in ["/long", "/short", "/long", "/short"] {
        assert_eq!(
            wire.exchange(&get(target)).expect("an answer comes").text(),
            "good",
            "{target}"
        );
    }
}

#[test]
fn characters_that_no_uri_has_are_escaped_or_refused_by_the_listeners_setting() {
    let upstream = Upstream::echo();
    let gateway = Gateway::start(json!({
        "listeners": { "web": {}, "strict": { "unsafe_characters": "reject" } },
        "upstreams": { "app": { "endpoints": [upstream.address().to_string()] } },
    }));
    for (sent, seen) in [
        ("/a?q=\"x\"", "/a?q=%22x%22"),
        ("/a?q=<b>", "/a?q=%3Cb%3E"),
        ("/<a>`", "/%3Ca%3E%60"),
        ("/x/../<?>", "/%3C?%3E"),
    ] {
        assert_eq!(gateway.get(sent).status(), 200, "{sent}");
        assert_eq!(upstream.last_request().target(), seen);
        let strict = lockgate_tests::Wire::connect(gateway.listener("strict")).exchange(&get(sent));
        assert_eq!(strict.expect("an answer").status(), 400, "{sent}");
    }
    // What URIs do not have either, and every reader of them takes.
    for sent in ["/a{|}^\"", "/a?{|}^\\`[]"] {
        assert_eq!(gateway.get(sent).status(), 200, "{sent}");
        assert_eq!(upstream.last_request().target(), sent);
    }
}
