//! `/healthz`, `/readyz`, `/metrics`.

use lockgate_control::{Handle, Readiness};
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
    match handle.readiness() {
        Readiness::Ready => json(&HealthReport { status: "ready" }),
        Readiness::NotRunning => Err(ApiError::NotReady),
        Readiness::PluginNotStarted { worker, failure } => Err(ApiError::PluginNotStarted {
            worker,
            plugin: failure.plugin,
        }),
    }
}

pub(crate) fn metrics(handle: &Handle) -> Result<ApiResponse, ApiError> {
    Ok(text("text/plain; version=0.0.4; charset=utf-8", handle.metrics()))
}
