//! The upstreams behind both hosts. What they answer is told by the path.

use crate::observe::within;
use lockgate_tests::http::Message;
use lockgate_tests::upstream::{Then, Upstream, answer, answer_chunked};
use lockgate_tests::{GrpcServer, Wire};
use std::net::SocketAddr;
use std::thread;
use std::time::Duration;

/// Every trailer of the test: HTTP/1.1 promises to pass only those that the head announces.
pub(crate) const TRAILERS: &str =
    "x-c-one, x-c-twice, x-c-empty, x-c-replaced, x-c-removed, x-c-added, x-c-brought, x-c-upper, x-c-void";

/// The upstreams `app`, `side`, `dead` and `grpc`, which speaks HTTP/2.
pub(crate) struct Upstreams {
    pub(crate) app: Upstream,
    pub(crate) side: Upstream,
    grpc: GrpcServer,
    dead: SocketAddr,
}

impl Upstreams {
    pub(crate) fn start() -> Self {
        Self {
            app: Upstream::scripted(app),
            side: Upstream::scripted(side),
            grpc: GrpcServer::start(),
            dead: Upstream::nobody(),
        }
    }

    pub(crate) fn clusters(&self) -> [(&'static str, SocketAddr); 4] {
        [
            ("app", self.app.address()),
            ("side", self.side.address()),
            ("dead", self.dead),
            ("grpc", self.grpc.address()),
        ]
    }
}

impl Upstreams {
    /// Waits until every request that has begun has been read, or was cut.
    pub(crate) fn settle(&self) {
        within(Duration::from_secs(1), || {
            let all = |upstream: &Upstream| upstream.begun() == upstream.requests().len();
            all(&self.app) && all(&self.side)
        });
    }
}

fn app(request: &Message, wire: &mut Wire) -> std::io::Result<Then> {
    let own = [
        ("X-C-One", "one"),
        ("x-c-twice", "1"),
        ("x-c-twice", "2"),
        ("x-c-empty", ""),
        ("x-c-replaced", "old"),
        ("x-c-removed", "old"),
    ];
    match request.target() {
        "/own" => answer(wire, 200, &own, "abcdef"),
        "/trailers" => answer_chunked(
            wire,
            &[("x-c-upstream", "1"), ("trailer", TRAILERS)],
            &["abc", "def"],
            &own,
        ),
        "/204" => answer(wire, 204, &[], ""),
        "/dead" => Ok(Then::Close),
        "/empty" => answer(wire, 200, &[("x-c-upstream", "1")], ""),
        "/huge" => answer(wire, 200, &[], "b".repeat(300_000)),
        "/huge-header" => answer(wire, 200, &[("x-c-huge", &"h".repeat(20_000))], "abcdef"),
        "/404" => answer(wire, 404, &[("x-c-upstream", "1")], "not here"),
        "/503" => answer(wire, 503, &[("x-c-upstream", "1")], "not now"),
        "/304" => answer(wire, 304, &[("x-c-upstream", "1")], ""),
        "/chunks" => answer_chunked(wire, &[("x-c-upstream", "1")], &["a", "bcd", "ef"], &[]),
        "/slow" => {
            thread::sleep(Duration::from_millis(100));
            answer(wire, 200, &[("x-c-upstream", "1")], "abcdef")
        }
        "/cut-body" => {
            wire.write("HTTP/1.1 200 OK\r\ncontent-length: 100\r\n\r\nabc")?;
            Ok(Then::Close)
        }
        _ if request.method() == "HEAD" => {
            wire.write("HTTP/1.1 200 OK\r\ncontent-length: 6\r\n\r\n")?;
            Ok(Then::KeepAlive)
        }
        _ => answer(wire, 200, &[("x-c-upstream", "1")], "abcdef"),
    }
}

fn side(request: &Message, wire: &mut Wire) -> std::io::Result<Then> {
    match request.target() {
        "/error" => answer(wire, 500, &[("x-c-answer", "broken")], "sorry"),
        "/trailers" => answer_chunked(
            wire,
            &[("x-c-answer", "chunked")],
            &["an", "swer"],
            &[("x-c-trailer", "last")],
        ),
        "/cut" => Ok(Then::Close),
        "/cut-body" => {
            wire.write("HTTP/1.1 200 OK\r\ncontent-length: 100\r\n\r\nabc")?;
            Ok(Then::Close)
        }
        "/empty" => answer(wire, 200, &[("x-c-answer", "empty")], ""),
        "/204" => answer(wire, 204, &[("x-c-answer", "none")], ""),
        "/huge" => answer(wire, 200, &[("x-c-answer", "huge")], "s".repeat(100_000)),
        "/twice" => answer(
            wire,
            200,
            &[("x-c-answer", "1"), ("x-c-answer", "2"), ("X-C-Upper", "u")],
            "answer",
        ),
        "/echo" => {
            let told = format!(
                "{} {} {:?}",
                request.start,
                request.header("host").unwrap_or_default(),
                request.text()
            );
            answer(wire, 200, &[("x-c-answer", "echo")], told)
        }
        "/never" => {
            thread::sleep(Duration::from_secs(1));
            Ok(Then::Close)
        }
        "/slow" => {
            thread::sleep(Duration::from_millis(200));
            answer(wire, 200, &[], "late")
        }
        _ => answer(wire, 200, &[("x-c-answer", "yes")], "answer"),
    }
}
