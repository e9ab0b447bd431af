//! What the admin API answers when it does not do what it was asked, in the form of RFC 9457.

use bytes::Bytes;
use http::header::{ALLOW, WWW_AUTHENTICATE};
use http::{HeaderValue, StatusCode};
use lockgate_exchange::ResponseHead;
use lockgate_http::problem::{Malformed, document};

/// Why a call is refused.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum ApiError {
    /// 400: the request is ambiguous or breaks its protocol.
    Malformed(Malformed),
    /// 400: the body is not what the call takes, and why.
    InvalidBody(String),
    /// 401: a token is wanted.
    Unauthorized,
    /// 403: without a configured token only loopback is answered.
    Forbidden,
    /// 404: there is no such path, or nothing of that name.
    NotFound,
    /// 405: the path takes these methods only.
    MethodNotAllowed(&'static str),
    /// 408: the body took too long to arrive.
    RequestTimeout,
    /// 413: the body is larger than the call takes.
    BodyTooLarge,
    /// 503: there is no configuration yet, or the process is going down.
    NotReady,
}

impl ApiError {
    fn status(&self) -> StatusCode {
        match self {
            Self::Malformed(_) | Self::InvalidBody(_) => StatusCode::BAD_REQUEST,
            Self::Unauthorized => StatusCode::UNAUTHORIZED,
            Self::Forbidden => StatusCode::FORBIDDEN,
            Self::NotFound => StatusCode::NOT_FOUND,
            Self::MethodNotAllowed(_) => StatusCode::METHOD_NOT_ALLOWED,
            Self::RequestTimeout => StatusCode::REQUEST_TIMEOUT,
            Self::BodyTooLarge => StatusCode::PAYLOAD_TOO_LARGE,
            Self::NotReady => StatusCode::SERVICE_UNAVAILABLE,
        }
    }

    /// A word that names the error in the body's `type`. Stable.
    fn code(&self) -> &'static str {
        match self {
            Self::Malformed(what) => what.code(),
            Self::InvalidBody(_) => "invalid_body",
            Self::Unauthorized => "unauthorized",
            Self::Forbidden => "forbidden",
            Self::NotFound => "not_found",
            Self::MethodNotAllowed(_) => "method_not_allowed",
            Self::RequestTimeout => "request_timeout",
            Self::BodyTooLarge => "body_too_large",
            Self::NotReady => "not_ready",
        }
    }

    /// One sentence for whoever sent the request.
    fn detail(&self) -> String {
        match self {
            Self::Malformed(what) => what.detail().to_owned(),
            Self::InvalidBody(reason) => reason.clone(),
            Self::Unauthorized => "A valid bearer token is required.".to_owned(),
            Self::Forbidden => "No token is configured, so only loopback clients are answered.".to_owned(),
            Self::NotFound => "There is nothing at this path.".to_owned(),
            Self::MethodNotAllowed(methods) => format!("This path takes {methods}."),
            Self::RequestTimeout => "The request did not arrive in time.".to_owned(),
            Self::BodyTooLarge => "The request body is larger than allowed.".to_owned(),
            Self::NotReady => "The gateway is starting or shutting down.".to_owned(),
        }
    }

    /// The answer, with the fields that its status needs by definition.
    pub(crate) fn respond(&self, request_id: &HeaderValue) -> (ResponseHead, Bytes) {
        let (mut head, body) = document(self.status(), self.code(), &self.detail(), Some(request_id));
        match self {
            Self::Unauthorized => head
                .headers
                .insert(WWW_AUTHENTICATE, HeaderValue::from_static("Bearer")),
            Self::MethodNotAllowed(methods) => head.headers.insert(ALLOW, HeaderValue::from_static(methods)),
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
