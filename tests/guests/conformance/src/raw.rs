//! The host calls with their bare statuses. The `proxy-wasm` crate panics on a status that it does not expect; here the
//! status is the answer that is compared. Not a second SDK: only what a case needs to see.

use std::ptr::null_mut;

#[link(wasm_import_module = "env")]
unsafe extern "C" {
    fn proxy_log(level: u32, data: *const u8, size: usize) -> u32;
    fn proxy_get_log_level(level: *mut u32) -> u32;
    fn proxy_get_header_map_size(map: u32, size: *mut usize) -> u32;
    fn proxy_get_header_map_pairs(map: u32, data: *mut *mut u8, size: *mut usize) -> u32;
    fn proxy_set_header_map_pairs(map: u32, data: *const u8, size: usize) -> u32;
    fn proxy_get_header_map_value(
        map: u32,
        key: *const u8,
        key_size: usize,
        data: *mut *mut u8,
        size: *mut usize,
    ) -> u32;
    fn proxy_add_header_map_value(map: u32, key: *const u8, key_size: usize, value: *const u8, size: usize) -> u32;
    fn proxy_replace_header_map_value(map: u32, key: *const u8, key_size: usize, value: *const u8, size: usize) -> u32;
    fn proxy_remove_header_map_value(map: u32, key: *const u8, key_size: usize) -> u32;
    fn proxy_get_buffer_status(buffer: u32, length: *mut usize, flags: *mut u32) -> u32;
    fn proxy_get_buffer_bytes(buffer: u32, start: usize, max: usize, data: *mut *mut u8, size: *mut usize) -> u32;
    fn proxy_set_buffer_bytes(buffer: u32, start: usize, size: usize, data: *const u8, data_size: usize) -> u32;
    fn proxy_continue_stream(stream: u32) -> u32;
    fn proxy_close_stream(stream: u32) -> u32;
    fn proxy_get_status(code: *mut u32, data: *mut *mut u8, size: *mut usize) -> u32;
    fn proxy_get_property(path: *const u8, path_size: usize, data: *mut *mut u8, size: *mut usize) -> u32;
    fn proxy_set_property(path: *const u8, path_size: usize, value: *const u8, size: usize) -> u32;
    fn proxy_get_shared_data(
        key: *const u8,
        key_size: usize,
        data: *mut *mut u8,
        size: *mut usize,
        cas: *mut u32,
    ) -> u32;
    fn proxy_set_shared_data(key: *const u8, key_size: usize, value: *const u8, size: usize, cas: u32) -> u32;
    fn proxy_resolve_shared_queue(vm: *const u8, vm_size: usize, name: *const u8, size: usize, id: *mut u32) -> u32;
    fn proxy_enqueue_shared_queue(id: u32, value: *const u8, size: usize) -> u32;
    fn proxy_dequeue_shared_queue(id: u32, data: *mut *mut u8, size: *mut usize) -> u32;
    fn proxy_define_metric(kind: u32, name: *const u8, size: usize, id: *mut u32) -> u32;
    fn proxy_get_metric(id: u32, value: *mut u64) -> u32;
    fn proxy_record_metric(id: u32, value: u64) -> u32;
    fn proxy_increment_metric(id: u32, offset: i64) -> u32;
    fn proxy_set_effective_context(id: u32) -> u32;
    fn proxy_call_foreign_function(
        name: *const u8,
        name_size: usize,
        argument: *const u8,
        size: usize,
        result: *mut *mut u8,
        result_size: *mut usize,
    ) -> u32;
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
    fn proxy_send_local_response(
        code: u32,
        details: *const u8,
        details_size: usize,
        body: *const u8,
        body_size: usize,
        headers: *const u8,
        headers_size: usize,
        grpc: i32,
    ) -> u32;
    fn proxy_done() -> u32;
}

/// Takes over what the host has allocated for a result.
fn taken(data: *mut u8, size: usize) -> Vec<u8> {
    if data.is_null() {
        Vec::new()
    } else {
        unsafe { Vec::from_raw_parts(data, size, size) }
    }
}

/// Calls a function that answers bytes through two out-pointers.
fn bytes(call: impl FnOnce(*mut *mut u8, *mut usize) -> u32) -> (u32, Vec<u8>) {
    let (mut data, mut size) = (null_mut(), 0);
    let status = call(&mut data, &mut size);
    (status, taken(data, size))
}

pub fn log(level: u32, text: &str) -> u32 {
    unsafe { proxy_log(level, text.as_ptr(), text.len()) }
}

pub fn log_level() -> (u32, u32) {
    let mut level = u32::MAX;
    (unsafe { proxy_get_log_level(&mut level) }, level)
}

pub fn map_size(map: u32) -> (u32, usize) {
    let mut size = 0;
    (unsafe { proxy_get_header_map_size(map, &mut size) }, size)
}

pub fn pairs(map: u32) -> (u32, Vec<u8>) {
    bytes(|data, size| unsafe { proxy_get_header_map_pairs(map, data, size) })
}

pub fn set_pairs(map: u32, serialized: &[u8]) -> u32 {
    unsafe { proxy_set_header_map_pairs(map, serialized.as_ptr(), serialized.len()) }
}

pub fn value(map: u32, key: &str) -> (u32, Vec<u8>) {
    bytes(|data, size| unsafe { proxy_get_header_map_value(map, key.as_ptr(), key.len(), data, size) })
}

pub fn add(map: u32, key: &str, value: &str) -> u32 {
    unsafe { proxy_add_header_map_value(map, key.as_ptr(), key.len(), value.as_ptr(), value.len()) }
}

pub fn replace(map: u32, key: &str, value: &str) -> u32 {
    unsafe { proxy_replace_header_map_value(map, key.as_ptr(), key.len(), value.as_ptr(), value.len()) }
}

pub fn remove(map: u32, key: &str) -> u32 {
    unsafe { proxy_remove_header_map_value(map, key.as_ptr(), key.len()) }
}

pub fn buffer_status(buffer: u32) -> (u32, usize) {
    let (mut length, mut flags) = (0, 0);
    (
        unsafe { proxy_get_buffer_status(buffer, &mut length, &mut flags) },
        length,
    )
}

pub fn buffer(buffer: u32, start: usize, max: usize) -> (u32, Vec<u8>) {
    bytes(|data, size| unsafe { proxy_get_buffer_bytes(buffer, start, max, data, size) })
}

pub fn set_buffer(buffer: u32, start: usize, size: usize, value: &[u8]) -> u32 {
    unsafe { proxy_set_buffer_bytes(buffer, start, size, value.as_ptr(), value.len()) }
}

pub fn continue_stream(stream: u32) -> u32 {
    unsafe { proxy_continue_stream(stream) }
}

pub fn close_stream(stream: u32) -> u32 {
    unsafe { proxy_close_stream(stream) }
}

pub fn status() -> (u32, u32, Vec<u8>) {
    let mut code = u32::MAX;
    let (status, message) = bytes(|data, size| unsafe { proxy_get_status(&mut code, data, size) });
    (status, code, message)
}

pub fn property(path: &str) -> (u32, Vec<u8>) {
    let path = path.replace('.', "\0");
    bytes(|data, size| unsafe { proxy_get_property(path.as_ptr(), path.len(), data, size) })
}

pub fn set_property(path: &str, value: &[u8]) -> u32 {
    let path = path.replace('.', "\0");
    unsafe { proxy_set_property(path.as_ptr(), path.len(), value.as_ptr(), value.len()) }
}

pub fn shared(key: &str) -> (u32, Vec<u8>, u32) {
    let mut cas = 0;
    let (status, value) =
        bytes(|data, size| unsafe { proxy_get_shared_data(key.as_ptr(), key.len(), data, size, &mut cas) });
    (status, value, cas)
}

pub fn set_shared(key: &str, value: &[u8], cas: u32) -> u32 {
    unsafe { proxy_set_shared_data(key.as_ptr(), key.len(), value.as_ptr(), value.len(), cas) }
}

pub fn resolve_queue(vm: &str, name: &str) -> (u32, u32) {
    let mut id = 0;
    (
        unsafe { proxy_resolve_shared_queue(vm.as_ptr(), vm.len(), name.as_ptr(), name.len(), &mut id) },
        id,
    )
}

pub fn enqueue(id: u32, value: &[u8]) -> u32 {
    unsafe { proxy_enqueue_shared_queue(id, value.as_ptr(), value.len()) }
}

pub fn dequeue(id: u32) -> (u32, Vec<u8>) {
    bytes(|data, size| unsafe { proxy_dequeue_shared_queue(id, data, size) })
}

pub fn define_metric(kind: u32, name: &str) -> (u32, u32) {
    let mut id = 0;
    (
        unsafe { proxy_define_metric(kind, name.as_ptr(), name.len(), &mut id) },
        id,
    )
}

pub fn metric(id: u32) -> (u32, u64) {
    let mut value = 0;
    (unsafe { proxy_get_metric(id, &mut value) }, value)
}

pub fn record_metric(id: u32, value: u64) -> u32 {
    unsafe { proxy_record_metric(id, value) }
}

pub fn increment_metric(id: u32, offset: i64) -> u32 {
    unsafe { proxy_increment_metric(id, offset) }
}

pub fn set_effective_context(id: u32) -> u32 {
    unsafe { proxy_set_effective_context(id) }
}

pub fn foreign(name: &str, argument: &[u8]) -> (u32, Vec<u8>) {
    bytes(|data, size| unsafe {
        proxy_call_foreign_function(name.as_ptr(), name.len(), argument.as_ptr(), argument.len(), data, size)
    })
}

/// For calls that the host must refuse: an id that it gave out would be unknown to the crate's dispatcher.
pub fn refused_http_call(upstream: &str, headers: &[(&str, &str)]) -> u32 {
    let headers = serialized(headers);
    let none = serialized(&[]);
    let mut id = 0;
    unsafe {
        proxy_http_call(
            upstream.as_ptr(),
            upstream.len(),
            headers.as_ptr(),
            headers.len(),
            std::ptr::null(),
            0,
            none.as_ptr(),
            none.len(),
            1000,
            &mut id,
        )
    }
}

pub fn local_response(code: u32, headers: &[(&str, &str)], body: &[u8], grpc: i32) -> u32 {
    let headers = serialized(headers);
    let details = "told_by_the_guest";
    unsafe {
        proxy_send_local_response(
            code,
            details.as_ptr(),
            details.len(),
            body.as_ptr(),
            body.len(),
            headers.as_ptr(),
            headers.len(),
            grpc,
        )
    }
}

pub fn done() -> u32 {
    unsafe { proxy_done() }
}

/// Pairs as the ABI lays them out.
pub fn serialized(pairs: &[(&str, &str)]) -> Vec<u8> {
    let mut out = (pairs.len() as u32).to_le_bytes().to_vec();
    for (name, value) in pairs {
        out.extend((name.len() as u32).to_le_bytes());
        out.extend((value.len() as u32).to_le_bytes());
    }
    for part in pairs.iter().flat_map(|(name, value)| [name, value]) {
        out.extend(part.as_bytes());
        out.push(0);
    }
    out
}
