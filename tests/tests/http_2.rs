//! HTTP/2 by hand, for what no client library would send: fields that would break HTTP/1 when they are translated, lengths that
//! lie, and floods of frames.

use lockgate_tests::frames::{
    END_HEADERS, END_STREAM, GOAWAY, HEADERS, PING, RST_STREAM, WHOLE, connect, fields, frame, frames,
};
use lockgate_tests::{Gateway, Upstream};
use serde_json::json;

use std::time::Duration;

fn gateway(upstream: &Upstream) -> Gateway {
    Gateway::start(json!({ "upstreams": { "app": { "endpoints": [upstream.address().to_string()] } } }))
}

#[test]
fn fields_that_would_break_http_1_are_refused() {
    let upstream = Upstream::fixed("the answer");
    let gateway = gateway(&upstream);
    let more: &[(&str, &[(&str, &str)])] = &[
        ("a line end in a value", &[("x-a", "1\r\nx-b: 2")]),
        ("a NUL in a value", &[("x-a", "1\0")]),
        ("a line end in a name", &[("x-a: 1\r\nx-b", "2")]),
        ("a name in capitals", &[("X-A", "1")]),
        ("a connection field", &[("connection", "close")]),
        ("a coding", &[("transfer-encoding", "chunked")]),
        ("keep-alive", &[("keep-alive", "1")]),
        ("te with more than trailers", &[("te", "gzip")]),
        ("a length without a body", &[("content-length", "5")]),
        ("two lengths", &[("content-length", "0"), ("content-length", "1")]),
        ("another host", &[("host", "b")]),
        ("a late pseudo-header", &[("x-a", "1"), (":path", "/b")]),
        ("an unknown pseudo-header", &[(":x", "1")]),
    ];
    for (what, more) in more {
        let mut wire = connect(&gateway);
        let block = fields(&[WHOLE.as_slice(), more].concat());
        wire.write(frame(HEADERS, END_STREAM | END_HEADERS, 1, &block))
            .expect("the gateway reads");
        let frames = frames(&mut wire, Duration::from_millis(600));
        assert!(
            !frames
                .iter()
                .any(|(kind, stream, payload)| *kind == HEADERS && *stream == 1 && payload.first() == Some(&0x88)),
            "{what}: answered 200"
        );
        assert_eq!(upstream.requests().len(), 0, "{what}: sent on");
    }
    for (what, changed) in [
        ("a space in the path", [WHOLE[0], WHOLE[1], (":path", "/a b"), WHOLE[3]]),
        (
            "a line end in the path",
            [WHOLE[0], WHOLE[1], (":path", "/\r\nx: 1"), WHOLE[3]],
        ),
        ("an empty path", [WHOLE[0], WHOLE[1], (":path", ""), WHOLE[3]]),
        (
            "a line end in the method",
            [(":method", "GET / HTTP/1.1\r\nx:"), WHOLE[1], WHOLE[2], WHOLE[3]],
        ),
        (
            "a host with a slash",
            [WHOLE[0], WHOLE[1], WHOLE[2], (":authority", "a/b")],
        ),
        (
            "credentials in the host",
            [WHOLE[0], WHOLE[1], WHOLE[2], (":authority", "u@a")],
        ),
    ] {
        let mut wire = connect(&gateway);
        wire.write(frame(HEADERS, END_STREAM | END_HEADERS, 1, &fields(&changed)))
            .expect("the gateway reads");
        drop(frames(&mut wire, Duration::from_millis(600)));
        assert_eq!(upstream.requests().len(), 0, "{what}: sent on");
    }
    let mut wire = connect(&gateway);
    wire.write(frame(HEADERS, END_STREAM | END_HEADERS, 1, &fields(&WHOLE)))
        .expect("the gateway reads");
    assert!(
        frames(&mut wire, Duration::from_secs(1))
            .iter()
            .any(|(kind, stream, _)| *kind == HEADERS && *stream == 1),
        "a sound request is answered"
    );
    assert_eq!(upstream.requests().len(), 1);
}

#[test]
fn a_length_that_the_body_does_not_have_is_refused() {
    let upstream = Upstream::fixed("the answer");
    let gateway = gateway(&upstream);
    let mut wire = connect(&gateway);
    let post = fields(&[
        (":method", "POST"),
        WHOLE[1],
        WHOLE[2],
        WHOLE[3],
        ("content-length", "10"),
    ]);
    wire.write([frame(HEADERS, END_HEADERS, 1, &post), frame(0, END_STREAM, 1, b"short")].concat())
        .expect("the gateway reads");
    drop(frames(&mut wire, Duration::from_secs(1)));
    assert!(
        upstream
            .requests()
            .iter()
            .all(|seen| seen.ending == lockgate_tests::http::Ending::Cut),
        "sent on as a whole request"
    );
}

/// CPU seconds that the gateway has used so far.
fn cpu(gateway: &Gateway) -> f64 {
    let stat = std::fs::read_to_string(format!("/proc/{}/stat", gateway.pid())).expect("the gateway runs");
    let times = stat
        .rsplit(')')
        .next()
        .expect("the name ends in a parenthesis")
        .split_whitespace();
    times
        .skip(11)
        .take(2)
        .map(|ticks| ticks.parse::<f64>().expect("a number of ticks"))
        .sum::<f64>()
        / 100.0
}

#[test]
fn floods_cost_bounded_time_and_end_the_connection() {
    let upstream = Upstream::fixed("the answer");
    let gateway = gateway(&upstream);
    let block = fields(&WHOLE);
    let reset: Vec<u8> = (0..20_000u32)
        .flat_map(|nth| {
            [
                frame(HEADERS, END_STREAM | END_HEADERS, 2 * nth + 1, &block),
                frame(RST_STREAM, 0, 2 * nth + 1, &[0, 0, 0, 8]),
            ]
            .concat()
        })
        .collect();
    let continuation = [
        frame(HEADERS, END_STREAM, 1, &block),
        frame(9, 0, 1, &fields(&[("x-a", "1")])).repeat(100_000),
    ]
    .concat();
    let settings = frame(4, 0, 0, &[]).repeat(200_000);
    let pings = frame(PING, 0, 0, &[0; 8]).repeat(200_000);
    let empty = [
        frame(
            HEADERS,
            END_HEADERS,
            1,
            &fields(&[(":method", "POST"), WHOLE[1], WHOLE[2], WHOLE[3]]),
        ),
        frame(0, 0, 1, &[]).repeat(200_000),
    ]
    .concat();
    for (what, bytes, must_end) in [
        ("rapid reset", reset, true),
        ("continuation", continuation, true),
        ("settings", settings, false),
        ("pings", pings, false),
        ("empty data", empty, false),
    ] {
        let before = cpu(&gateway);
        let mut wire = connect(&gateway);
        wire.socket()
            .set_write_timeout(Some(Duration::from_secs(2)))
            .expect("a socket takes options");
        let written = wire.write(&bytes);
        let ended = frames(&mut wire, Duration::from_secs(2))
            .iter()
            .any(|(kind, _, _)| *kind == GOAWAY)
            || written.is_err();
        let spent = cpu(&gateway) - before;
        println!("{what}: {spent:.2} s of CPU, ended: {ended}");
        assert!(spent < 1.5, "{what}: {spent} s of CPU");
        assert!(ended || !must_end, "{what}: the connection goes on");
        assert_eq!(gateway.get("/").status(), 200, "{what}");
    }
    assert!(gateway.memory().peak < 150 << 20, "{:?}", gateway.memory());
}
