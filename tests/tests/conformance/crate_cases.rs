//! The cases that are functions of the guest `tests/guests/conformance`, which stands on the `proxy-wasm` crate: here are their
//! requests alone.

use crate::case::{BodyComes, CRATE, Case};
use crate::upstreams::TRAILERS;
use lockgate_tests::http::{Request, get, post};
use std::time::Duration;

fn announced(request: Request) -> Request {
    request.header("te", "trailers").header("trailer", TRAILERS)
}

fn case(name: &str, request: Request) -> Case {
    Case {
        name: name.to_string(),
        what: String::new(),
        guest: CRATE.to_string(),
        request: request.header("x-case", name.split('@').next().unwrap_or(name)),
        settle: Duration::from_millis(if name == "callout.unawaited" { 400 } else { 60 }),
        until: None,
        body: match name {
            "reply.request_body" | "reply.request_trailers" => BodyComes::BehindTheHead,
            _ => BodyComes::AtOnce,
        },
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
        cases.push(case(&format!("callout.{name}"), get("/")));
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
