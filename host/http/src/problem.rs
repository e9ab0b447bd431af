//! The one place where something that went wrong becomes an answer: a status and an `application/problem+json` body (RFC 9457).
//!
//! Every problem says whose fault it was. Texts are constants: no address, path or configured value can reach a client through
//! them. Local replies that a plugin makes are not problems and never pass here.

mod malformed;

use bytes::Bytes;
use http::header::{ALLOW, CONTENT_TYPE, RETRY_AFTER, WWW_AUTHENTICATE};
use http::{HeaderMap, HeaderValue, StatusCode};
use lockgate_exchange::ResponseHead;
use serde::Serialize;

pub use malformed::Malformed;

/// Why the gateway, and not a plugin or an upstream, answers a request.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Problem {
    /// 400: the request is ambiguous or breaks its protocol.
    Malformed(Malformed),
    /// 401: the admin API wants a token.
    Unauthorized,
    /// 403: the admin API without a token answers only on loopback.
    Forbidden,
    /// 404: no route matches.
    NoRoute,
    /// 404: the admin API has no such page.
    NoPage,
    /// 405: the admin API's page is only read.
    ReadOnly,
    /// 405: the admin API's page is read, set and taken back.
    NoSuchVerb,
    /// 400: what an operator sent to the admin API makes no sense.
    BadSettings,
    /// 408: the request's head or body took too long to arrive.
    RequestTimeout,
    /// 413: the body is larger than the listener or a plugin's buffer allows.
    BodyTooLarge,
    /// 414: the request target is longer than the listener allows.
    TargetTooLong,
    /// 429: the gateway takes no more from this client for now.
    TooManyRequests,
    /// 431: the header section is larger than the listener allows.
    HeadersTooLarge,
    /// 500: a fault of the gateway itself.
    Internal,
    /// 502: no connection, or one that broke before its answer.
    UpstreamFailed,
    /// 502: an answer that is ambiguous or breaks its protocol.
    UpstreamMalformed,
    /// 502: an answer larger than a plugin that waits for all of it may keep.
    ResponseTooLarge,
    /// 503: the upstream has no endpoint to send to.
    NoEndpoint,
    /// 503: a plugin failed, and its `on_error` is `deny`.
    PluginFailed,
    /// 503: a limit of the gateway is reached.
    Overloaded,
    /// 503: the gateway is going down.
    Draining,
    /// 503: the gateway has no configuration yet, or is going down.
    NotReady,
    /// 504: the upstream's answer did not come in the route's time.
    UpstreamTimeout,
}

/// Whose fault a problem is: what an operator looks at first.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Blame {
    /// Who sent the request.
    Client,
    /// A plugin of the chain.
    Plugin,
    /// Who should have answered.
    Upstream,
    /// This process or its configuration.
    Gateway,
}

impl Blame {
    /// The word for logs and metrics.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Client => "client",
            Self::Plugin => "plugin",
            Self::Upstream => "upstream",
            Self::Gateway => "gateway",
        }
    }
}

impl Problem {
    /// The status of the answer.
    pub fn status(self) -> StatusCode {
        match self {
            Self::Malformed(_) | Self::BadSettings => StatusCode::BAD_REQUEST,
            Self::Unauthorized => StatusCode::UNAUTHORIZED,
            Self::Forbidden => StatusCode::FORBIDDEN,
            Self::NoRoute | Self::NoPage => StatusCode::NOT_FOUND,
            Self::ReadOnly | Self::NoSuchVerb => StatusCode::METHOD_NOT_ALLOWED,
            Self::RequestTimeout => StatusCode::REQUEST_TIMEOUT,
            Self::BodyTooLarge => StatusCode::PAYLOAD_TOO_LARGE,
            Self::TargetTooLong => StatusCode::URI_TOO_LONG,
            Self::TooManyRequests => StatusCode::TOO_MANY_REQUESTS,
            Self::HeadersTooLarge => StatusCode::REQUEST_HEADER_FIELDS_TOO_LARGE,
            Self::Internal => StatusCode::INTERNAL_SERVER_ERROR,
            Self::UpstreamFailed | Self::UpstreamMalformed | Self::ResponseTooLarge => StatusCode::BAD_GATEWAY,
            Self::NoEndpoint | Self::PluginFailed | Self::Overloaded | Self::Draining | Self::NotReady => {
                StatusCode::SERVICE_UNAVAILABLE
            }
            Self::UpstreamTimeout => StatusCode::GATEWAY_TIMEOUT,
        }
    }

    /// Whose fault it was.
    pub fn blame(self) -> Blame {
        match self {
            Self::PluginFailed => Blame::Plugin,
            Self::UpstreamFailed
            | Self::UpstreamMalformed
            | Self::ResponseTooLarge
            | Self::NoEndpoint
            | Self::UpstreamTimeout => Blame::Upstream,
            Self::Internal | Self::Overloaded | Self::Draining | Self::NotReady => Blame::Gateway,
            _ => Blame::Client,
        }
    }

    /// A word that names the problem in logs, in `response.code_details` and in the body's `type`. Stable.
    pub fn code(self) -> &'static str {
        match self {
            Self::Malformed(what) => what.code(),
            Self::Unauthorized => "unauthorized",
            Self::Forbidden => "forbidden",
            Self::NoRoute => "no_route",
            Self::NoPage => "no_page",
            Self::ReadOnly => "read_only",
            Self::NoSuchVerb => "no_such_verb",
            Self::BadSettings => "bad_settings",
            Self::RequestTimeout => "request_timeout",
            Self::BodyTooLarge => "body_too_large",
            Self::TargetTooLong => "target_too_long",
            Self::TooManyRequests => "too_many_requests",
            Self::HeadersTooLarge => "headers_too_large",
            Self::Internal => "internal",
            Self::UpstreamFailed => "upstream_failed",
            Self::UpstreamMalformed => "upstream_malformed",
            Self::ResponseTooLarge => "response_too_large",
            Self::NoEndpoint => "no_endpoint",
            Self::PluginFailed => "plugin_failed",
            Self::Overloaded => "overloaded",
            Self::Draining => "draining",
            Self::NotReady => "not_ready",
            Self::UpstreamTimeout => "upstream_timeout",
        }
    }

    /// One sentence for whoever sent the request.
    pub fn detail(self) -> &'static str {
        match self {
            Self::Malformed(what) => what.detail(),
            Self::Unauthorized => "A valid bearer token is needed.",
            Self::Forbidden => "Without a configured token this is answered on loopback only.",
            Self::NoRoute => "No route matches this request.",
            Self::NoPage => "There is no such page.",
            Self::ReadOnly => "Only GET and HEAD are answered here.",
            Self::NoSuchVerb => "Only GET, HEAD, PUT and DELETE are answered here.",
            Self::BadSettings => "The body is not what this page takes.",
            Self::RequestTimeout => "The request took too long to arrive.",
            Self::BodyTooLarge => "The request body is larger than allowed.",
            Self::TargetTooLong => "The request target is longer than allowed.",
            Self::TooManyRequests => "Too many requests; try again later.",
            Self::HeadersTooLarge => "The header section is larger than allowed.",
            Self::Internal => "The gateway failed to handle this request.",
            Self::UpstreamFailed => "The upstream did not answer.",
            Self::UpstreamMalformed => "The upstream's answer could not be understood.",
            Self::ResponseTooLarge => "The upstream's answer is larger than a plugin may keep.",
            Self::NoEndpoint => "The upstream has no endpoint available.",
            Self::PluginFailed => "A plugin failed, and its requests are denied.",
            Self::Overloaded => "The gateway is at a limit; try again later.",
            Self::Draining => "The gateway is going down; try again.",
            Self::NotReady => "The gateway is starting or going down.",
            Self::UpstreamTimeout => "The upstream did not answer in time.",
        }
    }

    /// Fields that belong to the status by its definition.
    fn add_fields(self, headers: &mut HeaderMap) {
        match self {
            Self::Unauthorized => headers.insert(WWW_AUTHENTICATE, HeaderValue::from_static("Bearer")),
            Self::ReadOnly => headers.insert(ALLOW, HeaderValue::from_static("GET, HEAD")),
            Self::NoSuchVerb => headers.insert(ALLOW, HeaderValue::from_static("GET, HEAD, PUT, DELETE")),
            Self::TooManyRequests | Self::Overloaded | Self::Draining => {
                headers.insert(RETRY_AFTER, HeaderValue::from_static("1"))
            }
            _ => None,
        };
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
    explain(problem, problem.detail(), request_id)
}

/// The same with a detail of its own. For operators only: what it says reaches whoever asked.
pub fn explain(problem: Problem, detail: &str, request_id: Option<&HeaderValue>) -> (ResponseHead, Bytes) {
    let status = problem.status();
    let body = Body {
        r#type: &format!("urn:lockgate:problem:{}", problem.code()),
        title: status.canonical_reason().unwrap_or("Error"),
        status: status.as_u16(),
        detail,
        request_id: request_id.and_then(|id| id.to_str().ok()),
    };
    let body = serde_json::to_vec(&body).expect("strings and a number always serialise");
    let mut headers = HeaderMap::with_capacity(4);
    headers.insert(CONTENT_TYPE, HeaderValue::from_static("application/problem+json"));
    problem.add_fields(&mut headers);
    (ResponseHead { status, headers }, Bytes::from(body))
}

#[cfg(test)]
mod tests {
    use super::*;

    const ALL: [Problem; 23] = [
        Problem::Malformed(Malformed::HostMissing),
        Problem::Unauthorized,
        Problem::Forbidden,
        Problem::NoRoute,
        Problem::NoPage,
        Problem::ReadOnly,
        Problem::NoSuchVerb,
        Problem::BadSettings,
        Problem::RequestTimeout,
        Problem::BodyTooLarge,
        Problem::TargetTooLong,
        Problem::TooManyRequests,
        Problem::HeadersTooLarge,
        Problem::Internal,
        Problem::UpstreamFailed,
        Problem::UpstreamMalformed,
        Problem::ResponseTooLarge,
        Problem::NoEndpoint,
        Problem::PluginFailed,
        Problem::Overloaded,
        Problem::Draining,
        Problem::NotReady,
        Problem::UpstreamTimeout,
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
    fn client_errors_blame_the_client_and_server_errors_never_do() {
        for problem in ALL {
            assert_eq!(
                problem.status().is_client_error(),
                problem.blame() == Blame::Client,
                "{problem:?}"
            );
        }
    }

    #[test]
    fn the_statuses_are_the_contracts() {
        let status = |problem: Problem| problem.status().as_u16();
        assert_eq!(status(Malformed::Target.into()), 400);
        assert_eq!(status(Problem::NoRoute), 404);
        assert_eq!(status(Problem::RequestTimeout), 408);
        assert_eq!(status(Problem::BodyTooLarge), 413);
        assert_eq!(status(Problem::TargetTooLong), 414);
        assert_eq!(status(Problem::TooManyRequests), 429);
        assert_eq!(status(Problem::HeadersTooLarge), 431);
        assert_eq!(status(Problem::UpstreamFailed), 502);
        assert_eq!(status(Problem::NoEndpoint), 503);
        assert_eq!(status(Problem::PluginFailed), 503);
        assert_eq!(status(Problem::UpstreamTimeout), 504);
    }

    #[test]
    fn a_limit_says_when_to_come_back() {
        let (head, _) = respond(Problem::Overloaded, None);
        assert_eq!(head.headers[RETRY_AFTER], "1");
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
