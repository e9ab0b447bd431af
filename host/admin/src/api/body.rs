//! Bodies of calls: JSON, bounded in size and time.

use std::path::Path;
use std::time::Duration;

use bytes::Bytes;
use http_body_util::{BodyExt, LengthLimitError, Limited};
use hyper::body::Incoming;
use lockgate_config::FORMATS;
use lockgate_json::typed;
use schemars::JsonSchema;
use serde::de::DeserializeOwned;

use crate::error::ApiError;

/// Maximum bytes of a body.
const MAX_BODY: usize = 64 * 1024;
/// Maximum time for a body to arrive.
const BODY_TIMEOUT: Duration = Duration::from_secs(10);

/// The whole body.
///
/// # Errors
/// It is too large, or does not arrive in time.
pub(crate) async fn read(body: Incoming) -> Result<Bytes, ApiError> {
    let read = Limited::new(body, MAX_BODY).collect();
    match tokio::time::timeout(BODY_TIMEOUT, read).await {
        Ok(Ok(body)) => Ok(body.to_bytes()),
        Ok(Err(error)) if error.is::<LengthLimitError>() => Err(ApiError::BodyTooLarge),
        _ => Err(ApiError::RequestTimeout),
    }
}

/// The whole body, read as JSON of this type.
///
/// # Errors
/// As [`read`], or it is no such JSON.
pub(crate) async fn read_json<T: DeserializeOwned>(body: Incoming) -> Result<T, ApiError> {
    let body = read(body).await?;
    serde_json::from_slice(&body).map_err(|error| ApiError::InvalidBody(error.to_string()))
}

/// The whole body, read as JSON of this type; an empty one is `{}`.
///
/// # Errors
/// As [`read`], or [`ApiError::Unprocessable`] with every mistake and its place.
pub(crate) async fn read_located<T: DeserializeOwned + JsonSchema>(body: Incoming) -> Result<T, ApiError> {
    let mut text = read(body).await?.to_vec();
    if text.is_empty() {
        text = b"{}".to_vec();
    }
    let read = typed::read_text(Path::new("body"), text, FORMATS);
    read.map(|(value, _)| value)
        .map_err(|report| ApiError::Unprocessable(report.to_string()))
}
