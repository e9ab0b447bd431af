//! `/api/routes`.

use lockgate_control::Handle;

use crate::error::ApiError;
use crate::response::{ApiResponse, json};

pub(crate) async fn list(handle: &Handle) -> Result<ApiResponse, ApiError> {
    let status = handle.status().ok_or(ApiError::NotReady)?;
    json(&status.routes())
}
