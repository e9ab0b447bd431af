//! Bodies: large ones go through a chain without being kept, in both directions; who is slow slows down the other side; limits hold.

use lockgate_tests::Wire;
use lockgate_tests::http::{Ending, Message};
use lockgate_tests::upstream::eventually;
use lockgate_tests::{Gateway, Upstream, get, post, request};
use serde_json::{Value, json};
use std::io::Write;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering::Relaxed};
use std::thread;
use std::time::{Duration, Instant};

const GIB: u64 = 1 << 30;

/// The length of the pattern that fills large bodies: a prime, so that nothing lost, doubled or moved goes unseen.
const PERIOD: usize = 65_521;

/// The pattern, with a number added to each byte.
fn pattern(add: u8) -> Vec<u8> {
    (0..PERIOD)
        .map(|nth| ((nth * 31 + (nth >> 8)) as u8).wrapping_add(add))
        .collect()
}

/// Compares what comes with the pattern, byte for byte.
struct Expected {
    pattern: Vec<u8>,
    length: u64,
}

impl Expected {
    fn new(add: u8) -> Self {
        Self {
            pattern: pattern(add),
            length: 0,
        }
    }

    fn check(&mut self, mut bytes: &[u8]) {
        while !bytes.is_empty() {
            let at = (self.length % PERIOD as u64) as usize;
            let (now, later) = bytes.split_at(bytes.len().min(PERIOD - at));
            assert!(
                now == &self.pattern[at..at + now.len()],
                "the bytes after {} are not those that were sent",
                self.length
            );
            self.length += now.len() as u64;
            bytes = later;
        }
    }
}

fn write_pattern(wire: &mut Wire, length: u64) -> std::io::Result<()> {
    let pattern = pattern(0);
    let mut left = length;
    while left > 0 {
        let part = left.min(PERIOD as u64);
        wire.write(&pattern[..part as usize])?;
        left -= part;
    }
    Ok(())
}

fn head(wire: &mut Wire) -> std::io::Result<Message> {
    wire.head()?.ok_or_else(|| std::io::ErrorKind::UnexpectedEof.into())
}

/// Two plugins that add 1 and 2 to every byte of both bodies.
fn adding(upstream: &Upstream) -> Value {
    json!({
        "listeners": { "web": { "trailers": ["x-last"] } },
        "upstreams": { "app": { "endpoints": [upstream.address().to_string()] } },
        "plugins": { "one": { "module": "adder", "config": "1" }, "two": { "module": "adder", "config": "2" } },
        "global_chain": ["one", "two"],
    })
}

#[test]
fn a_gibibyte_each_way_goes_through_two_plugins_in_a_hundred_megabytes() {
    let upstream = Upstream::raw(|wire| {
        let request = head(wire)?;
        if request.method() == "POST" {
            let mut expected = Expected::new(3);
            wire.stream_body(&request, |bytes| expected.check(bytes))?;
            let told = expected.length.to_string();
            return wire.write(format!(
                "HTTP/1.1 200 OK\r\ncontent-length: {}\r\n\r\n{told}",
                told.len()
            ));
        }
        wire.write(format!("HTTP/1.1 200 OK\r\ncontent-length: {GIB}\r\n\r\n"))?;
        write_pattern(wire, GIB)
    });
    let gateway = Gateway::start(adding(&upstream));

    let started = Instant::now();
    let mut wire = gateway.connect();
    wire.write(format!("POST / HTTP/1.1\r\nhost: a\r\ncontent-length: {GIB}\r\n\r\n"))
        .expect("the gateway reads");
    write_pattern(&mut wire, GIB).expect("the gateway reads");
    let answer = wire.response("POST").expect("an answer comes");
    let told: Vec<u8> = GIB.to_string().bytes().map(|byte| byte.wrapping_add(3)).collect();
    assert_eq!(
        (answer.status(), answer.body),
        (200, told),
        "the upstream has received all of it, as it was sent"
    );
    let up = started.elapsed();

    let mut wire = gateway.connect();
    wire.write(get("/").bytes()).expect("the gateway reads");
    let answer = head(&mut wire).expect("an answer comes");
    let mut expected = Expected::new(3);
    wire.stream_body(&answer, |bytes| expected.check(bytes))
        .expect("the body is whole");
    assert_eq!(expected.length, GIB);

    let peak = gateway.memory().peak;
    println!(
        "1 GiB up in {up:?}, down in {:?}, {} MB at most",
        started.elapsed() - up,
        peak / 1_000_000
    );
    assert!(peak < 100_000_000, "the gateway has held {peak} bytes");
}

#[test]
fn a_client_that_stops_reading_stops_the_upstream() {
    let written = Arc::new(AtomicU64::new(0));
    let counter = written.clone();
    let upstream = Upstream::raw(move |wire| {
        head(wire)?;
        wire.write("HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n")?;
        let chunk = [b"10000\r\n".as_slice(), &[b'x'; 0x10000], b"\r\n"].concat();
        loop {
            wire.write(&chunk)?;
            counter.fetch_add(0x10000, Relaxed);
        }
    });
    let gateway = Gateway::start(adding(&upstream));
    let mut wire = gateway.connect();
    wire.write(get("/").bytes()).expect("the gateway reads");
    head(&mut wire).expect("an answer comes");
    let standstill = stops_growing(&written);
    assert!(
        standstill < 32 << 20,
        "{standstill} bytes were taken from the upstream for a client that reads none"
    );
    let memory = gateway.memory().now;
    assert!(memory < 100_000_000, "the gateway holds {memory} bytes");
    let mut read = 0;
    let mut buffer = [0; 65536];
    while read < 64 << 20 {
        read += wire.some(&mut buffer).expect("the answer goes on");
    }
    assert!(
        written.load(Relaxed) > standstill,
        "the upstream goes on when the client does"
    );
}

#[test]
fn an_upstream_that_stops_reading_stops_the_client() {
    let go_on = Arc::new(AtomicBool::new(false));
    let gate = go_on.clone();
    let upstream = Upstream::raw(move |wire| {
        let request = head(wire)?;
        while !gate.load(Relaxed) {
            thread::sleep(Duration::from_millis(5));
        }
        let mut expected = Expected::new(3);
        wire.stream_body(&request, |bytes| expected.check(bytes))?;
        wire.write("HTTP/1.1 204 No Content\r\n\r\n")
    });
    let gateway = Gateway::start(adding(&upstream));
    let length = 128 << 20;
    let mut wire = gateway.connect();
    wire.write(format!(
        "POST / HTTP/1.1\r\nhost: a\r\ncontent-length: {length}\r\n\r\n"
    ))
    .expect("the gateway reads");
    let written = Arc::new(AtomicU64::new(0));
    let (counter, mut socket) = (
        written.clone(),
        wire.socket().try_clone().expect("a socket can be shared"),
    );
    let writer = thread::spawn(move || {
        let pattern = pattern(0);
        while counter.load(Relaxed) < length {
            let part = (length - counter.load(Relaxed)).min(PERIOD as u64);
            socket
                .write_all(&pattern[..part as usize])
                .expect("the gateway reads in the end");
            counter.fetch_add(part, Relaxed);
        }
    });
    let standstill = stops_growing(&written);
    assert!(
        standstill < 32 << 20,
        "{standstill} bytes were taken from the client for an upstream that reads none"
    );
    go_on.store(true, Relaxed);
    assert_eq!(wire.response("POST").expect("an answer comes").status(), 204);
    writer.join().expect("all has been written");
}

/// The count once it has not moved for a while.
fn stops_growing(count: &AtomicU64) -> u64 {
    let mut last = (count.load(Relaxed), Instant::now());
    eventually("it comes to a standstill", Duration::from_secs(10), || {
        let now = count.load(Relaxed);
        if now != last.0 || now == 0 {
            last = (now, Instant::now());
        }
        last.1.elapsed() > Duration::from_millis(500)
    });
    last.0
}

/// The conformance guest holds the whole body back in this case.
fn gathering(upstream: &Upstream) -> Gateway {
    Gateway::start(json!({
        "listeners": { "web": { "trailers": ["x-last"] } },
        "upstreams": { "app": { "endpoints": [upstream.address().to_string()] } },
        "plugins": { "gatherer": { "module": "conformance", "limits": { "body": "64KiB" } } },
        "global_chain": ["gatherer"],
    }))
}

#[test]
fn a_buffered_request_body_over_the_limit_is_413() {
    let upstream = Upstream::fixed("the answer");
    let gateway = gathering(&upstream);
    let small = post("/", vec![b'x'; 60 * 1024]).header("x-case", "body.gather");
    assert_eq!(gateway.send(small).status(), 200);
    let large = post("/", vec![b'x'; 512 * 1024]).header("x-case", "body.gather");
    let response = gateway.send(large);
    assert_eq!(
        (response.status(), response.header("content-type")),
        (413, Some("application/problem+json"))
    );
    let passed = post("/", vec![b'x'; 512 * 1024]).header("x-case", "body.watch");
    assert_eq!(
        gateway.send(passed).status(),
        200,
        "a body that is not held back has no limit"
    );
}

#[test]
fn a_buffered_response_body_over_the_limit_is_502() {
    let upstream = Upstream::scripted(|request, wire| {
        lockgate_tests::upstream::answer(
            wire,
            200,
            &[],
            vec![
                b'x';
                if request.target() == "/large" {
                    512 * 1024
                } else {
                    60 * 1024
                }
            ],
        )
    });
    let gateway = gathering(&upstream);
    assert_eq!(
        gateway.send(get("/small").header("x-case", "body.gather")).body.len(),
        60 * 1024
    );
    let response = gateway.send(get("/large").header("x-case", "body.gather"));
    assert_eq!(
        (response.status(), response.header("content-type")),
        (502, Some("application/problem+json"))
    );
    assert_eq!(
        gateway.send(get("/large").header("x-case", "body.watch")).body.len(),
        512 * 1024
    );
}

#[test]
fn bodies_changed_by_a_plugin_arrive_complete_with_and_without_length() {
    let upstream = Upstream::echo();
    let gateway = gathering(&upstream);
    let by_length = gateway.send(post("/", "0123456789").header("x-case", "body.replace"));
    assert_eq!(
        (by_length.ending, by_length.text().as_str()),
        (Ending::Whole, "replaced by the guest")
    );
    let chunked = request("POST", "/")
        .chunks(&["01234", "56789"], &[("x-last", "1")])
        .header("trailer", "x-last")
        .header("x-case", "body.watch");
    let seen = gateway.send(chunked).json();
    assert_eq!(
        (&seen["body"], &seen["trailers"]),
        (&json!("0123456789"), &json!([["x-last", "1"]]))
    );
    assert_eq!(upstream.requests()[0].text(), "replaced by the guest");
}

#[test]
fn trailers_pass_in_both_directions() {
    let upstream = Upstream::scripted(|_, wire| {
        lockgate_tests::upstream::answer_chunked(wire, &[("trailer", "x-sum")], &["a", "b"], &[("x-sum", "ab")])
    });
    let gateway = Gateway::start(adding(&upstream));
    let response = gateway.send(
        request("POST", "/")
            .header("te", "trailers")
            .header("trailer", "x-last")
            .chunks(&["some"], &[("x-last", "1")]),
    );
    assert_eq!(response.trailers, [("x-sum".to_string(), "ab".to_string())]);
    assert_eq!(
        upstream.last_request().trailers,
        [("x-last".to_string(), "1".to_string())]
    );
}

#[test]
fn chunks_pass_as_they_arrive() {
    let (release, gate) = std::sync::mpsc::channel::<()>();
    let gate = std::sync::Mutex::new(gate);
    let upstream = Upstream::scripted(move |_, wire| {
        wire.write("HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n5\r\nfirst\r\n")?;
        gate.lock().expect("one request at a time").recv().ok();
        wire.write("4\r\nlast\r\n0\r\n\r\n")?;
        Ok(lockgate_tests::upstream::Then::KeepAlive)
    });
    let gateway = Gateway::start(adding(&upstream));
    let mut wire = gateway.connect();
    wire.write(get("/").bytes()).expect("the gateway reads");
    head(&mut wire).expect("the head comes before the body's end");
    let mut buffer = [0; 1024];
    let mut seen: Vec<u8> = Vec::new();
    while !seen.windows(5).any(|part| part == b"iluvw") {
        let read = wire
            .some(&mut buffer)
            .expect("the first chunk comes before the last is written");
        seen.extend(&buffer[..read]); // "first", with 3 added to each byte
    }
    release.send(()).expect("the upstream waits");
}

#[test]
fn expect_100_continue_is_answered() {
    let upstream = Upstream::echo();
    let gateway = Gateway::start(json!({ "upstreams": { "app": { "endpoints": [upstream.address().to_string()] } } }));
    let mut wire = gateway.connect();
    wire.write("POST / HTTP/1.1\r\nhost: a\r\nexpect: 100-continue\r\ncontent-length: 4\r\n\r\n")
        .expect("the gateway reads");
    let interim = head(&mut wire).expect("an interim answer comes before the body is sent");
    assert_eq!(interim.status(), 100);
    wire.write("body").expect("the gateway reads");
    assert_eq!(wire.response("POST").expect("an answer comes").json()["body"], "body");
}

#[test]
fn a_local_response_after_the_head_was_sent_resets_the_stream() {
    let (go_on, may_go_on) = std::sync::mpsc::channel::<()>();
    let gate = std::sync::Mutex::new(may_go_on);
    let upstream = Upstream::raw(move |wire| {
        head(wire)?;
        wire.write("HTTP/1.1 200 OK\r\ncontent-length: 6\r\n\r\nabc")?;
        let gate = gate.lock().expect("one request at a time");
        gate.recv_timeout(Duration::from_secs(10))
            .expect("the client has the head");
        wire.write("def")
    });
    let gateway = Gateway::start(json!({
        "upstreams": { "app": { "endpoints": [upstream.address().to_string()] } },
        "plugins": { "late": { "module": "raw" } },
        "global_chain": ["late"],
    }));
    let script = "@response_body#2 ; send_local_response 418 '' 'a teapot' {} -1";
    let request = get("/").header("x-token", "late").header("x-script", script);
    let mut wire = gateway.connect();
    wire.write(request.bytes()).expect("the gateway reads");
    let answer = head(&mut wire).expect("the head comes while the body is on its way");
    assert_eq!((answer.status(), answer.header("content-length")), (200, None));
    go_on.send(()).expect("the upstream waits");
    let mut rest = Vec::new();
    // An end or a reset: there is no more to read.
    let mut buffer = [0; 256];
    while let Ok(read @ 1..) = wire.some(&mut buffer) {
        rest.extend_from_slice(&buffer[..read]);
    }
    let rest = String::from_utf8_lossy(&rest);
    assert!(rest.contains("abc"), "{rest}");
    assert!(
        !rest.contains("def") && !rest.contains("teapot") && !rest.ends_with("0\r\n\r\n"),
        "{rest}"
    );
    let report = gateway.send(get("/").header("x-report", "late")).text();
    assert!(
        report.contains("send_local_response 418 '' 'a teapot' {} -1 = 0"),
        "{report}"
    );
}
