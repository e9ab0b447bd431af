//! Every callback of the ABI.

use crate::imports;
use crate::streams::{self, CONTINUE, Telling};
use std::ptr::null_mut;

macro_rules! exports {
    ($($name:ident($($parameter:ident: $kind:ty),*) $(-> $result:ty)? $body:block)*) => {
        $(#[unsafe(no_mangle)] extern "C" fn $name($($parameter: $kind),*) $(-> $result)? $body)*
    };
}

const REQUEST_HEADERS: i64 = 0;
const PLUGIN_CONFIGURATION: i64 = 7;

exports! {
    proxy_abi_version_0_2_1() {}

    proxy_on_memory_allocate(size: usize) -> *mut u8 {
        let mut bytes = std::mem::ManuallyDrop::new(Vec::<u8>::with_capacity(size));
        bytes.as_mut_ptr()
    }

    proxy_on_context_create(id: u32, parent: u32) { streams::create(id, parent) }

    proxy_on_vm_start(root: u32, size: u32) -> i32 {
        streams::run(root, "vm_start", true, Telling::Always, &format!("{size} bytes")).unwrap_or(1)
    }

    proxy_on_configure(root: u32, size: u32) -> i32 {
        let script = bytes(|data, length| {
            imports::call("get_buffer_bytes", &[PLUGIN_CONFIGURATION, 0, i64::from(u32::MAX), data, length])
        });
        streams::assign(root, "root", &script);
        let size = if script.len() == size as usize { "as long as the configuration" } else { "of another length" };
        streams::run(root, "configure", true, Telling::Always, size).unwrap_or(1)
    }

    proxy_on_tick(root: u32) {
        let _ = root;
        for id in streams::waiting("tick") {
            streams::run_for(id, "tick", "");
        }
    }

    proxy_on_request_headers(id: u32, count: u32, end: u32) -> i32 {
        if let Some(token) = header("x-report") {
            return report(&token);
        }
        if let Some(script) = header("x-script") {
            streams::assign(id, &header("x-token").unwrap_or_default(), &script);
        }
        let parent = if streams::parent(id) == 0 { "none" } else { "a root" };
        let some = if count > 0 { "some" } else { "no" };
        let shown = format!("{some} headers, end {}, parent {parent}", end != 0);
        streams::run(id, "request_headers", end != 0, Telling::Always, &shown).unwrap_or(CONTINUE)
    }

    proxy_on_request_body(id: u32, size: u32, end: u32) -> i32 { streams::run_body(id, 0, size, end != 0) }

    proxy_on_request_trailers(id: u32, count: u32) -> i32 {
        streams::run(id, "request_trailers", true, Telling::Always, &count.to_string()).unwrap_or(CONTINUE)
    }

    proxy_on_request_metadata(id: u32, count: u32) -> i32 {
        streams::run(id, "request_metadata", true, Telling::Always, &count.to_string()).unwrap_or(CONTINUE)
    }

    proxy_on_response_headers(id: u32, count: u32, end: u32) -> i32 {
        let some = if count > 0 { "some" } else { "no" };
        let shown = format!("{some} headers, end {}", end != 0);
        streams::run(id, "response_headers", end != 0, Telling::Always, &shown).unwrap_or(CONTINUE)
    }

    proxy_on_response_body(id: u32, size: u32, end: u32) -> i32 { streams::run_body(id, 1, size, end != 0) }

    proxy_on_response_trailers(id: u32, count: u32) -> i32 {
        streams::run(id, "response_trailers", true, Telling::Always, &count.to_string()).unwrap_or(CONTINUE)
    }

    proxy_on_response_metadata(id: u32, count: u32) -> i32 {
        streams::run(id, "response_metadata", true, Telling::Always, &count.to_string()).unwrap_or(CONTINUE)
    }

    proxy_on_http_call_response(root: u32, call: u32, headers: u32, body: u32, trailers: u32) {
        let _ = root;
        let some = if headers > 0 { "some" } else { "no" };
        let shown = format!("{some} headers, {body} bytes, {trailers} trailers");
        for_caller(call, "http_call_response", &shown);
    }

    proxy_on_grpc_receive_initial_metadata(root: u32, call: u32, count: u32) {
        let _ = (root, count);
        for_caller(call, "grpc_receive_initial_metadata", "");
    }

    proxy_on_grpc_receive(root: u32, call: u32, size: u32) {
        let _ = root;
        for_caller(call, "grpc_receive", &format!("{size} bytes"));
    }

    proxy_on_grpc_receive_trailing_metadata(root: u32, call: u32, count: u32) {
        let _ = (root, count);
        for_caller(call, "grpc_receive_trailing_metadata", "");
    }

    proxy_on_grpc_close(root: u32, call: u32, status: u32) {
        let _ = root;
        for_caller(call, "grpc_close", &format!("status {status}"));
    }

    proxy_on_queue_ready(root: u32, queue: u32) {
        let _ = (root, queue);
        for id in streams::waiting("queue_ready") {
            streams::run_for(id, "queue_ready", "");
        }
    }

    proxy_on_foreign_function(root: u32, function: u32, size: u32) {
        streams::run(root, "foreign_function", true, Telling::Always, &format!("{function}, {size} bytes"));
    }

    proxy_on_new_connection(id: u32) -> i32 {
        streams::run(id, "new_connection", true, Telling::Always, "").unwrap_or(CONTINUE)
    }

    proxy_on_downstream_data(id: u32, size: u32, end: u32) -> i32 {
        streams::run(id, "downstream_data", end != 0, Telling::Always, &format!("{size} bytes, end {}", end != 0))
            .unwrap_or(CONTINUE)
    }

    proxy_on_upstream_data(id: u32, size: u32, end: u32) -> i32 {
        streams::run(id, "upstream_data", end != 0, Telling::Always, &format!("{size} bytes, end {}", end != 0))
            .unwrap_or(CONTINUE)
    }

    proxy_on_downstream_connection_close(id: u32, peer: u32) {
        streams::run(id, "downstream_connection_close", true, Telling::Always, &peer.to_string());
    }

    proxy_on_upstream_connection_close(id: u32, peer: u32) {
        streams::run(id, "upstream_connection_close", true, Telling::Always, &peer.to_string());
    }

    proxy_on_done(id: u32) -> i32 {
        streams::run(id, "done", true, Telling::Always, &streams::flows(id)).unwrap_or(1)
    }

    proxy_on_log(id: u32) {
        streams::run(id, "log", true, Telling::Always, "");
    }

    proxy_on_delete(id: u32) {
        streams::run(id, "delete", true, Telling::Always, "");
    }
}

fn for_caller(call: u32, callback: &'static str, arguments: &str) {
    if let Some(id) = streams::caller(call) {
        streams::run_for(id, callback, arguments);
    }
}

fn header(name: &str) -> Option<String> {
    let value = bytes(|data, length| {
        let name = (name.as_ptr() as i64, name.len() as i64);
        imports::call("get_header_map_value", &[REQUEST_HEADERS, name.0, name.1, data, length])
    });
    Some(value).filter(|value| !value.is_empty())
}

/// The bytes that a call answers; none when it refuses.
fn bytes(call: impl FnOnce(i64, i64) -> Result<i32, imports::Uncallable>) -> String {
    let (mut data, mut size) = (null_mut::<u8>(), 0_usize);
    let answer = call(&raw mut data as i64, &raw mut size as i64);
    // Taken over from the host, which allocated it through `proxy_on_memory_allocate`.
    if !matches!(answer, Ok(0)) || data.is_null() || size == 0 {
        return String::new();
    }
    String::from_utf8_lossy(&unsafe { Vec::from_raw_parts(data, size, size) }).into_owned()
}

fn report(token: &str) -> i32 {
    let (report, details) = (streams::report(token), "report");
    let body = (report.as_ptr() as i64, report.len() as i64);
    let args = [
        200,
        details.as_ptr() as i64,
        details.len() as i64,
        body.0,
        body.1,
        0,
        0,
        -1,
    ];
    let _ = imports::call("send_local_response", &args);
    1
}
