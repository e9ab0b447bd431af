//! `/healthz`, `/readyz`, `/metrics`.

use lockgate_control::Handle;
use schemars::JsonSchema;
use serde::Serialize;

use crate::error::ApiError;
use crate::response::{ApiResponse, json, text};

/// A health report.
#[derive(Debug, Serialize, JsonSchema)]
pub(crate) struct HealthReport {
    /// `ok` or `ready`.
    status: &'static str,
}

pub(crate) fn health() -> Result<ApiResponse, ApiError> {
    json(&HealthReport { status: "ok" })
}

pub(crate) fn readiness(handle: &Handle) -> Result<ApiResponse, ApiError> {
    if handle.is_ready() {
        json(&HealthReport { status: "ready" })
    } else {
        Err(ApiError::NotReady)
    }
}

pub(crate) fn metrics(handle: &Handle) -> Result<ApiResponse, ApiError> {
    Ok(text("text/plain; version=0.0.4; charset=utf-8", handle.metrics()))
}
