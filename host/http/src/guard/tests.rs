//! Raw streams: which pass, which do not, and how much of them, however they are cut into pieces.

mod upgrades;

use super::*;
use crate::problem::{Malformed, Problem};

const LIMITS: Limits = Limits { bytes: 1024, fields: 8 };

/// What passes of a stream that arrives in these pieces, and why no more of it does.
fn guard_pieces<'a>(pieces: impl IntoIterator<Item = &'a [u8]>, limits: Limits) -> (Vec<u8>, Option<GuardRefusal>) {
    let mut guard = Guard::new(limits);
    let (mut passed, mut held) = (Vec::new(), Vec::new());
    for piece in pieces {
        held.extend_from_slice(piece);
        let progress = guard.advance(&held);
        passed.extend(held.drain(..progress.end));
        if progress.refusal.is_some() {
            return (passed, progress.refusal);
        }
    }
    (passed, None)
}

/// The same for the whole stream, byte by byte, and split in two at every place.
fn guard_in_every_split(stream: &[u8]) -> (Vec<u8>, Option<GuardRefusal>) {
    let whole = guard_pieces([stream], LIMITS);
    assert_eq!(
        guard_pieces(stream.chunks(1), LIMITS),
        whole,
        "byte by byte: {:?}",
        stream.escape_ascii().to_string()
    );
    for cut in 0..stream.len() {
        let (one, other) = stream.split_at(cut);
        assert_eq!(
            guard_pieces([one, other], LIMITS),
            whole,
            "cut at {cut}: {:?}",
            stream.escape_ascii().to_string()
        );
    }
    whole
}

const PLAIN: &[u8] = b"GET /before HTTP/1.1\r\nhost: a\r\n\r\n";

const GOOD: &[&[u8]] = &[
    b"GET / HTTP/1.1\r\nhost: a\r\n\r\n",
    b"GET / HTTP/1.0\r\n\r\n",
    b"\r\nGET / HTTP/1.1\r\nhost: a\r\n\r\n",
    b"GET /a/{\"b\"};c?d=\xc3\xa4&e={`f`} HTTP/1.1\r\nhost: a\r\n\r\n",
    b"OPTIONS * HTTP/1.1\r\nHOST:a\r\n\r\n",
    b"GET http://a/x?y HTTP/1.1\r\nhost: \t a \t\r\n\r\n",
    b"CONNECT a:443 HTTP/1.1\r\nhost: a:443\r\n\r\n",
    b"M-SEARCH / HTTP/1.1\r\nx-name: M\xfcller\tand son\r\nx-empty:\r\n\r\n",
    b"POST / HTTP/1.1\r\nContent-Length: 4\r\n\r\nabcd",
    b"POST / HTTP/1.1\r\ncontent-length: \t0004 \r\n\r\n\r\n\x00\n",
    b"POST / HTTP/1.1\r\ncontent-length: 0\r\n\r\n",
    b"POST / HTTP/1.1\r\ntransfer-encoding: \tChunked \r\n\r\n0\r\n\r\n",
    b"POST / HTTP/1.1\r\ntransfer-encoding: chunked\r\n\r\n3\r\na\rb\r\n00A\r\n0123456789\r\n000\r\n\r\n",
    b"POST / HTTP/1.1\r\ntransfer-encoding: chunked\r\n\r\n3;a;b=c \t; d = \"e\\\"\xfc\tf;\"\r\nabc\r\n0;z=\"\"\r\nx-sum: 1\r\ny:\r\n\r\n",
];

#[test]
fn valid_streams_pass_unchanged() {
    for stream in GOOD {
        let stream = [PLAIN, stream, PLAIN].concat();
        let (passed, refusal) = guard_in_every_split(&stream);
        assert_eq!(
            (passed.escape_ascii().to_string(), refusal),
            (stream.escape_ascii().to_string(), None)
        );
    }
}

/// Heads that are refused, with the word for it.
const BAD: &[(&[u8], Malformed)] = &[
    (b"G(T / HTTP/1.1\r\n\r\n", Malformed::RequestLine),
    (b" GET / HTTP/1.1\r\n\r\n", Malformed::RequestLine),
    (b"GET  / HTTP/1.1\r\n\r\n", Malformed::Target),
    (b"GET / a HTTP/1.1\r\n\r\n", Malformed::Target),
    (b"GET /\ta HTTP/1.1\r\n\r\n", Malformed::Target),
    (b"GET /<a> HTTP/1.1\r\n\r\n", Malformed::Target),
    (b"GET /\xff HTTP/1.1\r\n\r\n", Malformed::Target),
    (b"GET a/b HTTP/1.1\r\n\r\n", Malformed::Target),
    (b"GET /  HTTP/1.1\r\n\r\n", Malformed::Target),
    (b"GET / HTTP/1.1 \r\n\r\n", Malformed::RequestLine),
    (b"GET /\tHTTP/1.1\r\n\r\n", Malformed::RequestLine),
    (b"GET /\r\n\r\n", Malformed::RequestLine),
    (b"GET\r\n\r\n", Malformed::RequestLine),
    (b"GET  HTTP/1.1\r\n\r\n", Malformed::Target),
    (b"GET / HTTP/1.2\r\n\r\n", Malformed::RequestLine),
    (b"GET / HTTP/1.10\r\n\r\n", Malformed::RequestLine),
    (b"GET / http/1.1\r\n\r\n", Malformed::RequestLine),
    (b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n", Malformed::RequestLine),
    (b"GET /a#b HTTP/1.1\r\n\r\n", Malformed::Fragment),
    (b"GET /a?b#c HTTP/1.1\r\n\r\n", Malformed::Fragment),
    (b"GET http://a/#c HTTP/1.1\r\n\r\n", Malformed::Fragment),
    (b"\nGET / HTTP/1.1\r\n\r\n", Malformed::LineEnd),
    (b"\r\rGET / HTTP/1.1\r\n\r\n", Malformed::LineEnd),
    (b"GET / HTTP/1.1\n\r\n", Malformed::LineEnd),
    (b"GET / HTTP/1.1\r\nhost: a\n\r\n", Malformed::LineEnd),
    (b"GET / HTTP/1.1\r\nhost: a\r\n\n", Malformed::LineEnd),
    (b"GET / HTTP/1.1\r\nhost: a\r\r\n\r\n", Malformed::LineEnd),
    (b"GET / HTTP/1.1\r\nhost: a\rx: b\r\n\r\n", Malformed::LineEnd),
    (b"GET / HTTP/1.1\r\nhost: a\r\n\rGET", Malformed::LineEnd),
    (b"GET / HTTP/1.1\r\nx: a\x00b\r\n\r\n", Malformed::ControlCharacter),
    (b"GET / HTTP/1.1\r\nx: a\x7fb\r\n\r\n", Malformed::ControlCharacter),
    (b"GET /\x01 HTTP/1.1\r\n\r\n", Malformed::ControlCharacter),
    (b"GET / HTTP/1.1\r\nx: a\r\n b\r\n\r\n", Malformed::Folding),
    (b"GET / HTTP/1.1\r\nx: a\r\n\tb: c\r\n\r\n", Malformed::Folding),
    (b"GET / HTTP/1.1\r\n host: a\r\n\r\n", Malformed::Folding),
    (b"GET / HTTP/1.1\r\n \r\n\r\n", Malformed::Folding),
    (b"GET / HTTP/1.1\r\nhost : a\r\n\r\n", Malformed::FieldName),
    (b"GET / HTTP/1.1\r\n: a\r\n\r\n", Malformed::FieldName),
    (b"GET / HTTP/1.1\r\nnothing\r\n\r\n", Malformed::FieldName),
    (b"GET / HTTP/1.1\r\nx(a): b\r\n\r\n", Malformed::FieldName),
    (b"GET / HTTP/1.1\r\nx\xfc: b\r\n\r\n", Malformed::FieldName),
    (b"POST / HTTP/1.1\r\ncontent-length:\r\n\r\n", Malformed::ContentLength),
    (
        b"POST / HTTP/1.1\r\ncontent-length: +4\r\n\r\n",
        Malformed::ContentLength,
    ),
    (
        b"POST / HTTP/1.1\r\ncontent-length: 4, 4\r\n\r\n",
        Malformed::ContentLength,
    ),
    (
        b"POST / HTTP/1.1\r\ncontent-length: 0x4\r\n\r\n",
        Malformed::ContentLength,
    ),
    (
        b"POST / HTTP/1.1\r\ncontent-length: 4 4\r\n\r\n",
        Malformed::ContentLength,
    ),
    (
        b"POST / HTTP/1.1\r\ncontent-length: 99999999999999999999\r\n\r\n",
        Malformed::ContentLength,
    ),
    (
        b"POST / HTTP/1.1\r\ncontent-length: 4\r\nContent-Length: 4\r\n\r\n",
        Malformed::ContentLength,
    ),
    (
        b"POST / HTTP/1.1\r\ncontent-length: 4\r\ntransfer-encoding: chunked\r\n\r\n",
        Malformed::TwoLengths,
    ),
    (
        b"POST / HTTP/1.1\r\nTransfer-Encoding: chunked\r\nContent-Length: 4\r\n\r\n",
        Malformed::TwoLengths,
    ),
    (
        b"POST / HTTP/1.1\r\ntransfer-encoding:\r\n\r\n",
        Malformed::TransferEncoding,
    ),
    (
        b"POST / HTTP/1.1\r\ntransfer-encoding: gzip, chunked\r\n\r\n",
        Malformed::TransferEncoding,
    ),
    (
        b"POST / HTTP/1.1\r\ntransfer-encoding: chunked, chunked\r\n\r\n",
        Malformed::TransferEncoding,
    ),
    (
        b"POST / HTTP/1.1\r\ntransfer-encoding: chunked\r\ntransfer-encoding: chunked\r\n\r\n",
        Malformed::TransferEncoding,
    ),
    (
        b"POST / HTTP/1.1\r\ntransfer-encoding: \"chunked\"\r\n\r\n",
        Malformed::TransferEncoding,
    ),
    (
        b"POST / HTTP/1.1\r\ntransfer-encoding: chunked;a=b\r\n\r\n",
        Malformed::TransferEncoding,
    ),
    (
        b"POST / HTTP/1.0\r\ntransfer-encoding: chunked\r\n\r\n",
        Malformed::TransferEncoding,
    ),
];

#[test]
fn no_byte_of_an_invalid_head_passes_but_all_before_it() {
    for (head, what) in BAD {
        for before in [&b""[..], PLAIN, GOOD[8], GOOD[13]] {
            let stream = [before, head, PLAIN].concat();
            let (passed, refusal) = guard_in_every_split(&stream);
            assert_eq!(
                (passed.escape_ascii().to_string(), refusal),
                (
                    before.escape_ascii().to_string(),
                    Some(GuardRefusal::Head(Problem::Malformed(*what)))
                ),
                "{:?}",
                head.escape_ascii().to_string()
            );
        }
    }
}

/// Chunked bodies, cut where they go wrong.
const BROKEN: &[(&[u8], &[u8])] = &[
    (b"", b"zz\r\n"),
    (b"", b"\r\nabc"),
    (b"", b"+3\r\nabc"),
    (b"", b" 3\r\nabc"),
    (b"", b";a\r\nabc"),
    (b"0", b"x3\r\nabc"),
    (b"3 ", b"\r\nabc"),
    (b"3 ", b"3\r\nabc"),
    (b"3", b"\nabc"),
    (b"3\r", b"abc"),
    (b"0000000000000003", b"3\r\nabc"),
    (b"3;", b"\r\nabc"),
    (b"3;", b"=a\r\nabc"),
    (b"3;a=", b"\r\nabc"),
    (b"3;a", b"\nb\r\nabc"),
    (b"3;a\r", b"b\r\nabc"),
    (b"3;a ", b"b\r\nabc"),
    (b"3;a=\"b", b"\r\n\r\nabc"),
    (b"3;a=\"b\\", b"\x00\"\r\nabc"),
    (b"3;a=\"b\"", b"c\r\nabc"),
    (b"3;a=b", b"=c\r\nabc"),
    (b"3\r\nabc", b"d\r\n0\r\n\r\n"),
    (b"3\r\nabc", b"\n0\r\n\r\n"),
    (b"3\r\nabc\r", b"0\r\n\r\n"),
    (b"0\r\n", b"\n"),
    (b"0\r\n", b" x: 1\r\n\r\n"),
    (b"0\r\n", b": 1\r\n\r\n"),
    (b"0\r\nx", b" : 1\r\n\r\n"),
    (b"0\r\nnothing", b"\r\n\r\n"),
    (b"0\r\nx: a", b"\nb: c\r\n\r\n"),
    (b"0\r\nx: a", b"\x00\r\n\r\n"),
    (b"0\r\nx: a\r", b"b: c\r\n\r\n"),
    (b"0\r\nx: a\r\n", b" b\r\n\r\n"),
    (b"0\r\n\r", b"GET"),
];

#[test]
fn a_broken_body_passes_up_to_the_byte_that_breaks_it() {
    for (good, bad) in BROKEN {
        let good = [
            b"POST / HTTP/1.1\r\ntransfer-encoding: chunked\r\n\r\n3\r\nabc\r\n",
            *good,
        ]
        .concat();
        let (passed, refusal) = guard_in_every_split(&[&good, *bad, PLAIN].concat());
        assert_eq!(
            (passed.escape_ascii().to_string(), refusal),
            (good.escape_ascii().to_string(), Some(GuardRefusal::Body)),
            "{:?}",
            bad.escape_ascii().to_string()
        );
    }
}

/// The answer to a head that is too large, which has to be the same however it comes.
fn too_large(head: &[u8], limits: Limits) -> Option<Problem> {
    let refusals = [head.len(), 1, 700].map(|size| match guard_pieces(head.chunks(size), limits) {
        (passed, Some(GuardRefusal::Head(problem))) if passed.is_empty() => Some(problem),
        (_, refusal) => {
            assert_eq!(refusal, None);
            None
        }
    });
    assert_eq!(refusals[0], refusals[1]);
    assert_eq!(refusals[0], refusals[2]);
    refusals[0]
}

#[test]
fn a_head_may_be_as_large_as_its_limit_and_no_larger() {
    let head = |length: usize| {
        let frame = "GET / HTTP/1.1\r\nx: \r\n\r\n".len();
        format!("GET / HTTP/1.1\r\nx: {}\r\n\r\n", "y".repeat(length - frame))
    };
    assert_eq!(too_large(head(1024).as_bytes(), LIMITS), None);
    assert_eq!(too_large(head(1025).as_bytes(), LIMITS), Some(Problem::HeadersTooLarge));
    assert_eq!(too_large(head(5000).as_bytes(), LIMITS), Some(Problem::HeadersTooLarge));
    assert_eq!(too_large(&[b'G'; 1025], LIMITS), Some(Problem::HeadersTooLarge));
    assert_eq!(
        too_large("\r\n".repeat(513).as_bytes(), LIMITS),
        Some(Problem::HeadersTooLarge)
    );
}

#[test]
fn a_head_may_have_as_many_fields_as_its_limit_and_no_more() {
    let head = |fields: usize| format!("GET / HTTP/1.1\r\n{}\r\n", "x: y\r\n".repeat(fields));
    assert_eq!(too_large(head(8).as_bytes(), LIMITS), None);
    assert_eq!(too_large(head(9).as_bytes(), LIMITS), Some(Problem::HeadersTooLarge));
}

#[test]
fn a_target_over_the_limit_is_a_problem_of_its_own() {
    let wide = Limits {
        bytes: 1 << 20,
        fields: 8,
    };
    let head = |length: usize| format!("GET /{} HTTP/1.1\r\n\r\n", "a".repeat(length - 1));
    assert_eq!(too_large(head(1200).as_bytes(), LIMITS), Some(Problem::TargetTooLong));
    assert_eq!(too_large(head(65_534).as_bytes(), wide), None);
    assert_eq!(too_large(head(65_535).as_bytes(), wide), Some(Problem::TargetTooLong));
    let name = format!("GET / HTTP/1.1\r\n{}: a\r\n\r\n", "x".repeat(65_536));
    assert_eq!(too_large(name.as_bytes(), wide), Some(Problem::HeadersTooLarge));
}

#[test]
fn another_protocol_is_refused_at_once() {
    let refusal = Some(GuardRefusal::Head(Malformed::RequestLine.into()));
    assert_eq!(guard_pieces([&b"\x80"[..]], LIMITS).1, refusal);
    assert_eq!(
        guard_pieces([&b"\x16\x03"[..]], LIMITS).1,
        Some(GuardRefusal::Head(Malformed::ControlCharacter.into()))
    );
}

#[test]
fn a_head_begins_with_the_first_byte_after_empty_lines() {
    let mut guard = Guard::new(LIMITS);
    for (shown, begun) in [(&b""[..], false), (b"\r", false), (b"\r\n", false), (b"\r\nG", true)] {
        guard.advance(shown);
        assert_eq!(guard.is_in_head(), begun);
    }
    assert_eq!(
        guard.advance(b"\r\nGET / HTTP/1.1\r\ncontent-length: 1\r\n\r\n").end,
        39
    );
    assert_eq!(
        (guard.is_in_head(), guard.is_in_body(), guard.heads()),
        (false, true, 1)
    );
}

/// What a head costs. Run by hand: `cargo test --profile fast -p lockgate-gateway guard -- --ignored --nocapture`
#[test]
#[ignore = "measures"]
fn cost_of_a_head() {
    let head = b"GET /api/v1/items?page=2 HTTP/1.1\r\nhost: gateway.example:8080\r\nuser-agent: wrk/4.2.0\r\naccept: */*\r\naccept-encoding: gzip\r\nx-request-id: 0123456789\r\n\r\n";
    let mut guard = Guard::new(LIMITS);
    let rounds = 100_000u32;
    let batch = || {
        let begun = std::time::Instant::now();
        for _ in 0..rounds {
            assert_eq!(guard.advance(std::hint::black_box(head)).end, head.len());
        }
        begun.elapsed() / rounds
    };
    let fastest = std::iter::repeat_with(batch).take(50).min();
    println!("{} bytes: {fastest:?}", head.len());
}
