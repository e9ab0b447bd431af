//! Problems: failures as responses, each with a status and an `application/problem+json` body (RFC 9457). No other place makes them.
//!
//! Texts are constants, so that no address, path or configured value reaches a client through them. A plugin's local responses are not
//! problems.

mod malformed;

use bytes::Bytes;
use http::header::{CONTENT_TYPE, RETRY_AFTER};
use http::{HeaderMap, HeaderValue, StatusCode};
use lockgate_exchange::ResponseHead;
use serde::Serialize;

pub use malformed::Malformed;

/// Why the gateway, and not a plugin or an upstream, responds to a request.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Problem {
    /// 400: the request is ambiguous or breaks its protocol.
    Malformed(Malformed),
    /// 403: the request asks for an upgrade, and its route says `"upgrade": false`.
    UpgradeRefused,
    /// 404: no route matches.
    NoRoute,
    /// 408: the request's head or body took too long to arrive.
    RequestTimeout,
    /// 413: the body is larger than the listener or a plugin's buffer allows.
    BodyTooLarge,
    /// 414: the request target is longer than the listener allows.
    TargetTooLong,
    /// 431: the header section is larger than the listener allows.
    HeadersTooLarge,
    /// 502: no connection, or one that broke before the response.
    UpstreamFailed,
    /// 502: a response that is ambiguous or breaks its protocol.
    UpstreamMalformed,
    /// 502: a response whose header section is larger than the upstream's `limits` allow.
    UpstreamHeadersTooLarge,
    /// 502: a response larger than the buffer of a plugin that waits for all of it.
    ResponseTooLarge,
    /// 503: the upstream has no endpoint to send to.
    NoEndpoint,
    /// 503: a plugin failed, and its `on_error` is `deny`.
    PluginFailed,
    /// 503: the upstream's circuit breaker is open. With the seconds after which another request may pass.
    CircuitOpen(u32),
    /// 503: the upstream has its maximum of concurrent requests. With the seconds after which it is worth another request.
    ConcurrencyLimit(u32),
    /// 504: the upstream's response did not arrive in time.
    UpstreamTimeout(Timeout),
}

/// Which time limit a request to an upstream has exceeded.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Timeout {
    /// The route's `timeout`, for all of it.
    Route,
    /// The upstream's `timeouts.connect`.
    Connect,
    /// The upstream's `timeouts.first_byte`.
    FirstByte,
    /// The upstream's `timeouts.try`.
    Try,
}

impl Timeout {
    /// Its name in logs.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Route => "the route's timeout",
            Self::Connect => "timeouts.connect",
            Self::FirstByte => "timeouts.first_byte",
            Self::Try => "timeouts.try",
        }
    }
}

impl Problem {
    /// The status of the response.
    pub fn status(self) -> StatusCode {
        match self {
            Self::Malformed(_) => StatusCode::BAD_REQUEST,
            Self::UpgradeRefused => StatusCode::FORBIDDEN,
            Self::NoRoute => StatusCode::NOT_FOUND,
            Self::RequestTimeout => StatusCode::REQUEST_TIMEOUT,
            Self::BodyTooLarge => StatusCode::PAYLOAD_TOO_LARGE,
            Self::TargetTooLong => StatusCode::URI_TOO_LONG,
            Self::HeadersTooLarge => StatusCode::REQUEST_HEADER_FIELDS_TOO_LARGE,
            Self::UpstreamFailed | Self::UpstreamMalformed | Self::UpstreamHeadersTooLarge | Self::ResponseTooLarge => {
                StatusCode::BAD_GATEWAY
            }
            Self::NoEndpoint | Self::PluginFailed | Self::CircuitOpen(_) | Self::ConcurrencyLimit(_) => {
                StatusCode::SERVICE_UNAVAILABLE
            }
            Self::UpstreamTimeout(_) => StatusCode::GATEWAY_TIMEOUT,
        }
    }

    /// The problem's name in logs, in `response.code_details` and in the body's `type`. Stable.
    pub fn code(self) -> &'static str {
        match self {
            Self::Malformed(what) => what.code(),
            Self::UpgradeRefused => "upgrade_refused",
            Self::NoRoute => "no_route",
            Self::RequestTimeout => "request_timeout",
            Self::BodyTooLarge => "body_too_large",
            Self::TargetTooLong => "target_too_long",
            Self::HeadersTooLarge => "headers_too_large",
            Self::UpstreamFailed => "upstream_failed",
            Self::UpstreamMalformed => "upstream_malformed",
            Self::UpstreamHeadersTooLarge => "upstream_headers_too_large",
            Self::ResponseTooLarge => "response_too_large",
            Self::NoEndpoint => "no_endpoint",
            Self::PluginFailed => "plugin_failed",
            Self::CircuitOpen(_) => "circuit_open",
            Self::ConcurrencyLimit(_) => "concurrency_limit",
            Self::UpstreamTimeout(_) => "upstream_timeout",
        }
    }

    /// One sentence for the sender of the request.
    pub fn detail(self) -> &'static str {
        match self {
            Self::Malformed(what) => what.detail(),
            Self::UpgradeRefused => "Upgrades to other protocols are not allowed here.",
            Self::NoRoute => "No route matches this request.",
            Self::RequestTimeout => "The request did not arrive in time.",
            Self::BodyTooLarge => "The request body is larger than allowed.",
            Self::TargetTooLong => "The request target is longer than allowed.",
            Self::HeadersTooLarge => "The header section is larger than allowed.",
            Self::UpstreamFailed => "The upstream connection failed.",
            Self::UpstreamMalformed => "The upstream's response is malformed.",
            Self::UpstreamHeadersTooLarge => "The upstream's header section is larger than allowed.",
            Self::ResponseTooLarge => "The upstream's response is larger than a plugin may buffer.",
            Self::NoEndpoint => "The upstream has no endpoint available.",
            Self::PluginFailed => "A plugin failed, so the request is denied.",
            Self::CircuitOpen(_) => "The upstream is failing, so no request is sent to it for a while.",
            Self::ConcurrencyLimit(_) => "The upstream has as many requests as it may have.",
            Self::UpstreamTimeout(Timeout::Route) => "The upstream did not respond in time.",
            Self::UpstreamTimeout(Timeout::Connect) => {
                "The upstream did not accept a connection in time (timeouts.connect)."
            }
            Self::UpstreamTimeout(Timeout::FirstByte) => {
                "The upstream did not begin its response in time (timeouts.first_byte)."
            }
            Self::UpstreamTimeout(Timeout::Try) => "The upstream did not respond to an attempt in time (timeouts.try).",
        }
    }

    /// The seconds after which it is worth another request, where that is known.
    fn retry_after(self) -> Option<u32> {
        match self {
            Self::CircuitOpen(seconds) | Self::ConcurrencyLimit(seconds) => Some(seconds),
            _ => None,
        }
    }
}

impl From<Malformed> for Problem {
    fn from(what: Malformed) -> Self {
        Self::Malformed(what)
    }
}

/// The body's members, in the order that RFC 9457 lists them.
#[derive(Serialize)]
struct Body<'a> {
    r#type: &'a str,
    title: &'a str,
    status: u16,
    detail: &'a str,
    #[serde(skip_serializing_if = "Option::is_none")]
    request_id: Option<&'a str>,
}

/// The answer to `problem`: its head with `content-type` and what else its status asks for, and its body. Without an id where
/// there was no request to number yet. The length is not in the head; whoever sends the body knows it.
pub fn respond(problem: Problem, request_id: Option<&HeaderValue>) -> (ResponseHead, Bytes) {
    let (mut head, body) = document(problem.status(), problem.code(), problem.detail(), request_id);
    if let Some(seconds) = problem.retry_after() {
        head.headers.insert(RETRY_AFTER, HeaderValue::from(seconds));
    }
    (head, body)
}

/// A response in the form of RFC 9457. `code` is the problem's stable name, `detail` one sentence for the sender of the request. The head
/// has no length; the sender of the body adds it.
pub fn document(
    status: StatusCode,
    code: &str,
    detail: &str,
    request_id: Option<&HeaderValue>,
) -> (ResponseHead, Bytes) {
    let body = Body {
        r#type: &format!("urn:lockgate:problem:{code}"),
        title: status.canonical_reason().unwrap_or("Error"),
        status: status.as_u16(),
        detail,
        request_id: request_id.and_then(|id| id.to_str().ok()),
    };
    let body = serde_json::to_vec(&body).expect("strings and a number always serialise");
    let mut headers = HeaderMap::with_capacity(4);
    headers.insert(CONTENT_TYPE, HeaderValue::from_static("application/problem+json"));
    (ResponseHead { status, headers }, Bytes::from(body))
}

#[cfg(test)]
mod tests {
    use super::*;

    const ALL: [Problem; 15] = [
        Problem::Malformed(Malformed::HostMissing),
        Problem::NoRoute,
        Problem::RequestTimeout,
        Problem::BodyTooLarge,
        Problem::TargetTooLong,
        Problem::HeadersTooLarge,
        Problem::UpstreamFailed,
        Problem::UpstreamMalformed,
        Problem::UpstreamHeadersTooLarge,
        Problem::ResponseTooLarge,
        Problem::NoEndpoint,
        Problem::PluginFailed,
        Problem::CircuitOpen(5),
        Problem::ConcurrencyLimit(1),
        Problem::UpstreamTimeout(Timeout::Route),
    ];

    #[test]
    fn every_problem_is_a_json_object_whose_status_is_the_answers() {
        let id = HeaderValue::from_static("00ff");
        for problem in ALL {
            let (head, body) = respond(problem, Some(&id));
            let body: serde_json::Value = serde_json::from_slice(&body).unwrap();
            assert_eq!(head.headers[CONTENT_TYPE], "application/problem+json");
            assert_eq!(body["status"], head.status.as_u16());
            assert_eq!(body["title"], head.status.canonical_reason().unwrap());
            assert_eq!(body["type"], format!("urn:lockgate:problem:{}", problem.code()));
            assert_eq!(body["detail"], problem.detail());
            assert_eq!(body["request_id"], "00ff");
        }
    }

    #[test]
    fn codes_are_unique() {
        let codes: std::collections::HashSet<_> = ALL.iter().map(|problem| problem.code()).collect();
        assert_eq!(codes.len(), ALL.len());
    }

    #[test]
    fn the_statuses_are_the_contracts() {
        let status = |problem: Problem| problem.status().as_u16();
        assert_eq!(status(Malformed::Target.into()), 400);
        assert_eq!(status(Problem::NoRoute), 404);
        assert_eq!(status(Problem::RequestTimeout), 408);
        assert_eq!(status(Problem::BodyTooLarge), 413);
        assert_eq!(status(Problem::TargetTooLong), 414);
        assert_eq!(status(Problem::HeadersTooLarge), 431);
        assert_eq!(status(Problem::UpstreamFailed), 502);
        assert_eq!(status(Problem::NoEndpoint), 503);
        assert_eq!(status(Problem::PluginFailed), 503);
        assert_eq!(status(Problem::CircuitOpen(5)), 503);
        assert_eq!(status(Problem::ConcurrencyLimit(1)), 503);
        for timeout in [Timeout::Route, Timeout::Connect, Timeout::FirstByte, Timeout::Try] {
            assert_eq!(status(Problem::UpstreamTimeout(timeout)), 504);
        }
    }

    #[test]
    fn what_is_worth_another_request_says_when() {
        let retry_after = |problem| respond(problem, None).0.headers.get(RETRY_AFTER).cloned();
        assert_eq!(retry_after(Problem::CircuitOpen(5)).unwrap(), "5");
        assert_eq!(retry_after(Problem::ConcurrencyLimit(1)).unwrap(), "1");
        assert_eq!(retry_after(Problem::NoEndpoint), None);
    }

    #[test]
    fn a_request_id_with_quotes_stays_inside_its_string() {
        let id = HeaderValue::from_static("a\",\"status\":200,\"b\":\"");
        let (_, body) = respond(Problem::NoRoute, Some(&id));
        let body: serde_json::Value = serde_json::from_slice(&body).unwrap();
        assert_eq!(body["status"], 404);
        assert_eq!(body["request_id"], id.to_str().unwrap());
    }
}
