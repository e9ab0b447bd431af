//! Errors of the admin API: status, code and body (RFC 9457) of each.

use bytes::Bytes;
use http::header::{ALLOW, WWW_AUTHENTICATE};
use http::{HeaderValue, StatusCode};
use lockgate_control::ChangeError;
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
    /// 403: no token is configured, and the client is not on loopback, or is a web page of another origin.
    Forbidden,
    /// 404: the path, or the name in it, is unknown.
    NotFound,
    /// 404: a name in the path is unknown; which, and which there are.
    UnknownName(String),
    /// 405: the path has only these methods.
    MethodNotAllowed(String),
    /// 408: the body took too long to arrive.
    RequestTimeout,
    /// 409: what is there now does not permit the change, and why.
    Conflict(String),
    /// 413: the body is larger than the call accepts.
    BodyTooLarge,
    /// 422: the body, or an address in the path, is invalid; every mistake with its place.
    Unprocessable(String),
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
            Self::NotFound | Self::UnknownName(_) => StatusCode::NOT_FOUND,
            Self::MethodNotAllowed(_) => StatusCode::METHOD_NOT_ALLOWED,
            Self::RequestTimeout => StatusCode::REQUEST_TIMEOUT,
            Self::Conflict(_) => StatusCode::CONFLICT,
            Self::BodyTooLarge => StatusCode::PAYLOAD_TOO_LARGE,
            Self::Unprocessable(_) => StatusCode::UNPROCESSABLE_ENTITY,
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
            Self::UnknownName(_) => "unknown_name",
            Self::MethodNotAllowed(_) => "method_not_allowed",
            Self::RequestTimeout => "request_timeout",
            Self::Conflict(_) => "conflict",
            Self::BodyTooLarge => "body_too_large",
            Self::Unprocessable(_) => "unprocessable",
            Self::Internal => "internal",
            Self::NotReady => "not_ready",
            Self::PluginNotStarted { .. } => "plugin_not_started",
        }
    }

    /// One sentence for the client.
    pub fn detail(&self) -> String {
        match self {
            Self::Malformed(what) => what.detail().to_owned(),
            Self::InvalidQuery(reason)
            | Self::InvalidBody(reason)
            | Self::UnknownName(reason)
            | Self::Conflict(reason)
            | Self::Unprocessable(reason) => reason.clone(),
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

impl From<ChangeError> for ApiError {
    fn from(error: ChangeError) -> Self {
        let text = error.to_string();
        match error {
            ChangeError::UnknownUpstream { .. } | ChangeError::UnknownEndpoint { .. } => Self::UnknownName(text),
            ChangeError::Conflict(_) => Self::Conflict(text),
            ChangeError::Invalid { .. } => Self::Unprocessable(text),
        }
    }
}

impl From<Malformed> for ApiError {
    fn from(what: Malformed) -> Self {
        Self::Malformed(what)
    }
}
