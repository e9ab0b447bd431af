//! The guest: it makes the host calls of a script, with the script's arguments.
//!
//! Memory: results below 64 KiB; then the script, the dictionary and the input's bytes; from 512 KiB on what the host allocates.
//! A record of the script has 104 bytes: the number of a call (u32), then from byte 8 on twelve arguments of 8 bytes. The number
//! [`END`] ends a callback, which returns the first argument.

use lockgate_sandbox::interface::{HostFunction, Parameter};
use std::fmt::Write as _;

/// Bytes of a record.
pub(crate) const RECORD: usize = 104;
/// The address of the script.
pub(crate) const SCRIPT: u32 = 64 * 1024;
/// Maximum records of a script.
pub(crate) const RECORDS: usize = 96;
/// The address of the dictionary, after the longest script.
pub(crate) const DICTIONARY: u32 = SCRIPT + 16 * 1024;
/// Bytes of memory.
pub(crate) const MEMORY: u32 = 1024 * 1024;
/// Ends a callback.
pub(crate) const END: u32 = u32::MAX;

/// Callbacks with the number of their parameters, and whether they return a value.
const CALLBACKS: &[(&str, usize, bool)] = &[
    ("proxy_on_done", 1, true),
    ("proxy_on_request_headers", 3, true),
    ("proxy_on_request_body", 3, true),
    ("proxy_on_request_trailers", 2, true),
    ("proxy_on_response_headers", 3, true),
    ("proxy_on_response_body", 3, true),
    ("proxy_on_response_trailers", 2, true),
    ("proxy_on_tick", 1, false),
    ("proxy_on_log", 1, false),
    ("proxy_on_delete", 1, false),
    ("proxy_on_http_call_response", 5, false),
    ("proxy_on_queue_ready", 2, false),
    ("proxy_on_foreign_function", 3, false),
];

const FRAME: &str = r#"
  (memory (export "memory") 16 16)
  (data (i32.const 0) "script")
  (global $next (mut i32) (i32.const 524288))
  (global $at (mut i32) (i32.const 0))
  (global $end (mut i32) (i32.const 0))
  (func (export "proxy_abi_version_0_2_1"))
  (func (export "proxy_on_memory_allocate") (param $n i32) (result i32) (local $at i32)
    (if (i32.gt_u (local.get $n) (i32.const 400000)) (then (return (i32.const 0))))
    (if (i32.gt_u (i32.add (global.get $next) (local.get $n)) (i32.const 1048576))
      (then (global.set $next (i32.const 524288))))
    (local.set $at (global.get $next))
    (global.set $next (i32.add (global.get $next) (local.get $n)))
    (local.get $at))
  ;; A stream fetches the script; the root context lives without one.
  (func (export "proxy_on_context_create") (param $id i32) (param $parent i32)
    (global.set $at (i32.const 0))
    (global.set $end (i32.const 0))
    (if (local.get $parent) (then
      (global.set $next (i32.const 65536))
      (i32.store (i32.const 0) (i32.const 0x69726373))
      (i32.store16 (i32.const 4) (i32.const 0x7470))
      (if (i32.eqz (call $foreign (i32.const 0) (i32.const 6) (i32.const 0) (i32.const 0) (i32.const 16) (i32.const 20)))
        (then
          (global.set $at (i32.const 65536))
          (global.set $end (i32.const 81920))))
      (global.set $next (i32.const 524288)))))
  (func $run (result i32) (local $here i32)
    (loop $more
      (if (i32.ge_u (global.get $at) (global.get $end)) (then (return (i32.const 0))))
      (local.set $here (global.get $at))
      (global.set $at (i32.add (global.get $at) (i32.const 104)))
      (if (i32.eq (i32.load (local.get $here)) (i32.const -1))
        (then (return (i32.load offset=8 (local.get $here)))))
      ;; Every status that there is fits; whatever else comes is a fault of the host.
      (if (i32.gt_u (call $call (local.get $here)) (i32.const 76)) (then unreachable))
      (br $more))
    (unreachable))
"#;

/// The guest's text for these host functions, in this order.
pub(crate) fn text(functions: &[HostFunction]) -> String {
    let mut imports = String::new();
    let mut arms = String::new();
    for (nth, function) in functions.iter().enumerate() {
        let kinds: String = function.parameters.iter().map(|kind| kind_name(*kind)).collect();
        let result = if function.returns { "(result i32)" } else { "" };
        let _ = writeln!(
            imports,
            "(import {:?} {:?} (func $f{nth} (param{kinds}) {result}))",
            function.module, function.name
        );
        let arguments: String = function.parameters.iter().enumerate().map(argument).collect();
        let zero = if function.returns { "" } else { "(i32.const 0)" };
        let _ = writeln!(arms, "(return (call $f{nth} {arguments}) {zero}))");
    }
    let labels: String = (0..functions.len()).map(|nth| format!(" $l{nth}")).collect();
    let blocks: String = (0..functions.len())
        .rev()
        .map(|nth| format!("(block $l{nth} "))
        .collect();
    let foreign = functions
        .iter()
        .position(|function| function.name == "proxy_call_foreign_function");
    let foreign = foreign.expect("there is a call by that name");
    let callbacks: String = CALLBACKS.iter().map(callback).collect();
    format!(
        "(module {imports} {}
         (func $call (param $r i32) (result i32)
           (block $unknown {blocks}
             (br_table{labels} $unknown (i32.load (local.get $r))))
             {arms}
           (global.set $at (global.get $end))
           (i32.const 0))
         {callbacks})",
        FRAME.replace("$foreign", &format!("$f{foreign}")),
    )
}

fn kind_name(kind: Parameter) -> &'static str {
    match kind {
        Parameter::I32 => " i32",
        Parameter::I64 => " i64",
    }
}

fn argument((nth, kind): (usize, &Parameter)) -> String {
    format!(
        "({}.load offset={} (local.get $r))",
        kind_name(*kind).trim(),
        8 + 8 * nth
    )
}

fn callback(&(name, parameters, answers): &(&str, usize, bool)) -> String {
    let parameters = " i32".repeat(parameters);
    if answers {
        format!("(func (export {name:?}) (param{parameters}) (result i32) (call $run))")
    } else {
        format!("(func (export {name:?}) (param{parameters}) (drop (call $run)))")
    }
}
