//! `/api/log`: the levels of the process's log.

use lockgate_telemetry::log_filter::{self, LogRule};

use super::{Call, body};
use crate::error::ApiError;
use crate::response::{ApiResponse, json};

pub(crate) fn status() -> Result<ApiResponse, ApiError> {
    json(&log_filter::report().ok_or(ApiError::NotReady)?)
}

pub(crate) async fn set(call: Call) -> Result<ApiResponse, ApiError> {
    let rule: LogRule = body::read_json(call.body).await?;
    let number = log_filter::set(&rule).map_err(ApiError::InvalidBody)?;
    tracing::info!(filter = rule.filter, duration = %rule.duration, "log levels changed for a while");
    tokio::spawn(async move {
        tokio::time::sleep(rule.duration.0).await;
        log_filter::end(Some(number));
    });
    status()
}

pub(crate) fn reset() -> Result<ApiResponse, ApiError> {
    log_filter::end(None);
    status()
}
