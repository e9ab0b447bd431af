//! `/api/trace`: the switch of the host call trace.

use lockgate_control::Handle;
use lockgate_telemetry::call_trace::TraceRule;

use super::{Call, body};
use crate::error::ApiError;
use crate::response::{ApiResponse, json};

pub(crate) fn status(handle: &Handle) -> Result<ApiResponse, ApiError> {
    json(&handle.trace().report())
}

pub(crate) async fn start(handle: &Handle, call: Call) -> Result<ApiResponse, ApiError> {
    let rule = TraceRule::read(&body::read(call.body).await?).map_err(ApiError::InvalidBody)?;
    tracing::info!(requests = rule.requests, duration = %rule.duration, "host call trace on");
    handle.trace().begin(rule);
    status(handle)
}

pub(crate) fn stop(handle: &Handle) -> Result<ApiResponse, ApiError> {
    tracing::info!("host call trace off: switched off by request");
    handle.trace().end();
    status(handle)
}
