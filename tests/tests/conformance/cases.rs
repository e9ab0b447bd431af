//! The requests of the conformance test, the upstreams behind them, and what is noted of each exchange.

use lockgate_tests::Wire;
use lockgate_tests::http::{Fields, Message, Request, get, post};
use lockgate_tests::upstream::{Then, Upstream, answer, answer_chunked};
use std::net::SocketAddr;
use std::thread;
use std::time::Duration;

/// One request, by the name of the guest's case.
pub(crate) struct Case {
    pub(crate) name: &'static str,
    pub(crate) request: Request,
}

/// Every trailer of the test: HTTP/1.1 promises to pass only those that the head announces.
const TRAILERS: &str =
    "x-c-one, x-c-twice, x-c-empty, x-c-replaced, x-c-removed, x-c-added, x-c-brought, x-c-upper, x-c-void";

fn announced(request: Request) -> Request {
    request.header("te", "trailers").header("trailer", TRAILERS)
}

fn case(name: &'static str, request: Request) -> Case {
    Case {
        name,
        request: request.header("x-case", name.split('@').next().unwrap_or(name)),
    }
}

/// All of them. What follows an `@` tells apart requests of the same case.
pub(crate) fn all() -> Vec<Case> {
    let own = |request: Request| {
        request
            .header("X-C-One", "one")
            .header("x-c-twice", "1")
            .header("x-c-twice", "2")
            .header("x-c-empty", "")
            .header("x-c-replaced", "old")
            .header("x-c-removed", "old")
    };
    let body = || post("/", "0123456789");
    let chunked = || post("/", "").chunks(&["01234", "56789"], &[]);
    let trailers = [
        ("x-c-one", "one"),
        ("x-c-twice", "1"),
        ("x-c-twice", "2"),
        ("x-c-empty", ""),
        ("x-c-replaced", "old"),
        ("x-c-removed", "old"),
    ];
    let mut cases = vec![
        case("headers.request", own(get("/some/path?with=query"))),
        case("headers.response", get("/own")),
        case("headers.pseudo", get("/some/path?with=query")),
        case("headers.set_all_of_request", own(get("/own"))),
        case("headers.set_all_of_response", get("/own")),
        case("headers.elsewhere", get("/")),
        case("headers.odd_names", body()),
        case("trailers", announced(get("/trailers"))),
        case(
            "trailers@both",
            announced(post("/trailers", "").chunks(&["some"], &trailers)),
        ),
        case("body.watch", get("/")),
        case("body.watch@length", body()),
        case("body.watch@chunked", chunked()),
        case(
            "body.watch@trailers",
            announced(post("/trailers", "").chunks(&["01234"], &trailers)),
        ),
        case("body.watch@empty", post("/", "")),
        case("body.watch@head", lockgate_tests::http::request("HEAD", "/")),
        case("body.watch@204", get("/204")),
        case("body.read", body()),
        case("body.read@chunked", chunked()),
        case("body.gather", chunked()),
        case(
            "body.gather@trailers",
            announced(post("/trailers", "").chunks(&["01234", "56789"], &trailers)),
        ),
        case("body.elsewhere", body()),
        case("reply.request_headers", get("/")),
        case("reply.request_headers@body", body()),
        case("reply.request_headers.continue", get("/")),
        case("reply.request_body", body()),
        case("reply.request_trailers", post("/", "").chunks(&["some"], &trailers)),
        case("reply.response_headers", get("/")),
        case("reply.response_headers.continue", get("/")),
        case("reply.empty", get("/")),
        case("reply.grpc", get("/")),
        case(
            "reply.grpc@grpc",
            post("/", "").header("content-type", "application/grpc"),
        ),
        case("reply.twice", get("/")),
        case("reply.odd", get("/")),
        case("stream.close", get("/")),
        case("stream.effective_context", get("/")),
        case("stream.status_and_done", get("/")),
        case("tick.resume", get("/")),
        case(
            "properties.request",
            get("/some/path?with=query")
                .header("referer", "here")
                .header("user-agent", "test")
                .header("x-c-one", "one"),
        ),
        case("properties.request@body", body()),
        case("properties.response", get("/own")),
        case("properties.response@body", body()),
        case("properties.response@dead", get("/dead")),
        case("properties.set", get("/")),
        case("properties.maps", own(get("/own"))),
    ];
    for name in [
        "body.replace",
        "body.prepend",
        "body.append",
        "body.empty",
        "body.beyond",
        "body.all",
        "body.middle",
    ] {
        cases.push(case(name, body()));
    }
    for name in [
        "ok",
        "trailers",
        "error",
        "dead",
        "cut",
        "timeout",
        "refused",
        "two",
        "reply",
        "response",
        "unawaited",
    ] {
        let name: &'static str = format!("callout.{name}").leak();
        cases.push(case(name, get("/")));
    }
    cases.push(case("callout.ok@body", body()));
    for name in [
        "shared.data",
        "shared.queue",
        "shared.queue_ready",
        "metrics",
        "log",
        "foreign",
        "time",
        "configuration",
    ] {
        cases.push(case(name, get("/")));
    }
    cases
}

/// The upstreams `app`, `side` and `dead`.
pub(crate) struct Upstreams {
    app: Upstream,
    side: Upstream,
    dead: SocketAddr,
}

impl Upstreams {
    pub(crate) fn start() -> Self {
        Self {
            app: Upstream::scripted(app),
            side: Upstream::scripted(side),
            dead: Upstream::nobody(),
        }
    }

    pub(crate) fn clusters(&self) -> [(&'static str, SocketAddr); 3] {
        [
            ("app", self.app.address()),
            ("side", self.side.address()),
            ("dead", self.dead),
        ]
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

/// Sends a case's request to a host. What came of it: a line `WHO.WHAT = VALUE` for each thing that the client saw, the upstreams
/// saw and the guest was told.
pub(crate) fn observe(host: SocketAddr, upstreams: &Upstreams, name: &str, request: &Request) -> Vec<String> {
    let (app_before, side_before) = (upstreams.app.requests().len(), upstreams.side.requests().len());
    let request = request.clone().header("x-token", name);
    let mut lines = match Wire::connect(host).exchange(&request) {
        Ok(response) => client_lines(&response),
        Err(_) => vec!["client.status = no answer".to_string()],
    };
    thread::sleep(Duration::from_millis(if name == "callout.unawaited" {
        400
    } else {
        60
    }));
    for seen in &upstreams.app.requests()[app_before..] {
        lines.extend(upstream_lines("app", seen));
    }
    for seen in &upstreams.side.requests()[side_before..] {
        lines.extend(upstream_lines("side", seen));
    }
    let report = Wire::connect(host)
        .exchange(&get("/").header("x-case", "report").header("x-token", name))
        .expect("the report is answered");
    let mut told: Vec<_> = report.text().lines().map(|line| format!("guest.{line}")).collect();
    told.sort_by_key(|line| end_of_stream_rank(line));
    lines.extend(told);
    lines
}

/// Envoy logs a stream before it is done, we after; everything else is compared in its order.
fn end_of_stream_rank(line: &str) -> u8 {
    match line {
        _ if line.starts_with("guest.log.") => 1,
        _ if line.starts_with("guest.done.") => 2,
        _ => 0,
    }
}

fn client_lines(response: &Message) -> Vec<String> {
    let mut lines = vec![
        format!("client.status = {} {:?}", response.status(), response.ending),
        format!("client.headers = {}", own(&response.headers)),
        format!("client.body = {:?}", response.text()),
    ];
    for name in ["content-type", "grpc-status", "grpc-message"] {
        lines.extend(response.header(name).map(|value| format!("client.{name} = {value}")));
    }
    if !response.trailers.is_empty() {
        lines.push(format!("client.trailers = {}", own(&response.trailers)));
    }
    lines
}

fn upstream_lines(name: &str, request: &Message) -> Vec<String> {
    let mut lines = vec![
        format!(
            "{name}.request = {}, host {}",
            request.start,
            request.header("host").unwrap_or("none")
        ),
        format!("{name}.headers = {}", own(&request.headers)),
        format!("{name}.body = {:?}", request.text()),
    ];
    if !request.trailers.is_empty() {
        lines.push(format!("{name}.trailers = {}", own(&request.trailers)));
    }
    lines
}

/// The fields that belong to the test, sorted by name; those of one name stay in their order.
fn own(fields: &Fields) -> String {
    let mut own: Vec<_> = fields
        .iter()
        .map(|(name, value)| (name.to_lowercase(), value))
        .filter(|(name, _)| name.starts_with("x-c-"))
        .collect();
    own.sort_by(|one, other| one.0.cmp(&other.0));
    own.iter()
        .map(|(name, value)| format!("{name}={value}"))
        .collect::<Vec<_>>()
        .join(" ")
}
