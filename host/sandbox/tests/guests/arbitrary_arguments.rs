//! Arbitrary integers at every host call: the guest gets a status, and the host survives.

use lockgate_exchange::ResponseHead;
use lockgate_sandbox::settings::PluginSettings;
use lockgate_units::{Period, Size};

use super::test_vm::{exchange, guest, plugin};

/// Host calls by name with the number of their `i32` parameters.
const CALLS: &[(&str, usize)] = &[
    ("$log", 3),
    ("$log_level", 1),
    ("$now", 1),
    ("$set_tick", 1),
    ("$get_buffer", 5),
    ("$buffer_status", 3),
    ("$set_buffer", 5),
    ("$map_size", 2),
    ("$get_pairs", 3),
    ("$set_pairs", 3),
    ("$get", 5),
    ("$add", 5),
    ("$replace", 5),
    ("$remove", 3),
    ("$continue", 1),
    ("$close", 1),
    ("$respond", 8),
    ("$http_call", 10),
    ("$get_status", 3),
    ("$set_shared", 5),
    ("$get_shared", 5),
    ("$register_queue", 3),
    ("$resolve_queue", 5),
    ("$enqueue", 3),
    ("$dequeue", 3),
    ("$define_metric", 4),
    ("$get_metric", 2),
    ("$get_property", 4),
    ("$set_property", 4),
    ("$foreign", 6),
    ("$set_effective", 1),
    ("$proxy_done", 0),
];

#[test]
fn arbitrary_arguments_get_a_status_from_every_host_call() {
    // `$any` mixes small numbers, numbers near the end of memory, and arbitrary ones.
    let mut body = String::new();
    for (call, count) in CALLS {
        let arguments = "(call $any) ".repeat(*count);
        body += &format!(
            "(local.set $status (call {call} {arguments}))
             (if (i32.gt_u (local.get $status) (i32.const 12)) (then unreachable))"
        );
    }
    let wasm = guest(&format!(
        r#"(global $seed (mut i32) (i32.const 0x2545f491))
           (func $any (result i32) (local $x i32)
             (global.set $seed (i32.xor (global.get $seed) (i32.shl (global.get $seed) (i32.const 13))))
             (global.set $seed (i32.xor (global.get $seed) (i32.shr_u (global.get $seed) (i32.const 17))))
             (global.set $seed (i32.xor (global.get $seed) (i32.shl (global.get $seed) (i32.const 5))))
             (local.set $x (i32.rem_u (global.get $seed) (i32.const 7)))
             (if (i32.lt_u (local.get $x) (i32.const 4))
               (then (return (i32.and (global.get $seed) (i32.const 15)))))
             (if (i32.lt_u (local.get $x) (i32.const 6))
               (then (return (i32.add (i32.const 131056) (i32.and (global.get $seed) (i32.const 31))))))
             (global.get $seed))
           (func (export "proxy_on_request_body") (param i32 i32 i32) (result i32) (local $n i32) (local $status i32)
             (loop $again
               ;; What was allocated is forgotten, so that memory does not run out.
               (global.set $heap (i32.const 65536))
               {body}
               (local.set $n (i32.add (local.get $n) (i32.const 1)))
               (br_if $again (i32.lt_u (local.get $n) (i32.const 3000))))
             (call $log_number (i32.const 4711))
             (i32.const 0))"#
    ));
    let change = |settings: &mut PluginSettings| {
        settings.limits.deadline = Period::seconds(60);
        settings.limits.request_deadline = Period::seconds(60);
        settings.limits.log_lines = u32::MAX;
        settings.limits.log_bytes = Size::mib(1024);
        settings.limits.header_growth = Size::mib(1024);
    };
    let test = plugin(&wasm).with(change).start();
    let exchange = exchange();
    {
        let mut exchange = exchange.borrow_mut();
        exchange.response = Some(ResponseHead {
            status: http::StatusCode::OK,
            headers: http::HeaderMap::new(),
        });
        exchange.request_trailers = Some(http::HeaderMap::new());
        exchange.request_body.push(bytes::Bytes::from_static(b"some body"));
    }
    let stream = test.open(&exchange);
    // Many of the calls are writes and answers that are refused, so the plugin fails for the request; it is never stopped.
    let failure = stream.request_body(true).unwrap_err();
    assert_eq!(failure.kind, lockgate_sandbox::FailureKind::Refused, "{failure}");
    drop(stream);
    assert_eq!(test.host.text_lines().last().map(String::as_str), Some("4711"));
}
