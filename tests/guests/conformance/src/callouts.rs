//! Callouts and waiting: a stream pauses, something comes back, the stream goes on.

use crate::{Case, Hook, Probe, SLEEPERS, raw};
use proxy_wasm::traits::{Context, HttpContext};
use proxy_wasm::types::Action;
use std::time::Duration;

pub const CASES: &[(&str, Case)] = &[
    ("callout.ok", |probe, hook| ask(probe, hook, "side", "/answer", 2000)),
    ("callout.trailers", |probe, hook| {
        ask(probe, hook, "side", "/trailers", 2000)
    }),
    ("callout.error", |probe, hook| ask(probe, hook, "side", "/error", 2000)),
    ("callout.dead", |probe, hook| ask(probe, hook, "dead", "/", 2000)),
    ("callout.cut", |probe, hook| ask(probe, hook, "side", "/cut", 2000)),
    ("callout.timeout", |probe, hook| ask(probe, hook, "side", "/never", 100)),
    ("callout.refused", refused),
    ("callout.two", two),
    ("callout.reply", reply),
    ("callout.response", in_response),
    ("callout.unawaited", unawaited),
    ("tick.resume", sleep),
];

fn dispatch(probe: &Probe, upstream: &str, path: &str, timeout: u64) -> Result<u32, proxy_wasm::types::Status> {
    let headers = vec![
        (":method", "POST"),
        (":path", path),
        (":authority", "side.example"),
        ("x-c-call", "1"),
        ("X-C-Upper", "u"),
    ];
    probe.dispatch_http_call(
        upstream,
        headers,
        Some(b"question"),
        vec![],
        Duration::from_millis(timeout),
    )
}

fn note_answer(probe: &Probe, headers: usize, body: usize, trailers: usize) {
    let (status, code, _) = raw::status();
    probe.note(
        "headers, body, trailers",
        format_args!("{} {body} {trailers}", headers > 0),
    );
    probe.note("get_status", format_args!("{status} {code}"));
    probe.note_bytes(":status", raw::value(6, ":status"));
    probe.note_bytes("header", raw::value(6, "x-c-answer"));
    probe.note_bytes("missing header", raw::value(6, "x-c-missing"));
    probe.note_bytes("trailer", raw::value(7, "x-c-trailer"));
    probe.note_bytes("body", raw::buffer(4, 0, 1000));
    probe.note_bytes("a piece of the body", raw::buffer(4, 1, 3));
    probe.note("write to the answer", raw::add(6, "x-c-a", "1"));
    probe.note_bytes("request header", raw::value(0, "x-case"));
}

fn ask(probe: &mut Probe, hook: Hook, upstream: &str, path: &str, timeout: u64) -> Action {
    match hook {
        Hook::RequestHeaders { .. } => {
            probe.note(
                "dispatched",
                format_args!("{:?}", dispatch(probe, upstream, path, timeout).map(|_| ())),
            );
            Action::Pause
        }
        Hook::Callout {
            headers,
            body,
            trailers,
        } => {
            note_answer(probe, headers, body, trailers);
            probe.note("set a request header", raw::replace(0, "x-c-from-callout", "1"));
            probe.resume_http_request();
            Action::Continue
        }
        _ => Action::Continue,
    }
}

fn refused(probe: &mut Probe, hook: Hook) -> Action {
    if let Hook::RequestHeaders { .. } = hook {
        let whole = [(":method", "GET"), (":path", "/"), (":authority", "a")];
        probe.note("unknown upstream", raw::refused_http_call("nowhere", &whole));
        probe.note("empty upstream", raw::refused_http_call("", &whole));
        probe.note("no :method", raw::refused_http_call("side", &whole[1..]));
        probe.note("no :path", raw::refused_http_call("side", &[whole[0], whole[2]]));
        probe.note("no :authority", raw::refused_http_call("side", &whole[..2]));
    }
    Action::Continue
}

/// Two at once; the stream goes on when both are back.
fn two(probe: &mut Probe, hook: Hook) -> Action {
    match hook {
        Hook::RequestHeaders { .. } => {
            let ids = (
                dispatch(probe, "side", "/answer", 2000),
                dispatch(probe, "side", "/answer", 2000),
            );
            probe.note("ids differ", matches!(ids, (Ok(one), Ok(other)) if one != other));
            Action::Pause
        }
        Hook::Callout { .. } => {
            probe.step += 1;
            if probe.step == 2 {
                probe.resume_http_request();
            }
            Action::Continue
        }
        _ => Action::Continue,
    }
}

/// The callout decides that the request is answered here.
fn reply(probe: &mut Probe, hook: Hook) -> Action {
    match hook {
        Hook::RequestHeaders { .. } => {
            probe.note("dispatched", dispatch(probe, "side", "/answer", 2000).is_ok());
            Action::Pause
        }
        Hook::Callout { .. } => {
            probe.note(
                "answer",
                raw::local_response(403, &[("x-c-told", "after asking")], b"no", -1),
            );
            Action::Continue
        }
        _ => Action::Continue,
    }
}

fn in_response(probe: &mut Probe, hook: Hook) -> Action {
    match hook {
        Hook::ResponseHeaders { .. } => {
            probe.note("dispatched", dispatch(probe, "side", "/answer", 2000).is_ok());
            Action::Pause
        }
        Hook::Callout { .. } => {
            probe.note("set a response header", raw::replace(2, "x-c-from-callout", "1"));
            probe.resume_http_response();
            Action::Continue
        }
        _ => Action::Continue,
    }
}

/// A question whose answer nobody waits for: the stream is gone before it comes.
fn unawaited(probe: &mut Probe, hook: Hook) -> Action {
    if let Hook::RequestHeaders { .. } = hook {
        probe.note("dispatched", dispatch(probe, "side", "/slow", 2000).is_ok());
    }
    Action::Continue
}

fn sleep(probe: &mut Probe, hook: Hook) -> Action {
    if let Hook::RequestHeaders { .. } = hook {
        SLEEPERS.with_borrow_mut(|sleepers| sleepers.push((probe.id, probe.token.clone())));
        return Action::Pause;
    }
    Action::Continue
}
