//! The host of a wasm module: the raw imports of the ABI, and the exports that every module needs. `unsafe` code stands
//! in this module alone. Each function makes one host call and turns its status into a `Result`. `memory` has the same
//! functions for native builds.
//!
//! Two rules make the `unsafe` code sound. First: a host only reads memory that it is passed, and only during the call.
//! Second: bytes that a host returns lie in memory from [`proxy_on_memory_allocate`], of exactly the size that the host
//! reports, and belong to the module after the call; or they lie in `scratch`.

#[cfg(feature = "allocator")]
mod allocator;
mod callouts;
#[cfg(feature = "allocator")]
mod heap;
mod scratch;
mod shared;

use std::ptr::null_mut;

use crate::abi::{Buffer, Direction, LogLevel, Map, Status};
use crate::text::push_number;

pub(crate) use callouts::*;
pub(crate) use shared::*;

#[link(wasm_import_module = "env")]
unsafe extern "C" {
    fn proxy_log(level: u32, message: *const u8, size: usize) -> u32;
    fn proxy_get_log_level(level: *mut u32) -> u32;
    fn proxy_get_current_time_nanoseconds(time: *mut u64) -> u32;
    fn proxy_set_tick_period_milliseconds(period: u32) -> u32;
    fn proxy_get_buffer_bytes(kind: u32, start: usize, max: usize, data: *mut *mut u8, size: *mut usize) -> u32;
    fn proxy_set_buffer_bytes(kind: u32, start: usize, size: usize, data: *const u8, length: usize) -> u32;
    fn proxy_get_header_map_pairs(map: u32, data: *mut *mut u8, size: *mut usize) -> u32;
    fn proxy_set_header_map_pairs(map: u32, data: *const u8, size: usize) -> u32;
    fn proxy_get_header_map_value(
        map: u32,
        name: *const u8,
        name_size: usize,
        data: *mut *mut u8,
        size: *mut usize,
    ) -> u32;
    fn proxy_add_header_map_value(map: u32, name: *const u8, name_size: usize, value: *const u8, size: usize) -> u32;
    fn proxy_replace_header_map_value(
        map: u32,
        name: *const u8,
        name_size: usize,
        value: *const u8,
        size: usize,
    ) -> u32;
    fn proxy_remove_header_map_value(map: u32, name: *const u8, name_size: usize) -> u32;
    fn proxy_continue_stream(stream: u32) -> u32;
    fn proxy_close_stream(stream: u32) -> u32;
    fn proxy_send_local_response(
        status: u32,
        details: *const u8,
        details_size: usize,
        body: *const u8,
        body_size: usize,
        headers: *const u8,
        headers_size: usize,
        grpc_status: i32,
    ) -> u32;
    fn proxy_get_property(path: *const u8, path_size: usize, data: *mut *mut u8, size: *mut usize) -> u32;
    fn proxy_set_property(path: *const u8, path_size: usize, value: *const u8, size: usize) -> u32;
    fn proxy_call_foreign_function(
        name: *const u8,
        name_size: usize,
        argument: *const u8,
        argument_size: usize,
        data: *mut *mut u8,
        size: *mut usize,
    ) -> u32;
    fn proxy_set_effective_context(id: u32) -> u32;
    fn proxy_done() -> u32;
}

#[link(wasm_import_module = "wasi_snapshot_preview1")]
unsafe extern "C" {
    fn random_get(data: *mut u8, size: usize) -> u32;
}

unsafe extern "C" {
    /// The linker's: runs the constructors of this module.
    fn __wasm_call_ctors();
}

/// Declares the ABI version of this module.
#[unsafe(no_mangle)]
extern "C" fn proxy_abi_version_0_2_1() {}

/// Allocates memory for bytes that the host returns.
#[unsafe(no_mangle)]
extern "C" fn proxy_on_memory_allocate(size: usize) -> *mut u8 {
    let memory: Box<[std::mem::MaybeUninit<u8>]> = Box::new_uninit_slice(size);
    Box::into_raw(memory).cast()
}

/// Initializes the module. The host calls it once, before every other export.
#[unsafe(no_mangle)]
extern "C" fn _initialize() {
    // SAFETY: a reactor module must run its constructors once, before any other export; the host calls this first.
    unsafe { __wasm_call_ctors() };
    std::panic::set_hook(Box::new(|panic| {
        let mut line = "the plugin panicked".to_owned();
        if let Some(place) = panic.location() {
            line = [&line, " at ", place.file(), ":"].concat();
            push_number(&mut line, u64::from(place.line()));
        }
        line = [&line, ": ", panic.payload_as_str().unwrap_or("no message")].concat();
        log(LogLevel::Critical, &line);
    }));
}

/// The bytes that a host call has returned.
fn returned_bytes(call: impl FnOnce(*mut *mut u8, *mut usize) -> u32) -> Result<Vec<u8>, Status> {
    let (mut data, mut size) = (null_mut(), 0);
    Status::check(call(&mut data, &mut size))?;
    if data.is_null() || size == 0 {
        return Ok(Vec::new());
    }
    if let Some(bytes) = scratch::copied(data, size) {
        return Ok(bytes);
    }
    // SAFETY: the second rule above: this is a boxed slice of `size` bytes that the host no longer uses.
    Ok(unsafe { Vec::from_raw_parts(data, size, size) })
}

/// As [`returned_bytes`]; `NOT_FOUND` is `None`.
fn optional_bytes(call: impl FnOnce(*mut *mut u8, *mut usize) -> u32) -> Result<Option<Vec<u8>>, Status> {
    match returned_bytes(call) {
        Ok(bytes) => Ok(Some(bytes)),
        Err(Status::NotFound) => Ok(None),
        Err(status) => Err(status),
    }
}

pub(crate) fn log(level: LogLevel, message: &str) {
    // SAFETY: the first rule above. An error is ignored, as there is nowhere to log it.
    let _ = unsafe { proxy_log(level as u32, message.as_ptr(), message.len()) };
}

pub(crate) fn log_level() -> Result<u32, Status> {
    let mut level = 0;
    // SAFETY: the host writes one u32.
    Status::check(unsafe { proxy_get_log_level(&mut level) })?;
    Ok(level)
}

pub(crate) fn time_nanoseconds() -> Result<u64, Status> {
    let mut time = 0;
    // SAFETY: the host writes one u64.
    Status::check(unsafe { proxy_get_current_time_nanoseconds(&mut time) })?;
    Ok(time)
}

pub(crate) fn set_tick_period(milliseconds: u32) -> Result<(), Status> {
    // SAFETY: no memory is passed.
    Status::check(unsafe { proxy_set_tick_period_milliseconds(milliseconds) })
}

pub(crate) fn buffer(kind: Buffer, start: usize, max: usize) -> Result<Option<Vec<u8>>, Status> {
    // SAFETY: the second rule above.
    optional_bytes(|data, size| unsafe { proxy_get_buffer_bytes(kind as u32, start, max, data, size) })
}

pub(crate) fn set_buffer(kind: Buffer, start: usize, size: usize, bytes: &[u8]) -> Result<(), Status> {
    // SAFETY: the first rule above.
    Status::check(unsafe { proxy_set_buffer_bytes(kind as u32, start, size, bytes.as_ptr(), bytes.len()) })
}

pub(crate) fn headers(map: Map) -> Result<Option<Vec<u8>>, Status> {
    // SAFETY: the second rule above.
    optional_bytes(|data, size| unsafe { proxy_get_header_map_pairs(map as u32, data, size) })
}

pub(crate) fn set_headers(map: Map, pairs: &[u8]) -> Result<(), Status> {
    // SAFETY: the first rule above.
    Status::check(unsafe { proxy_set_header_map_pairs(map as u32, pairs.as_ptr(), pairs.len()) })
}

pub(crate) fn header(map: Map, name: &str) -> Result<Option<Vec<u8>>, Status> {
    // SAFETY: both rules above.
    optional_bytes(|data, size| unsafe {
        proxy_get_header_map_value(map as u32, name.as_ptr(), name.len(), data, size)
    })
}

pub(crate) fn add_header(map: Map, name: &str, value: &[u8]) -> Result<(), Status> {
    let (name_at, value_at) = (name.as_ptr(), value.as_ptr());
    // SAFETY: the first rule above.
    Status::check(unsafe { proxy_add_header_map_value(map as u32, name_at, name.len(), value_at, value.len()) })
}

pub(crate) fn set_header(map: Map, name: &str, value: &[u8]) -> Result<(), Status> {
    let (name_at, value_at) = (name.as_ptr(), value.as_ptr());
    // SAFETY: the first rule above.
    Status::check(unsafe { proxy_replace_header_map_value(map as u32, name_at, name.len(), value_at, value.len()) })
}

pub(crate) fn remove_header(map: Map, name: &str) -> Result<(), Status> {
    // SAFETY: the first rule above.
    Status::check(unsafe { proxy_remove_header_map_value(map as u32, name.as_ptr(), name.len()) })
}

pub(crate) fn continue_stream(direction: Direction) -> Result<(), Status> {
    // SAFETY: no memory is passed.
    Status::check(unsafe { proxy_continue_stream(direction as u32) })
}

pub(crate) fn close_stream(direction: Direction) -> Result<(), Status> {
    // SAFETY: no memory is passed.
    Status::check(unsafe { proxy_close_stream(direction as u32) })
}

pub(crate) fn send_local_response(
    status: u32,
    details: &str,
    headers: &[u8],
    body: &[u8],
    grpc_status: i32,
) -> Result<(), Status> {
    // SAFETY: the first rule above.
    Status::check(unsafe {
        proxy_send_local_response(
            status,
            details.as_ptr(),
            details.len(),
            body.as_ptr(),
            body.len(),
            headers.as_ptr(),
            headers.len(),
            grpc_status,
        )
    })
}

pub(crate) fn property(path: &str) -> Result<Option<Vec<u8>>, Status> {
    // SAFETY: both rules above.
    optional_bytes(|data, size| unsafe { proxy_get_property(path.as_ptr(), path.len(), data, size) })
}

pub(crate) fn set_property(path: &str, value: &[u8]) -> Result<(), Status> {
    // SAFETY: the first rule above.
    Status::check(unsafe { proxy_set_property(path.as_ptr(), path.len(), value.as_ptr(), value.len()) })
}

pub(crate) fn call_foreign_function(name: &str, argument: &[u8]) -> Result<Vec<u8>, Status> {
    let (name_at, argument_at) = (name.as_ptr(), argument.as_ptr());
    // SAFETY: both rules above.
    returned_bytes(|data, size| unsafe {
        proxy_call_foreign_function(name_at, name.len(), argument_at, argument.len(), data, size)
    })
}

pub(crate) fn set_effective_context(id: u32) -> Result<(), Status> {
    // SAFETY: no memory is passed.
    Status::check(unsafe { proxy_set_effective_context(id) })
}

pub(crate) fn done() -> Result<(), Status> {
    // SAFETY: no memory is passed.
    Status::check(unsafe { proxy_done() })
}

pub(crate) fn random() -> Result<u64, Status> {
    let mut bytes = [0; 8];
    // SAFETY: the host writes eight bytes.
    match unsafe { random_get(bytes.as_mut_ptr(), bytes.len()) } {
        0 => Ok(u64::from_le_bytes(bytes)),
        other => Err(Status::Other(other)),
    }
}
