//! `/api/upstreams` and below, `/api/overlay`.

use lockgate_control::{EndpointChange, Handle, Registration, UpstreamChange};

use super::{Call, body};
use crate::error::ApiError;
use crate::response::{ApiResponse, json};

pub(crate) fn list(handle: &Handle) -> Result<ApiResponse, ApiError> {
    json(&handle.upstreams().list())
}

pub(crate) fn detail(handle: &Handle, call: &Call) -> Result<ApiResponse, ApiError> {
    json(&handle.upstreams().upstream(&call.name)?)
}

pub(crate) async fn change(handle: &Handle, call: Call) -> Result<ApiResponse, ApiError> {
    let change: UpstreamChange = body::read_located(call.body).await?;
    json(&handle.upstreams().change(&call.name, &change).await?)
}

pub(crate) async fn register(handle: &Handle, call: Call) -> Result<ApiResponse, ApiError> {
    let registration: Registration = body::read_located(call.body).await?;
    let registered = handle.upstreams().register(&call.name, &call.address, registration);
    json(&registered.await?)
}

pub(crate) async fn change_endpoint(handle: &Handle, call: Call) -> Result<ApiResponse, ApiError> {
    let change: EndpointChange = body::read_located(call.body).await?;
    let changed = handle.upstreams().change_endpoint(&call.name, &call.address, &change);
    json(&changed.await?)
}

pub(crate) async fn remove(handle: &Handle, call: Call) -> Result<ApiResponse, ApiError> {
    json(&handle.upstreams().remove(&call.name, &call.address).await?)
}

pub(crate) fn overlay(handle: &Handle) -> Result<ApiResponse, ApiError> {
    json(&handle.upstreams().overlay())
}
