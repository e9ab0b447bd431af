//! Bodies in both directions: reading, replacing, holding back. A case's name ends in the direction that it works on.

use crate::{Case, Hook, Probe, raw};
use proxy_wasm::traits::HttpContext;
use proxy_wasm::types::Action;

pub const CASES: &[(&str, Case)] = &[
    ("body.watch", watch),
    ("body.read", read),
    ("body.gather", gather),
    ("body.replace", |probe, hook| {
        edit(probe, hook, |buffer, len| {
            raw::set_buffer(buffer, 0, len, b"replaced by the guest")
        })
    }),
    ("body.prepend", |probe, hook| {
        edit(probe, hook, |buffer, _| raw::set_buffer(buffer, 0, 0, b"before "))
    }),
    ("body.append", |probe, hook| {
        edit(probe, hook, |buffer, len| raw::set_buffer(buffer, len, 0, b" after"))
    }),
    ("body.empty", |probe, hook| {
        edit(probe, hook, |buffer, len| raw::set_buffer(buffer, 0, len, b""))
    }),
    ("body.beyond", |probe, hook| {
        edit(probe, hook, |buffer, len| {
            raw::set_buffer(buffer, len + 10, 5, b" beyond")
        })
    }),
    ("body.all", |probe, hook| {
        edit(probe, hook, |buffer, _| {
            raw::set_buffer(buffer, 0, usize::MAX, b"all of it")
        })
    }),
    ("body.middle", |probe, hook| {
        edit(probe, hook, |buffer, _| raw::set_buffer(buffer, 1, 2, b"--"))
    }),
    ("body.elsewhere", elsewhere),
];

const REQUEST: u32 = 0;
const RESPONSE: u32 = 1;

/// The buffer of a body callback, and whether it is the last of its direction.
fn buffer(hook: Hook) -> Option<(u32, bool)> {
    match hook {
        Hook::RequestBody { last, .. } => Some((REQUEST, last)),
        Hook::ResponseBody { last, .. } => Some((RESPONSE, last)),
        _ => None,
    }
}

/// Only sees what comes by.
fn watch(_: &mut Probe, _: Hook) -> Action {
    Action::Continue
}

/// Reads ranges, fair and foul, of the whole body.
fn read(probe: &mut Probe, hook: Hook) -> Action {
    let Some((buffer, last)) = buffer(hook) else {
        return Action::Continue;
    };
    if !last {
        return Action::Pause;
    }
    probe.note("status", format_args!("{:?}", raw::buffer_status(buffer)));
    probe.note_bytes("all", raw::buffer(buffer, 0, 1 << 20));
    probe.note_bytes("the first three", raw::buffer(buffer, 0, 3));
    probe.note_bytes("the middle", raw::buffer(buffer, 2, 4));
    probe.note_bytes("over the end", raw::buffer(buffer, 4, 1000));
    probe.note_bytes("nothing", raw::buffer(buffer, 0, 0));
    probe.note_bytes("from beyond the end", raw::buffer(buffer, 1000, 4));
    probe.note_bytes("a range that overflows", raw::buffer(buffer, usize::MAX, 2));
    Action::Continue
}

/// Holds everything back until the end, and watches that what is held only grows.
fn gather(probe: &mut Probe, hook: Hook) -> Action {
    let (Hook::RequestBody { size, last } | Hook::ResponseBody { size, last }) = hook else {
        if let Hook::RequestTrailers | Hook::ResponseHeaders { .. } | Hook::ResponseTrailers = hook {
            probe.note("held before", probe.step);
            probe.step = 0;
        }
        return Action::Continue;
    };
    let buffer = if matches!(hook, Hook::RequestBody { .. }) {
        REQUEST
    } else {
        RESPONSE
    };
    let held = raw::buffer_status(buffer);
    if held != (0, size) || size < probe.step as usize {
        probe.note("held", format_args!("{held:?}, but told {size} after {}", probe.step));
    }
    probe.step = size as u32;
    if last { Action::Continue } else { Action::Pause }
}

/// Takes the length away, as a module that changes bodies does, holds the body to its end and changes it there.
fn edit(probe: &mut Probe, hook: Hook, change: fn(u32, usize) -> u32) -> Action {
    match hook {
        Hook::RequestHeaders { last: false } => probe.set_http_request_header("content-length", None),
        Hook::ResponseHeaders { .. } => probe.set_http_response_header("content-length", None),
        _ => {}
    }
    let Some((buffer, last)) = buffer(hook) else {
        return Action::Continue;
    };
    if !last {
        return Action::Pause;
    }
    let (_, len) = raw::buffer_status(buffer);
    probe.note("change", change(buffer, len));
    probe.note("status", format_args!("{:?}", raw::buffer_status(buffer)));
    probe.note_bytes("all", raw::buffer(buffer, 0, 1 << 20));
    Action::Continue
}

/// Buffers that a phase does not have.
fn elsewhere(probe: &mut Probe, hook: Hook) -> Action {
    if let Hook::RequestBody { last: false, .. } = hook {
        return Action::Pause;
    }
    let buffers: &[u32] = match hook {
        Hook::RequestHeaders { .. } => &[REQUEST, RESPONSE, 2, 3, 4, 5, 6, 7, 8, 9, 99],
        Hook::RequestBody { .. } => &[RESPONSE, 4],
        Hook::ResponseHeaders { .. } => &[REQUEST, RESPONSE, 4],
        Hook::Log => &[REQUEST, RESPONSE],
        _ => &[],
    };
    for &buffer in buffers {
        probe.note_bytes(format_args!("bytes of {buffer}"), raw::buffer(buffer, 0, 100));
        probe.note(
            format_args!("status of {buffer}"),
            format_args!("{:?}", raw::buffer_status(buffer)),
        );
        if buffer > RESPONSE {
            probe.note(format_args!("set {buffer}"), raw::set_buffer(buffer, 0, 0, b"x"));
        }
    }
    Action::Continue
}
