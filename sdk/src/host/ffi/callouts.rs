//! The host calls for callouts: HTTP, gRPC calls and gRPC streams. The two rules of `ffi` hold.

use super::returned_bytes;
use crate::abi::Status;

#[link(wasm_import_module = "env")]
unsafe extern "C" {
    fn proxy_http_call(
        upstream: *const u8,
        upstream_size: usize,
        headers: *const u8,
        headers_size: usize,
        body: *const u8,
        body_size: usize,
        trailers: *const u8,
        trailers_size: usize,
        timeout: u32,
        id: *mut u32,
    ) -> u32;
    fn proxy_grpc_call(
        upstream: *const u8,
        upstream_size: usize,
        service: *const u8,
        service_size: usize,
        method: *const u8,
        method_size: usize,
        metadata: *const u8,
        metadata_size: usize,
        message: *const u8,
        message_size: usize,
        timeout: u32,
        id: *mut u32,
    ) -> u32;
    fn proxy_grpc_stream(
        upstream: *const u8,
        upstream_size: usize,
        service: *const u8,
        service_size: usize,
        method: *const u8,
        method_size: usize,
        metadata: *const u8,
        metadata_size: usize,
        id: *mut u32,
    ) -> u32;
    fn proxy_grpc_send(id: u32, message: *const u8, size: usize, end: u32) -> u32;
    fn proxy_grpc_close(id: u32) -> u32;
    fn proxy_grpc_cancel(id: u32) -> u32;
    fn proxy_get_status(code: *mut u32, data: *mut *mut u8, size: *mut usize) -> u32;
}

pub(crate) fn http_call(upstream: &str, headers: &[u8], body: &[u8], milliseconds: u32) -> Result<u32, Status> {
    let no_trailers = 0u32.to_le_bytes();
    let mut id = 0;
    // SAFETY: the first rule of `ffi`, and the host writes one u32.
    Status::check(unsafe {
        proxy_http_call(
            upstream.as_ptr(),
            upstream.len(),
            headers.as_ptr(),
            headers.len(),
            body.as_ptr(),
            body.len(),
            no_trailers.as_ptr(),
            no_trailers.len(),
            milliseconds,
            &mut id,
        )
    })?;
    Ok(id)
}

/// `target` is the upstream, the service and the method.
pub(crate) fn grpc_call(
    target: (&str, &str, &str),
    metadata: &[u8],
    message: &[u8],
    milliseconds: u32,
) -> Result<u32, Status> {
    let (upstream, service, method) = target;
    let mut id = 0;
    // SAFETY: the first rule of `ffi`, and the host writes one u32.
    Status::check(unsafe {
        proxy_grpc_call(
            upstream.as_ptr(),
            upstream.len(),
            service.as_ptr(),
            service.len(),
            method.as_ptr(),
            method.len(),
            metadata.as_ptr(),
            metadata.len(),
            message.as_ptr(),
            message.len(),
            milliseconds,
            &mut id,
        )
    })?;
    Ok(id)
}

/// `target` is the upstream, the service and the method.
pub(crate) fn grpc_stream(target: (&str, &str, &str), metadata: &[u8]) -> Result<u32, Status> {
    let (upstream, service, method) = target;
    let mut id = 0;
    // SAFETY: the first rule of `ffi`, and the host writes one u32.
    Status::check(unsafe {
        proxy_grpc_stream(
            upstream.as_ptr(),
            upstream.len(),
            service.as_ptr(),
            service.len(),
            method.as_ptr(),
            method.len(),
            metadata.as_ptr(),
            metadata.len(),
            &mut id,
        )
    })?;
    Ok(id)
}

pub(crate) fn grpc_send(id: u32, message: &[u8], end: bool) -> Result<(), Status> {
    // SAFETY: the first rule of `ffi`.
    Status::check(unsafe { proxy_grpc_send(id, message.as_ptr(), message.len(), u32::from(end)) })
}

pub(crate) fn grpc_close(id: u32) -> Result<(), Status> {
    // SAFETY: no memory is passed.
    Status::check(unsafe { proxy_grpc_close(id) })
}

pub(crate) fn grpc_cancel(id: u32) -> Result<(), Status> {
    // SAFETY: no memory is passed.
    Status::check(unsafe { proxy_grpc_cancel(id) })
}

pub(crate) fn call_status() -> Result<(u32, Vec<u8>), Status> {
    let mut code = 0;
    // SAFETY: the second rule of `ffi`, and the host writes one u32.
    let message = returned_bytes(|data, size| unsafe { proxy_get_status(&mut code, data, size) })?;
    Ok((code, message))
}
