//! Clients that stop in the middle: they read nothing, open no window, send half a body. None of them holds others, and none is waited
//! for without end.

use lockgate_tests::frames::{END_HEADERS, END_STREAM, HEADERS, RST_STREAM, WHOLE, connect, fields, frame, parsed};
use lockgate_tests::http::Ending;
use lockgate_tests::upstream::eventually;
use lockgate_tests::{Gateway, Upstream, Wire, get};
use serde_json::{Value, json};
use std::io;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering::SeqCst};
use std::time::{Duration, Instant};

const DATA: u8 = 0;
const SETTINGS: u8 = 4;
const WINDOW_UPDATE: u8 = 8;

/// Answers every request with 64 MiB, and counts the answers that are being written.
fn endless(open: &Arc<AtomicUsize>) -> Upstream {
    let open = open.clone();
    Upstream::raw(move |wire| {
        while wire.head()?.is_some() {
            open.fetch_add(1, SeqCst);
            let written = write_large(wire);
            open.fetch_sub(1, SeqCst);
            written?;
        }
        Ok(())
    })
}

fn write_large(wire: &mut Wire) -> io::Result<()> {
    wire.write(format!("HTTP/1.1 200 OK\r\ncontent-length: {}\r\n\r\n", 64 << 20))?;
    let piece = vec![b'x'; 1 << 16];
    (0..1024).try_for_each(|_| wire.write(&piece))
}

fn gateway(upstream: &Upstream, route: Value, limits: Value) -> Gateway {
    let mut route = route;
    route["name"] = json!("all");
    route["upstream"] = json!("app");
    Gateway::start(json!({
        "listeners": { "web": { "limits": limits } },
        "upstreams": { "app": { "endpoints": [upstream.address().to_string()] } },
        "routes": [route],
    }))
}

fn upstream_is_released(open: &AtomicUsize) {
    eventually("the answer begins", Duration::from_secs(5), || open.load(SeqCst) > 0);
    eventually("the upstream's connection ends", Duration::from_secs(8), || {
        open.load(SeqCst) == 0
    });
}

#[test]
fn a_client_that_reads_nothing_is_reset_when_the_route_s_time_is_over() {
    for chain in [
        json!([]),
        json!([{ "module": "headers", "config": { "response": { "set": { "x-a": "1" } } } }]),
    ] {
        let open = Arc::default();
        let upstream = endless(&open);
        let gateway = gateway(&upstream, json!({ "timeout": "1s", "chain": chain }), json!({}));
        let mut wire = gateway.connect();
        wire.write(get("/").bytes()).expect("the gateway reads");
        upstream_is_released(&open);
        eventually("the client's connection is closed", Duration::from_secs(3), || {
            gateway.metrics().sum("lockgate_connections", &[]) == 0.0
        });
        assert!(wire.rest().expect("a reset ends it").len() < 64 << 20);
    }
}

#[test]
fn a_client_that_reads_nothing_is_reset_after_the_write_timeout() {
    let open = Arc::default();
    let upstream = endless(&open);
    let gateway = gateway(&upstream, json!({}), json!({ "write_timeout": "1s" }));
    let mut wire = gateway.connect();
    wire.write(get("/").bytes()).expect("the gateway reads");
    upstream_is_released(&open);
}

#[test]
fn a_stream_whose_window_stays_closed_is_reset() {
    for (route, limits) in [
        (json!({ "timeout": "1s" }), json!({})),
        (json!({}), json!({ "write_timeout": "1s" })),
    ] {
        let open = Arc::default();
        let upstream = endless(&open);
        let gateway = gateway(&upstream, route, limits);
        let mut wire = connect(&gateway);
        wire.write(frame(HEADERS, END_STREAM | END_HEADERS, 1, &fields(&WHOLE)))
            .expect("the gateway reads");
        upstream_is_released(&open);
        let mut bytes = Vec::new();
        let until = Instant::now() + Duration::from_secs(3);
        let mut buffer = [0; 65536];
        while !parsed(&bytes)
            .iter()
            .any(|(kind, stream, _)| *kind == RST_STREAM && *stream == 1)
        {
            assert!(Instant::now() < until, "no reset of the stream");
            let read = wire.some(&mut buffer).expect("the connection goes on");
            bytes.extend(&buffer[..read]);
        }
    }
}

/// The client opens all windows, asks 250 times, and reads nothing.
#[test]
fn what_a_connection_with_250_streams_holds_is_bounded() {
    let open = Arc::default();
    let upstream = endless(&open);
    let gateway = gateway(&upstream, json!({}), json!({}));
    let before = gateway.memory().now;
    let mut wire = connect(&gateway);
    let widest = 0x7fff_ffff_u32.to_be_bytes();
    wire.write(frame(SETTINGS, 0, 0, &[&[0, 4][..], &widest].concat()))
        .and_then(|()| wire.write(frame(WINDOW_UPDATE, 0, 0, &(0x7fff_ffff_u32 - 65535).to_be_bytes())))
        .expect("the gateway reads");
    for nth in 0..250 {
        wire.write(frame(HEADERS, END_STREAM | END_HEADERS, 2 * nth + 1, &fields(&WHOLE)))
            .expect("the gateway reads");
    }
    eventually("all streams have begun", Duration::from_secs(20), || {
        open.load(SeqCst) >= 250
    });
    std::thread::sleep(Duration::from_secs(2));
    let held = gateway.memory().now.saturating_sub(before);
    println!("250 streams hold {} KiB", held >> 10);
    assert!(held < 32 << 20, "{} MiB", held >> 20);
}

#[test]
fn a_stream_that_is_reset_before_its_end_is_no_whole_request_whatever_the_reason() {
    let upstream = Upstream::fixed("the answer");
    let gateway = gateway(&upstream, json!({}), json!({}));
    let post = fields(&[(":method", "POST"), WHOLE[1], WHOLE[2], WHOLE[3]]);
    let mut wire = connect(&gateway);
    wire.write(frame(HEADERS, END_HEADERS, 1, &post))
        .expect("the gateway reads");
    wire.write(frame(DATA, 0, 1, b"half of it")).expect("the gateway reads");
    eventually("the upload has begun", Duration::from_secs(5), || upstream.begun() == 1);
    wire.write(frame(RST_STREAM, 0, 1, &[0; 4])).expect("the gateway reads");
    eventually("the upload ends", Duration::from_secs(5), || {
        upstream.requests().len() == 1
    });
    assert_eq!(upstream.last_request().ending, Ending::Cut);
}

#[test]
fn a_cut_body_ends_in_a_reset_for_a_client_that_could_take_a_close_for_its_end() {
    let upstream = Upstream::saying("HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n5\r\nfirst\r\n9\r\nhal");
    let gateway = gateway(&upstream, json!({}), json!({}));
    let mut wire = gateway.connect();
    wire.write("GET / HTTP/1.0\r\nHost: a\r\n\r\n")
        .expect("the gateway reads");
    let mut buffer = [0; 4096];
    let error = loop {
        match wire.some(&mut buffer) {
            Ok(0) => panic!("a clean close"),
            Ok(_) => {}
            Err(error) => break error,
        }
    };
    assert_eq!(error.kind(), io::ErrorKind::ConnectionReset);
}

#[test]
fn a_client_that_stops_in_its_body_gets_408_and_never_the_upstream_s_504() {
    let upstream = Upstream::fixed("the answer");
    for (route, limits) in [
        (json!({ "timeout": "500ms" }), json!({})),
        (json!({}), json!({ "body_timeout": "500ms" })),
    ] {
        let gateway = gateway(&upstream, route, limits);
        let mut wire = gateway.connect();
        wire.write("POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 10\r\n\r\nhalf")
            .expect("the gateway reads");
        let response = wire.response("POST").expect("an answer");
        assert_eq!((response.status(), response.header("connection")), (408, Some("close")));
    }
}

#[test]
fn an_upstream_that_is_silent_is_504_and_one_that_goes_on_is_not_cut() {
    let upstream = Upstream::raw(|wire| {
        while let Some(head) = wire.head()? {
            if head.target() == "/silent" {
                std::thread::sleep(Duration::from_secs(3));
                return Ok(());
            }
            wire.write("HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n")?;
            for _ in 0..6 {
                wire.write("1\r\nx\r\n")?;
                std::thread::sleep(Duration::from_millis(300));
            }
            if head.target() == "/rests" {
                std::thread::sleep(Duration::from_secs(3));
            }
            wire.write("0\r\n\r\n")?;
        }
        Ok(())
    });
    let gateway = Gateway::start(json!({
        "upstreams": { "app": { "endpoints": [upstream.address().to_string()], "timeouts": { "first_byte": "700ms", "idle": "900ms" } } },
    }));
    assert_eq!(gateway.get("/silent").status(), 504);
    let whole = gateway.get("/stream");
    assert_eq!(
        (whole.status(), whole.text().len(), whole.ending),
        (200, 6, Ending::Whole)
    );
    let cut = gateway.get("/rests");
    assert_eq!((cut.status(), cut.ending), (200, Ending::Cut));
}
