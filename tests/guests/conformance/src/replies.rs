//! Answers that the guest gives itself, and streams that it ends.

use crate::{Case, Hook, Probe, raw};
use proxy_wasm::types::Action;

pub const CASES: &[(&str, Case)] = &[
    ("reply.request_headers", |probe, hook| {
        reply_in(probe, hook, "request_headers", Action::Pause)
    }),
    ("reply.request_headers.continue", |probe, hook| {
        reply_in(probe, hook, "request_headers", Action::Continue)
    }),
    ("reply.request_body", |probe, hook| {
        reply_in(probe, hook, "request_body", Action::Pause)
    }),
    ("reply.request_trailers", |probe, hook| {
        reply_in(probe, hook, "request_trailers", Action::Pause)
    }),
    ("reply.response_headers", |probe, hook| {
        reply_in(probe, hook, "response_headers", Action::Pause)
    }),
    ("reply.response_headers.continue", |probe, hook| {
        reply_in(probe, hook, "response_headers", Action::Continue)
    }),
    ("reply.empty", empty),
    ("reply.grpc", grpc),
    ("reply.twice", twice),
    ("reply.odd", odd),
    ("stream.close", close),
    ("stream.effective_context", effective_context),
    ("stream.status_and_done", status_and_done),
];

fn reply_in(probe: &mut Probe, hook: Hook, phase: &str, action: Action) -> Action {
    if hook.name() == phase && probe.step == 0 {
        probe.step = 1;
        let headers = [
            ("x-c-told", "by the guest"),
            ("x-c-twice", "1"),
            ("x-c-twice", "2"),
            ("content-type", "text/x-guest"),
        ];
        probe.note("answer", raw::local_response(418, &headers, b"a teapot", -1));
        return action;
    }
    // What comes before the phase is held: how much of it has been sent on by then would be a matter of timing.
    if let (Hook::RequestBody { .. }, "request_trailers") = (hook, phase) {
        return Action::Pause;
    }
    if let Hook::ResponseHeaders { .. } = hook {
        probe.note_bytes("status seen", raw::value(2, ":status"));
        probe.note_bytes("header seen", raw::value(2, "x-c-told"));
        probe.note("header added", raw::add(2, "x-c-late", "added on the way back"));
    }
    if let Hook::ResponseBody { size: 1.., .. } = hook {
        probe.note_bytes("body seen", raw::buffer(1, 0, 100));
    }
    Action::Continue
}

fn empty(probe: &mut Probe, hook: Hook) -> Action {
    if let Hook::RequestHeaders { .. } = hook {
        probe.note("answer", raw::local_response(204, &[], b"", -1));
        return Action::Pause;
    }
    Action::Continue
}

/// For a client that speaks gRPC, an answer with a gRPC status.
fn grpc(probe: &mut Probe, hook: Hook) -> Action {
    if let Hook::RequestHeaders { .. } = hook {
        probe.note("answer", raw::local_response(403, &[("x-c-told", "1")], b"not you", 7));
        return Action::Pause;
    }
    Action::Continue
}

/// The first answer counts.
fn twice(probe: &mut Probe, hook: Hook) -> Action {
    if let Hook::RequestHeaders { .. } = hook {
        probe.note("first", raw::local_response(201, &[], b"first", -1));
        probe.note("second", raw::local_response(202, &[], b"second", -1));
        return Action::Pause;
    }
    Action::Continue
}

fn odd(probe: &mut Probe, hook: Hook) -> Action {
    if let Hook::RequestHeaders { .. } = hook {
        probe.note(
            "answer",
            raw::local_response(299, &[("X-C-Upper", "kept"), ("x-c-empty", "")], b"x", -1),
        );
        return Action::Pause;
    }
    Action::Continue
}

fn close(probe: &mut Probe, hook: Hook) -> Action {
    if let Hook::RequestHeaders { .. } = hook {
        probe.note("close", raw::close_stream(0));
        return Action::Pause;
    }
    Action::Continue
}

fn effective_context(probe: &mut Probe, hook: Hook) -> Action {
    if let Hook::RequestHeaders { .. } = hook {
        probe.note("an unknown context", raw::set_effective_context(987_654));
        probe.note("itself", raw::set_effective_context(probe.id));
    }
    Action::Continue
}

/// Calls that belong to other moments.
fn status_and_done(probe: &mut Probe, hook: Hook) -> Action {
    if let Hook::RequestHeaders { .. } = hook {
        let (status, code, message) = raw::status();
        probe.note(
            "status",
            format_args!("{status} {code} {:?}", String::from_utf8_lossy(&message)),
        );
        probe.note("done", raw::done());
    }
    Action::Continue
}
