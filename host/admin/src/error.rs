//! Errors of the admin API: status, code and body (RFC 9457) of each.

use bytes::Bytes;
use http::header::{ALLOW, WWW_AUTHENTICATE};
use http::{HeaderValue, StatusCode};
use lockgate_exchange::ResponseHead;
use lockgate_http::problem::{Malformed, document};

/// Why a call failed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum ApiError {
    /// 400: the request is malformed or ambiguous.
    Malformed(Malformed),
    /// 400: the query is invalid, and why.
    InvalidQuery(String),
    /// 400: the body is invalid, and why.
    InvalidBody(String),
    /// 401: the bearer token is missing or wrong.
    Unauthorized,
    /// 403: no token is configured, and the client is not on loopback.
    Forbidden,
    /// 404: the path, or the name in it, is unknown.
    NotFound,
    /// 405: the path has only these methods.
    MethodNotAllowed(String),
    /// 408: the body took too long to arrive.
    RequestTimeout,
    /// 413: the body is larger than the call accepts.
    BodyTooLarge,
    /// 500: the response could not be written as JSON.
    Internal,
    /// 503: the gateway starts or drains.
    NotReady,
    /// 503: a plugin did not start on a worker.
    PluginNotStarted {
        /// The worker's number.
        worker: usize,
        /// The plugin's name.
        plugin: String,
    },
}

impl ApiError {
    /// The status of the response.
    pub fn status(&self) -> StatusCode {
        match self {
            Self::Malformed(_) | Self::InvalidQuery(_) | Self::InvalidBody(_) => StatusCode::BAD_REQUEST,
            Self::Unauthorized => StatusCode::UNAUTHORIZED,
            Self::Forbidden => StatusCode::FORBIDDEN,
            Self::NotFound => StatusCode::NOT_FOUND,
            Self::MethodNotAllowed(_) => StatusCode::METHOD_NOT_ALLOWED,
            Self::RequestTimeout => StatusCode::REQUEST_TIMEOUT,
            Self::BodyTooLarge => StatusCode::PAYLOAD_TOO_LARGE,
            Self::Internal => StatusCode::INTERNAL_SERVER_ERROR,
            Self::NotReady | Self::PluginNotStarted { .. } => StatusCode::SERVICE_UNAVAILABLE,
        }
    }

    /// The last part of the body's `type`. Stable.
    pub fn code(&self) -> &'static str {
        match self {
            Self::Malformed(what) => what.code(),
            Self::InvalidQuery(_) => "invalid_query",
            Self::InvalidBody(_) => "invalid_body",
            Self::Unauthorized => "unauthorized",
            Self::Forbidden => "forbidden",
            Self::NotFound => "not_found",
            Self::MethodNotAllowed(_) => "method_not_allowed",
            Self::RequestTimeout => "request_timeout",
            Self::BodyTooLarge => "body_too_large",
            Self::Internal => "internal",
            Self::NotReady => "not_ready",
            Self::PluginNotStarted { .. } => "plugin_not_started",
        }
    }

    /// One sentence for the client.
    pub fn detail(&self) -> String {
        match self {
            Self::Malformed(what) => what.detail().to_owned(),
            Self::InvalidQuery(reason) | Self::InvalidBody(reason) => reason.clone(),
            Self::Unauthorized => "A valid bearer token is required.".to_owned(),
            Self::Forbidden => "No token is configured, so only loopback clients are answered.".to_owned(),
            Self::NotFound => "This path is unknown.".to_owned(),
            Self::MethodNotAllowed(methods) => format!("This path has the methods {methods}."),
            Self::RequestTimeout => "The request did not arrive in time.".to_owned(),
            Self::BodyTooLarge => "The request body is larger than allowed.".to_owned(),
            Self::Internal => "The response could not be written.".to_owned(),
            Self::NotReady => "The gateway is starting or shutting down.".to_owned(),
            // Why is in the log and in /api/plugins: this path needs no token.
            Self::PluginNotStarted { worker, plugin } => {
                format!("The plugin \"{plugin}\" has not started on worker {worker}; its requests are denied there.")
            }
        }
    }

    /// The response, with the headers that its status requires.
    pub(crate) fn respond(&self, request_id: &HeaderValue) -> (ResponseHead, Bytes) {
        let (mut head, body) = document(self.status(), self.code(), &self.detail(), Some(request_id));
        match self {
            Self::Unauthorized => head
                .headers
                .insert(WWW_AUTHENTICATE, HeaderValue::from_static("Bearer")),
            Self::MethodNotAllowed(methods) => HeaderValue::from_str(methods)
                .ok()
                .and_then(|methods| head.headers.insert(ALLOW, methods)),
            _ => None,
        };
        (head, body)
    }
}

impl From<Malformed> for ApiError {
    fn from(what: Malformed) -> Self {
        Self::Malformed(what)
    }
}
