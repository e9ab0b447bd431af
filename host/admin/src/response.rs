//! Responses in JSON and in plain text.

use bytes::Bytes;
use http::header::CONTENT_TYPE;
use http::{HeaderValue, Response};
use http_body_util::Full;

use crate::error::ApiError;

/// A response of the API.
pub(crate) type ApiResponse = Response<Full<Bytes>>;

pub(crate) fn json(value: &impl serde::Serialize) -> Result<ApiResponse, ApiError> {
    match serde_json::to_vec(value) {
        Ok(body) => Ok(text("application/json", body)),
        Err(error) => {
            tracing::error!(%error, "admin API: response cannot be written as JSON");
            Err(ApiError::Internal)
        }
    }
}

pub(crate) fn text(kind: &'static str, body: impl Into<Bytes>) -> ApiResponse {
    let mut response = Response::new(Full::new(body.into()));
    response
        .headers_mut()
        .insert(CONTENT_TYPE, HeaderValue::from_static(kind));
    response
}
