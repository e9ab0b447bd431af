//! `/api/trace`: the switch of the host call trace.

use std::time::Duration;

use bytes::Bytes;
use http_body_util::{BodyExt, LengthLimitError, Limited};
use hyper::body::Incoming;
use lockgate_control::Handle;
use lockgate_telemetry::call_trace::TraceRule;

use super::Call;
use crate::error::ApiError;
use crate::response::{ApiResponse, json};

/// Maximum bytes of a rule.
const MAX_RULE: usize = 64 * 1024;
/// Maximum time for a body to arrive.
const BODY_TIMEOUT: Duration = Duration::from_secs(10);

pub(crate) fn status(handle: &Handle) -> Result<ApiResponse, ApiError> {
    json(&handle.trace().report())
}

pub(crate) async fn start(handle: &Handle, call: Call) -> Result<ApiResponse, ApiError> {
    let rule = TraceRule::read(&read(call.body).await?).map_err(ApiError::InvalidBody)?;
    tracing::info!(requests = rule.requests, duration = %rule.duration, "host call trace on");
    handle.trace().begin(rule);
    status(handle)
}

pub(crate) fn stop(handle: &Handle) -> Result<ApiResponse, ApiError> {
    tracing::info!("host call trace off: switched off by request");
    handle.trace().end();
    status(handle)
}

async fn read(body: Incoming) -> Result<Bytes, ApiError> {
    let read = Limited::new(body, MAX_RULE).collect();
    match tokio::time::timeout(BODY_TIMEOUT, read).await {
        Ok(Ok(body)) => Ok(body.to_bytes()),
        Ok(Err(error)) if error.is::<LengthLimitError>() => Err(ApiError::BodyTooLarge),
        _ => Err(ApiError::RequestTimeout),
    }
}
