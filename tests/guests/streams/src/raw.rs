//! Host calls with their statuses: the crate panics on most of them, and here they are what is to be seen.

#[link(wasm_import_module = "env")]
unsafe extern "C" {
    safe fn proxy_get_buffer_bytes(kind: u32, start: usize, max: usize, at: *mut *mut u8, len: *mut usize) -> u32;
    safe fn proxy_get_buffer_status(kind: u32, len: *mut usize, flags: *mut u32) -> u32;
    safe fn proxy_set_buffer_bytes(kind: u32, start: usize, size: usize, data: *const u8, len: usize) -> u32;
    safe fn proxy_continue_stream(stream: u32) -> u32;
    safe fn proxy_close_stream(stream: u32) -> u32;
    safe fn proxy_set_effective_context(id: u32) -> u32;
    safe fn proxy_get_property(path: *const u8, path_len: usize, at: *mut *mut u8, len: *mut usize) -> u32;
    safe fn proxy_set_property(path: *const u8, path_len: usize, value: *const u8, len: usize) -> u32;
    safe fn proxy_get_header_map_value(
        map: u32,
        key: *const u8,
        key_len: usize,
        at: *mut *mut u8,
        len: *mut usize,
    ) -> u32;
}

/// The kind of the buffer, and of the stream: the ABI gives both the same number.
pub(crate) const DOWNSTREAM: u32 = 2;
/// The same for what the upstream sends.
pub(crate) const UPSTREAM: u32 = 3;

fn taken(at: *mut u8, len: usize) -> Vec<u8> {
    if at.is_null() {
        return Vec::new();
    }
    // SAFETY: the host has had the crate allocate `len` bytes there, and they are ours now.
    unsafe { Vec::from_raw_parts(at, len, len) }
}

fn shown(status: u32, bytes: &[u8]) -> String {
    if bytes.is_empty() {
        format!("{status}")
    } else {
        format!("{status} {:?}", String::from_utf8_lossy(bytes))
    }
}

/// The status, and the bytes as text.
pub(crate) fn read(kind: u32, start: usize, max: usize) -> String {
    let (mut at, mut len) = (std::ptr::null_mut(), 0);
    let status = proxy_get_buffer_bytes(kind, start, max, &mut at, &mut len);
    shown(status, &taken(at, len))
}

/// The bytes of a whole buffer.
pub(crate) fn bytes(kind: u32) -> Vec<u8> {
    let (mut at, mut len) = (std::ptr::null_mut(), 0);
    proxy_get_buffer_bytes(kind, 0, usize::MAX, &mut at, &mut len);
    taken(at, len)
}

/// The status, and the length.
pub(crate) fn length(kind: u32) -> String {
    let (mut len, mut flags) = (0, 0);
    let status = proxy_get_buffer_status(kind, &mut len, &mut flags);
    format!("{status} {len}")
}

pub(crate) fn write(kind: u32, start: usize, size: usize, data: &[u8]) -> u32 {
    proxy_set_buffer_bytes(kind, start, size, data.as_ptr(), data.len())
}

pub(crate) fn resume(stream: u32) -> u32 {
    proxy_continue_stream(stream)
}

pub(crate) fn close(stream: u32) -> u32 {
    proxy_close_stream(stream)
}

pub(crate) fn set_effective_context(id: u32) -> u32 {
    proxy_set_effective_context(id)
}

/// The status, and the value.
pub(crate) fn property(path: &str) -> (u32, Vec<u8>) {
    let path = path.replace('.', "\0");
    let (mut at, mut len) = (std::ptr::null_mut(), 0);
    let status = proxy_get_property(path.as_ptr(), path.len(), &mut at, &mut len);
    (status, taken(at, len))
}

pub(crate) fn set_property(path: &str, value: &str) -> u32 {
    let path = path.replace('.', "\0");
    proxy_set_property(path.as_ptr(), path.len(), value.as_ptr(), value.len())
}

/// The status of looking for a header.
pub(crate) fn header(map: u32, name: &str) -> u32 {
    let (mut at, mut len) = (std::ptr::null_mut(), 0);
    let status = proxy_get_header_map_value(map, name.as_ptr(), name.len(), &mut at, &mut len);
    drop(taken(at, len));
    status
}
