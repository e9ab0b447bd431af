//! Upgrades: bytes behind a 101 pass unchanged in both directions, nothing else is ever taken for a tunnel, and a tunnel lives until one
//! of its ends, its idle timeout or the drain time ends it.

#[path = "upgrades/http2.rs"]
mod http2;
#[path = "upgrades/life.rs"]
mod life;
#[path = "upgrades/refused.rs"]
mod refused;
#[path = "upgrades/seam.rs"]
mod seam;

use lockgate_tests::upstream::{Then, answer};
use lockgate_tests::{Gateway, Upstream, Wire};
use serde_json::{Value, json};
use std::io::{self, Write};

/// A request for a tunnel in which the upstream of [`echo`] sends everything back.
const UPGRADE: &str =
    "GET /chat HTTP/1.1\r\nhost: a\r\nconnection: keep-alive, Upgrade\r\nupgrade: echo\r\nx-key: 1\r\n\r\n";
/// The upstream's answer to it.
const SWITCH: &str = "HTTP/1.1 101 Switching\r\nconnection: upgrade\r\nupgrade: echo\r\nx-answer: 1\r\n\r\n";

/// Answers an upgrade with a 101 and then all bytes with themselves; what is no upgrade gets 200.
fn echo() -> Upstream {
    Upstream::scripted(|request, wire| {
        if request.header("upgrade").is_none() {
            return answer(wire, 200, &[], "no upgrade");
        }
        wire.write(SWITCH)?;
        repeat(wire)
    })
}

/// Sends back what comes, up to the end.
fn repeat(wire: &mut Wire) -> io::Result<Then> {
    let mut buffer = vec![0; 64 * 1024];
    loop {
        match wire.some(&mut buffer)? {
            0 => return Ok(Then::Close),
            read => wire.write(&buffer[..read])?,
        }
    }
}

fn config(upstream: &Upstream) -> Value {
    json!({
        "access_log": { "path": "access.log" },
        "upstreams": { "app": { "endpoints": [upstream.address().to_string()] } },
        "routes": [{ "name": "chat", "upstream": "app" }],
    })
}

fn gateway(upstream: &Upstream) -> Gateway {
    Gateway::start(config(upstream))
}

/// A connection on which the tunnel is open.
fn tunnel(gateway: &Gateway) -> Wire {
    let mut wire = gateway.connect();
    wire.write(UPGRADE).expect("the gateway reads");
    let head = wire.head().expect("an answer").expect("an answer");
    assert_eq!(head.status(), 101, "{head:?}");
    wire
}

/// Sends bytes through the tunnel of [`echo`], and expects them back.
fn exchange(wire: &mut Wire, bytes: &[u8]) {
    wire.write(bytes).expect("the tunnel is open");
    assert_eq!(read(wire, bytes.len()), bytes);
}

/// Reads so many bytes.
fn read(wire: &mut Wire, length: usize) -> Vec<u8> {
    let mut all = Vec::new();
    while all.len() < length {
        let mut part = vec![0; (length - all.len()).min(64 * 1024)];
        let count = wire.some(&mut part).expect("the tunnel is open");
        assert_ne!(count, 0, "the tunnel has ended after {} bytes", all.len());
        all.write_all(&part[..count]).expect("memory");
    }
    all
}

/// The lines of the access log of requests that are over.
fn access_log(gateway: &Gateway) -> Vec<Value> {
    let text = std::fs::read_to_string(gateway.folder().join("access.log")).unwrap_or_default();
    text.lines()
        .filter_map(|line| serde_json::from_str(line).ok())
        .collect()
}
