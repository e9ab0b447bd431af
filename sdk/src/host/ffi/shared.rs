//! The host calls for shared data, metrics and queues. The two rules of `ffi` hold.

use super::{optional_bytes, returned_bytes};
use crate::abi::{MetricKind, Status};

#[link(wasm_import_module = "env")]
unsafe extern "C" {
    fn proxy_get_shared_data(
        key: *const u8,
        key_size: usize,
        data: *mut *mut u8,
        size: *mut usize,
        cas: *mut u32,
    ) -> u32;
    fn proxy_set_shared_data(key: *const u8, key_size: usize, value: *const u8, size: usize, cas: u32) -> u32;
    fn proxy_define_metric(kind: u32, name: *const u8, size: usize, id: *mut u32) -> u32;
    fn proxy_increment_metric(id: u32, offset: i64) -> u32;
    fn proxy_record_metric(id: u32, value: u64) -> u32;
    fn proxy_get_metric(id: u32, value: *mut u64) -> u32;
    fn proxy_register_shared_queue(name: *const u8, size: usize, id: *mut u32) -> u32;
    fn proxy_resolve_shared_queue(vm: *const u8, vm_size: usize, name: *const u8, size: usize, id: *mut u32) -> u32;
    fn proxy_enqueue_shared_queue(id: u32, message: *const u8, size: usize) -> u32;
    fn proxy_dequeue_shared_queue(id: u32, data: *mut *mut u8, size: *mut usize) -> u32;
}

pub(crate) fn shared_data(key: &str) -> Result<Option<(Vec<u8>, u32)>, Status> {
    let mut cas = 0;
    // SAFETY: both rules of `ffi`, and the host writes one u32.
    let value =
        optional_bytes(|data, size| unsafe { proxy_get_shared_data(key.as_ptr(), key.len(), data, size, &mut cas) })?;
    Ok(value.map(|value| (value, cas)))
}

pub(crate) fn set_shared_data(key: &str, value: &[u8], cas: u32) -> Result<(), Status> {
    // SAFETY: the first rule of `ffi`.
    Status::check(unsafe { proxy_set_shared_data(key.as_ptr(), key.len(), value.as_ptr(), value.len(), cas) })
}

pub(crate) fn define_metric(kind: MetricKind, name: &str) -> Result<u32, Status> {
    let mut id = 0;
    // SAFETY: the first rule of `ffi`, and the host writes one u32.
    Status::check(unsafe { proxy_define_metric(kind as u32, name.as_ptr(), name.len(), &mut id) })?;
    Ok(id)
}

pub(crate) fn increment_metric(id: u32, offset: i64) -> Result<(), Status> {
    // SAFETY: no memory is passed.
    Status::check(unsafe { proxy_increment_metric(id, offset) })
}

pub(crate) fn record_metric(id: u32, value: u64) -> Result<(), Status> {
    // SAFETY: no memory is passed.
    Status::check(unsafe { proxy_record_metric(id, value) })
}

pub(crate) fn metric(id: u32) -> Result<u64, Status> {
    let mut value = 0;
    // SAFETY: the host writes one u64.
    Status::check(unsafe { proxy_get_metric(id, &mut value) })?;
    Ok(value)
}

pub(crate) fn register_queue(name: &str) -> Result<u32, Status> {
    let mut id = 0;
    // SAFETY: the first rule of `ffi`, and the host writes one u32.
    Status::check(unsafe { proxy_register_shared_queue(name.as_ptr(), name.len(), &mut id) })?;
    Ok(id)
}

pub(crate) fn resolve_queue(vm: &str, name: &str) -> Result<u32, Status> {
    let mut id = 0;
    // SAFETY: the first rule of `ffi`, and the host writes one u32.
    Status::check(unsafe { proxy_resolve_shared_queue(vm.as_ptr(), vm.len(), name.as_ptr(), name.len(), &mut id) })?;
    Ok(id)
}

pub(crate) fn enqueue(id: u32, message: &[u8]) -> Result<(), Status> {
    // SAFETY: the first rule of `ffi`.
    Status::check(unsafe { proxy_enqueue_shared_queue(id, message.as_ptr(), message.len()) })
}

pub(crate) fn dequeue(id: u32) -> Result<Vec<u8>, Status> {
    // SAFETY: the second rule of `ffi`.
    returned_bytes(|data, size| unsafe { proxy_dequeue_shared_queue(id, data, size) })
}
