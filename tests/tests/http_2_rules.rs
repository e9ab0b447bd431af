//! HTTP/2 requests are held to the rules of HTTP/1, also where the HTTP library would repair them in silence.

use lockgate_tests::frames::{END_HEADERS, END_STREAM, GOAWAY, HEADERS, PING, WHOLE, connect, fields, frame, frames};
use lockgate_tests::{Gateway, Upstream};
use serde_json::json;
use std::time::{Duration, Instant};

const ACK: u8 = 1;
const ENHANCE_YOUR_CALM: u8 = 11;

fn gateway(upstream: &Upstream) -> Gateway {
    Gateway::start(json!({
        "listeners": { "web": { "limits": { "headers": 20, "header_timeout": "500ms" } } },
        "upstreams": { "app": { "endpoints": [upstream.address().to_string()] } },
    }))
}

/// Whether the connection ended because of too much of something.
fn is_calmed(seen: &[(u8, u32, Vec<u8>)]) -> bool {
    seen.iter()
        .any(|(kind, _, payload)| *kind == GOAWAY && payload.get(7) == Some(&ENHANCE_YOUR_CALM))
}

#[test]
fn what_http_1_refuses_is_refused() {
    let upstream = Upstream::fixed("the answer");
    let gateway = gateway(&upstream);
    let many: Vec<(String, &str)> = (0..21).map(|nth| (format!("x-{nth}"), "1")).collect();
    let many: Vec<(&str, &str)> = many.iter().map(|(name, value)| (name.as_str(), *value)).collect();
    let path = |path| vec![WHOLE[0], WHOLE[1], (":path", path), WHOLE[3]];
    let with = |more: &[(&'static str, &'static str)]| [WHOLE.as_slice(), more].concat();
    let host = |host| vec![WHOLE[0], WHOLE[1], WHOLE[2], (":authority", host)];
    for (what, request) in [
        ("a fragment", path("/a#b")),
        ("a fragment behind a query", path("/a?b#c")),
        ("a blank before a value", with(&[("x-env", " internal")])),
        ("a tab after a value", with(&[("x-env", "internal\t")])),
        ("a host with an empty label", host("acl.test..")),
        ("a host that begins with a dot", host(".acl.test")),
        ("an overlong slash", path("/a%c0%afb")),
        ("too many fields", [WHOLE.as_slice(), &many].concat()),
    ] {
        let mut wire = connect(&gateway);
        wire.write(frame(HEADERS, END_STREAM | END_HEADERS, 1, &fields(&request)))
            .expect("the gateway reads");
        drop(frames(&mut wire, Duration::from_secs(2)));
        assert_eq!(upstream.requests().len(), 0, "{what}: sent on");
    }
    // A cookie may come in pieces.
    let cookies = vec![("cookie", "a=1"); 40];
    let mut wire = connect(&gateway);
    let block = fields(&[WHOLE.as_slice(), &cookies].concat());
    wire.write(frame(HEADERS, END_STREAM | END_HEADERS, 1, &block))
        .expect("the gateway reads");
    drop(frames(&mut wire, Duration::from_secs(2)));
    assert_eq!(upstream.requests().len(), 1);
}

#[test]
fn a_pseudo_header_in_trailers_breaks_the_request() {
    let upstream = Upstream::fixed("the answer");
    let gateway = gateway(&upstream);
    let post = fields(&[(":method", "POST"), WHOLE[1], WHOLE[2], WHOLE[3]]);
    let mut wire = connect(&gateway);
    let whole = [
        frame(HEADERS, END_HEADERS, 1, &post),
        frame(0, 0, 1, b"data"),
        frame(HEADERS, END_HEADERS | END_STREAM, 1, &fields(&[(":path", "/admin")])),
    ];
    wire.write(whole.concat()).expect("the gateway reads");
    drop(frames(&mut wire, Duration::from_secs(2)));
    assert!(
        upstream
            .requests()
            .iter()
            .all(|seen| seen.ending == lockgate_tests::http::Ending::Cut),
        "sent on as a whole request"
    );
}

#[test]
fn a_head_that_does_not_end_ends_the_connection() {
    let upstream = Upstream::fixed("the answer");
    let gateway = gateway(&upstream);
    let mut wire = connect(&gateway);
    wire.write(frame(HEADERS, END_STREAM, 1, &fields(&WHOLE)))
        .expect("the gateway reads");
    let begun = Instant::now();
    assert!(is_calmed(&frames(&mut wire, Duration::from_secs(5))));
    assert!(begun.elapsed() < Duration::from_secs(3), "{:?}", begun.elapsed());
}

#[test]
fn answers_to_pings_that_were_never_sent_end_the_connection_and_fill_no_log() {
    let upstream = Upstream::fixed("the answer");
    let gateway = gateway(&upstream);
    let before = gateway.log().len();
    let mut wire = connect(&gateway);
    // The gateway may close before all of them are written.
    let _ = wire.write(frame(PING, ACK, 0, &[0; 8]).repeat(5000));
    let seen = frames(&mut wire, Duration::from_secs(3));
    assert!(is_calmed(&seen), "{seen:?}");
    assert!(gateway.log().len() - before < 10, "{:?}", gateway.log());
}
