//! A request that the guard refused: answered, counted and logged like others, with what is known of it.

use std::borrow::Cow;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use http::{Method, Version};
use lockgate_http::problem::{self, Problem};
use lockgate_telemetry::access_log::Record;
use lockgate_telemetry::failure_log::FailedRequest;

use crate::downstream::lingering_close;
use crate::pipeline::connection_context::ConnectionContext;

/// The log's value for what is not known, as in the common log format.
const UNKNOWN: &str = "-";

/// The response to a request that began with `line`, as bytes to write. Counts and logs the request.
pub(super) fn answer(connection: &ConnectionContext, problem: Problem, line: &[u8]) -> Vec<u8> {
    let worker = &connection.worker;
    let id = worker.request_ids.next();
    let (head, body) = problem::respond(problem, Some(&id));
    let view = worker.view();
    view.requests(&worker.metrics, connection.listener(&view), view.no_route())
        .record(head.status.as_u16(), Duration::ZERO);
    let (method, path) = parse_loosely(line);
    let now = SystemTime::now();
    worker.failures.write(
        now.duration_since(UNIX_EPOCH).unwrap_or_default().as_secs(),
        &FailedRequest {
            request_id: id.to_str().unwrap_or_default(),
            client: connection.peer.address(),
            method: &method,
            host: UNKNOWN,
            path: &path,
            status: Some(head.status.as_u16()),
            route: None,
            upstream: None,
            endpoint: None,
            attempts: 0,
            reason: problem.code(),
            cause: problem.detail(),
        },
    );
    if let Some(log) = worker.shared.access_log.load_full() {
        log.write(&Record {
            time: now,
            request_id: id.to_str().unwrap_or_default().into(),
            listener: &connection.info.listener,
            client: connection.peer.address(),
            method: &method,
            host: UNKNOWN.into(),
            path: &path,
            protocol: Version::HTTP_11,
            status: Some(head.status.as_u16()),
            grpc_status: None,
            route: None,
            upstream: None,
            endpoint: None,
            attempts: 0,
            breaker: None,
            response_flags: Vec::new(),
            bytes_in: 0,
            bytes_out: body.len() as u64,
            duration: Duration::ZERO,
            upstream_latency: None,
            code_details: Some(problem.code()),
            cause: Some(problem.detail()),
            abort_reason: None,
            plugins: Vec::new(),
        });
    }
    lingering_close::encode(&head, &body)
}

/// Method and path of what may not be a request line, without the query.
fn parse_loosely(line: &[u8]) -> (Method, Cow<'_, str>) {
    let mut words = line.split(|byte| byte.is_ascii_whitespace());
    let method = words.next().and_then(|word| Method::from_bytes(word).ok());
    let path = words.next().filter(|word| method.is_some() && word.starts_with(b"/"));
    let path = path.and_then(|word| word.split(|byte| matches!(byte, b'?' | b'#')).next());
    let unknown = || Method::from_bytes(UNKNOWN.as_bytes()).expect("a hyphen is a token");
    (
        method.unwrap_or_else(unknown),
        path.map_or(UNKNOWN.into(), String::from_utf8_lossy),
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_line_is_read_as_far_as_it_is_one() {
        for (line, method, path) in [
            (b"GET /a?key=secret HTTP/1.1".as_slice(), "GET", "/a"),
            (b"GET /a#b HTTP/1.1", "GET", "/a"),
            (b"PUT /a b", "PUT", "/a"),
            (b"POST", "POST", "-"),
            (b"GET http://u:secret@a/ HTTP/1.1", "GET", "-"),
            (b"\x16\x03\x01 /a", "-", "-"),
            (b"GET /\xff", "GET", "/\u{fffd}"),
            (b"", "-", "-"),
        ] {
            let (found_method, found_path) = parse_loosely(line);
            assert_eq!((found_method.as_str(), &*found_path), (method, path));
        }
    }
}
