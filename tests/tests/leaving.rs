//! Upstreams that leave: HTTP/2 connections that say goodbye behind each five requests and reload again and again, HTTP/1.1 connections
//! that close behind a response or send what nobody asked for. No request is lost that another connection could answer, and each
//! answer is that to its own request.
//!
//! `LEAVING_REQUESTS=100000 cargo test -p lockgate-tests --test leaving` sends that many requests to each.

#[path = "../../host/client/tests/client/h2_peer.rs"]
#[allow(
    dead_code,
    reason = "the peer is shared with the tests of host/client, which use all of it"
)]
mod h2_peer;

use h2_peer::{
    DATA, END_HEADERS, END_STREAM, H2Peer, HEADERS, Reply, STATUS_200, Seen, frame, goaway, reset, response,
};
use lockgate_tests::http::Ending;
use lockgate_tests::upstream::eventually;
use lockgate_tests::{Gateway, Upstream, Wire, get, post};
use serde_json::json;
use std::cell::RefCell;
use std::collections::HashMap;
use std::io;
use std::net::{Shutdown, SocketAddr};
use std::sync::atomic::{AtomicUsize, Ordering::SeqCst};
use std::sync::{Arc, Mutex, mpsc};
use std::thread;
use std::time::{Duration, Instant};

const CLIENTS: usize = 8;

/// The requests that are sent to each upstream.
fn requests() -> usize {
    let asked = std::env::var("LEAVING_REQUESTS").ok();
    asked.map_or(4_000, |number| number.parse().expect("LEAVING_REQUESTS is a number"))
}

fn gateway(address: SocketAddr, protocol: &str) -> Gateway {
    Gateway::start(json!({
        "workers": 2,
        "upstreams": { "app": { "endpoints": [address.to_string()], "protocol": protocol } },
    }))
}

/// Sends GET and POST in turn over keep-alive connections and counts the answers that are not those of their requests.
fn failures(gateway: &Gateway, requests: usize, pause: Option<Duration>) -> Vec<String> {
    let failures = Mutex::new(Vec::new());
    let next = AtomicUsize::new(0);
    thread::scope(|scope| {
        for _ in 0..CLIENTS {
            scope.spawn(|| {
                let mut wire = gateway.connect();
                loop {
                    let number = next.fetch_add(1, SeqCst);
                    if number >= requests {
                        return;
                    }
                    if let Err(failure) = send(&mut wire, number) {
                        failures.lock().expect("no panic while holding it").push(failure);
                        wire = gateway.connect();
                    }
                    // Now and then connections rest, and are closed meanwhile.
                    if let Some(pause) = pause.filter(|_| number % 97 < CLIENTS) {
                        thread::sleep(pause);
                    }
                }
            });
        }
    });
    failures.into_inner().expect("no panic while holding it")
}

fn send(wire: &mut Wire, number: usize) -> Result<(), String> {
    let body = match number % 2 {
        0 => String::new(),
        _ => format!("{number} ").repeat(1 + number % 11 * 150),
    };
    let request = match body.is_empty() {
        true => get("/"),
        false => post("/", &body),
    };
    let answer = wire.exchange(&request).map_err(|error| format!("{number}: {error}"))?;
    match (answer.status(), answer.text() == body) {
        (200, true) => Ok(()),
        (status, _) => Err(format!("{number}: {status} {:.60}", answer.text())),
    }
}

/// A raw HTTP/2 upstream on a thread of its own, with the replies that are made there.
fn raw_http2<R: Fn(&Seen) -> Reply + 'static>(replies: impl FnOnce() -> R + Send + 'static) -> SocketAddr {
    let (tell, told) = mpsc::channel();
    thread::spawn(move || {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
        tokio::task::LocalSet::new().block_on(&runtime.expect("a runtime"), async move {
            let peer = H2Peer::new(&[], |_| true, replies()).await;
            tell.send(peer.address).expect("the test waits for it");
            std::future::pending::<()>().await;
        });
    });
    told.recv().expect("the upstream is up")
}

/// An HTTP/2 upstream that echoes. Each connection processes five requests and ignores what comes behind them; every 100 ms all
/// connections that are open process nothing more, and say so when they are asked.
fn http2_upstream() -> SocketAddr {
    raw_http2(|| {
        let begin = Instant::now();
        let epoch = move || begin.elapsed().as_millis() / 100;
        let (born, last) = (RefCell::new(HashMap::new()), RefCell::new(HashMap::<usize, u32>::new()));
        move |seen: &Seen| {
            let is_old = *born.borrow_mut().entry(seen.connection).or_insert_with(epoch) != epoch();
            let mut last = last.borrow_mut();
            let last = last.entry(seen.connection).or_insert(9);
            let mut reply = Reply::default();
            if !seen.has_ended || seen.body.is_empty() {
                if is_old && *last == 9 && seen.stream < 9 {
                    *last = seen.stream.saturating_sub(2);
                    reply.bytes.extend(goaway(i32::MAX as u32));
                    reply.bytes.extend(goaway(*last));
                } else if seen.stream == 9 && *last == 9 {
                    reply.bytes.extend(goaway(9));
                }
            }
            if seen.has_ended && seen.stream <= *last {
                reply.bytes.extend(response(seen.stream, &seen.body));
            }
            reply
        }
    })
}

#[test]
fn goaways_and_reloads_of_an_http2_upstream_cost_no_request() {
    let gateway = gateway(http2_upstream(), "http2");
    let failures = failures(&gateway, requests(), Some(Duration::from_millis(120)));
    assert!(
        failures.is_empty(),
        "{} failures: {:?}",
        failures.len(),
        &failures[..failures.len().min(5)]
    );
}

/// Echoes five requests on each connection, and does what follows.
fn http1_upstream(then: impl Fn(&mut Wire) -> io::Result<()> + Send + Sync + 'static) -> Upstream {
    Upstream::raw(move |wire| {
        for _ in 0..5 {
            let Some(request) = wire.request()? else { return Ok(()) };
            let mut out = format!("HTTP/1.1 200 OK\r\ncontent-length: {}\r\n\r\n", request.body.len()).into_bytes();
            out.extend(&request.body);
            wire.write(out)?;
        }
        then(wire)
    })
}

#[test]
fn closes_behind_a_response_cost_no_request() {
    // A request that comes between the last response and the close is the endpoint's: nobody else knows what has become of it.
    let received = Arc::new(AtomicUsize::new(0));
    let count = Arc::clone(&received);
    let upstream = http1_upstream(move |wire| {
        wire.socket().shutdown(Shutdown::Write)?;
        if !wire.rest()?.is_empty() {
            count.fetch_add(1, SeqCst);
        }
        Ok(())
    });
    let gateway = gateway(upstream.address(), "http1");
    let failures = failures(&gateway, requests(), Some(Duration::from_millis(20)));
    let received = received.load(SeqCst);
    assert!(
        failures.len() <= received,
        "{} failures, {received} received: {:?}",
        failures.len(),
        &failures[..failures.len().min(5)]
    );
    assert!(received <= requests() / 100, "{received} requests met a close");
}

#[test]
fn planted_bytes_reach_no_client() {
    let planted = Arc::new(AtomicUsize::new(0));
    let count = Arc::clone(&planted);
    let upstream = http1_upstream(move |wire| {
        wire.write(b"HTTP/1.1 200 OK\r\ncontent-length: 4\r\n\r\nevil")?;
        count.fetch_add(1, SeqCst);
        wire.rest().map(drop)
    });
    let gateway = gateway(upstream.address(), "http1");
    let mut wire = gateway.connect();
    for number in 0..requests() / 4 {
        if number % 5 == 0 {
            // Behind a request, nobody could tell them from its answer.
            let before = number / 5;
            eventually("the bytes are planted", Duration::from_secs(5), || {
                planted.load(SeqCst) == before
            });
        }
        assert_eq!(send(&mut wire, number), Ok(()));
    }
    assert_eq!(upstream.connections(), requests() / 4 / 5);
}

#[test]
fn a_body_that_a_reset_cuts_is_passed_on_as_cut_and_not_cached() {
    // `cache-control: max-age=60`.
    const FRESH: &[u8] = b"\x0f\x09\x0amax-age=60";
    let address = raw_http2(|| {
        let asked = AtomicUsize::new(0);
        move |seen: &Seen| {
            let head = frame(HEADERS, END_HEADERS, seen.stream, &[STATUS_200, FRESH].concat());
            let half = frame(DATA, 0, seen.stream, b"half");
            match asked.fetch_add(1, SeqCst) {
                0 => [head, half, reset(seen.stream, 0)].concat().into(),
                1 => [head, half, reset(seen.stream, 8)].concat().into(),
                2 => Reply {
                    bytes: [head, half, goaway(seen.stream)].concat(),
                    closes: true,
                },
                _ => [head, frame(DATA, END_STREAM, seen.stream, b"whole")].concat().into(),
            }
        }
    });
    let gateway = Gateway::start(json!({
        "upstreams": { "app": { "endpoints": [address.to_string()], "protocol": "http2" } },
        "plugins": { "cache": { "module": "cache", "config": {} } },
        "routes": [ { "name": "all", "upstream": "app", "chain": ["cache"] } ],
    }));
    for _ in 0..3 {
        let answer = gateway.get("/");
        assert_eq!((answer.status(), answer.ending), (200, Ending::Cut), "{answer:?}");
    }
    for cache in ["fwd=miss; stored", "hit"] {
        let answer = gateway.get("/");
        assert_eq!((answer.text().as_str(), answer.ending), ("whole", Ending::Whole));
        let status = answer.header("cache-status").expect("the cache says what it did");
        assert!(status.contains(cache), "{status}");
    }
}

#[test]
fn an_early_response_to_an_upload_is_the_clients_whatever_becomes_of_the_upload() {
    let early = b"HTTP/1.1 413 Content Too Large\r\ncontent-length: 2\r\n\r\nno";
    // It closes with the rest of the upload unread.
    let upstream = Upstream::raw(move |wire| {
        wire.head()?;
        wire.write(early)
    });
    let gateway = gateway(upstream.address(), "http1");
    for _ in 0..30 {
        let mut wire = gateway.connect();
        // The gateway need not take all of it, either.
        let _ = wire.write(post("/", vec![b'x'; 5_000_000]).bytes());
        let answer = wire.response("POST").expect("an answer");
        assert_eq!((answer.status(), answer.text().as_str()), (413, "no"));
    }
}

#[test]
fn the_size_of_a_response_head_is_limited_by_a_setting_and_not_by_its_pieces() {
    let upstream = Upstream::scripted(|request, wire| {
        let (fields, pieces) = request.target()[1..].split_once('/').expect("two numbers");
        let fields: usize = fields.parse().expect("a number");
        let head = format!(
            "HTTP/1.1 200 OK\r\ncontent-length: 0\r\n{}\r\n",
            "x-field: value\r\n".repeat(fields)
        );
        for piece in head
            .as_bytes()
            .chunks(head.len() / pieces.parse::<usize>().expect("a number") + 1)
        {
            wire.write(piece)?;
            thread::sleep(Duration::from_millis(5));
        }
        Ok(lockgate_tests::upstream::Then::KeepAlive)
    });
    let mut config = json!({ "upstreams": { "app": { "endpoints": [upstream.address().to_string()] } } });
    for limits in [json!({}), json!({ "headers": 1000 }), json!({ "header_bytes": "1KiB" })] {
        config["upstreams"]["app"]["limits"] = limits.clone();
        let gateway = Gateway::start(config.clone());
        for fields in [20, 100, 500, 5000] {
            let most = match (limits["headers"].as_u64(), limits["header_bytes"].as_str()) {
                (Some(_), _) => 500,
                (_, Some(_)) => 20,
                _ => 100,
            };
            for pieces in [1, 2, 7] {
                let answer = gateway.get(&format!("/{fields}/{pieces}"));
                let expected = if fields <= most { 200 } else { 502 };
                assert_eq!(answer.status(), expected, "{limits} {fields} {pieces}");
                if expected == 502 {
                    assert_eq!(answer.json()["type"], "urn:lockgate:problem:upstream_headers_too_large");
                }
            }
        }
    }
}
