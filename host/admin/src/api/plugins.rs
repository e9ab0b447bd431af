//! `/api/plugins` and below.

use std::time::Duration;

use lockgate_control::Handle;

use super::Call;
use crate::error::ApiError;
use crate::response::{ApiResponse, json, text};

/// Seconds of a profile without `seconds`.
const DEFAULT_PROFILE: u64 = 5;
/// Maximum seconds of a profile.
const MAX_PROFILE: u64 = 60;

pub(crate) async fn list(handle: &Handle) -> Result<ApiResponse, ApiError> {
    let status = handle.status().ok_or(ApiError::NotReady)?;
    json(&status.plugins().await)
}

pub(crate) async fn detail(handle: &Handle, call: Call) -> Result<ApiResponse, ApiError> {
    let status = handle.status().ok_or(ApiError::NotReady)?;
    json(&status.plugin(&call.name).await.ok_or(ApiError::NotFound)?)
}

pub(crate) async fn profile(handle: &Handle, call: Call) -> Result<ApiResponse, ApiError> {
    let status = handle.status().ok_or(ApiError::NotReady)?;
    let seconds = call.query.split('&').find_map(|pair| pair.strip_prefix("seconds="));
    let seconds = seconds
        .map_or(Ok(DEFAULT_PROFILE), str::parse)
        .map_err(|_| ApiError::InvalidQuery(format!("\"seconds\" is a number from 1 to {MAX_PROFILE}.")))?;
    let duration = Duration::from_secs(seconds.clamp(1, MAX_PROFILE));
    let stacks = status.profile(&call.name, duration).await.ok_or(ApiError::NotFound)?;
    Ok(text("text/plain; charset=utf-8", stacks))
}
