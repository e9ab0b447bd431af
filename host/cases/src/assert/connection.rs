//! A step of a TCP connection against its expectations.

use bytes::Bytes;
use serde_json::Value;

use super::text::{body, text, text_of};
use super::{Mismatch, quoted};
use crate::cases::{ConnectionExpect, Reset, StreamEnd};

/// State of a connection after a step, with the bytes that state in it.
#[derive(Default)]
pub(crate) struct ConnectionState {
    /// Bytes that the client received.
    pub(crate) client: Bytes,
    /// Bytes that the upstream received.
    pub(crate) upstream: Bytes,
    pub(crate) client_end: StreamEnd,
    pub(crate) upstream_end: StreamEnd,
    /// Name of the upstream. Empty: not connected yet.
    pub(crate) connected: String,
    /// Result as in the access log. Empty: not ended.
    pub(crate) result: &'static str,
}

/// Compares a step with the expectation, whose JSON pointer is `here`.
pub(crate) fn assert_connection(expect: &ConnectionExpect, here: &str, state: &ConnectionState) -> Vec<Mismatch> {
    let mut mismatches = Vec::new();
    for (side, wanted, found) in [
        ("client", &expect.client, &state.client),
        ("upstream", &expect.upstream, &state.upstream),
    ] {
        if let Some(wanted) = wanted {
            let what = format!("bytes received by the {side}");
            mismatches.extend(body(wanted, found, format!("{here}/{side}"), &what));
        }
    }
    for (name, side, wanted, found) in [
        ("client_end", "client", expect.client_end, state.client_end),
        ("upstream_end", "upstream", expect.upstream_end, state.upstream_end),
    ] {
        if let Some(wanted) = wanted.filter(|wanted| *wanted != found) {
            mismatches.push(Mismatch {
                pointer: format!("{here}/{name}"),
                what: format!("end of stream at the {side}"),
                expected: describe(wanted).to_owned(),
                found: describe(found).to_owned(),
                correction: Some(to_json(found)),
                ..Mismatch::default()
            });
        }
    }
    if let Some(wanted) = expect.connected.as_ref().filter(|wanted| **wanted != state.connected) {
        mismatches.push(Mismatch {
            pointer: format!("{here}/connected"),
            what: "upstream".to_owned(),
            expected: quoted(wanted),
            found: quoted(&state.connected),
            correction: Some(Value::from(&*state.connected)),
            ..Mismatch::default()
        });
    }
    if let Some(wanted) = &expect.result {
        mismatches.extend(text(
            wanted,
            state.result,
            format!("{here}/result"),
            "result".to_owned(),
        ));
    }
    mismatches
}

/// A step as an expectation that it meets: the bytes that state, and the changes since `before`.
pub(crate) fn record_connection(state: &ConnectionState, before: &ConnectionState) -> Value {
    let mut recorded = serde_json::Map::new();
    if state.connected != before.connected {
        recorded.insert("connected".to_owned(), state.connected.clone().into());
    }
    let is_still = state.client.is_empty() && state.upstream.is_empty();
    for (side, bytes) in [("client", &state.client), ("upstream", &state.upstream)] {
        if is_still || !bytes.is_empty() {
            recorded.insert(side.to_owned(), text_of(bytes));
        }
    }
    for (name, now, before) in [
        ("client_end", state.client_end, before.client_end),
        ("upstream_end", state.upstream_end, before.upstream_end),
    ] {
        if now != before {
            recorded.insert(name.to_owned(), to_json(now));
        }
    }
    if state.result != before.result {
        recorded.insert("result".to_owned(), state.result.into());
    }
    recorded.into()
}

fn describe(end: StreamEnd) -> &'static str {
    match end {
        StreamEnd::Eof(true) => "nothing more comes (true)",
        StreamEnd::Eof(false) => "more may come (false)",
        StreamEnd::Reset(Reset::Reset) => "the connection was reset (\"reset\")",
    }
}

fn to_json(end: StreamEnd) -> Value {
    match end {
        StreamEnd::Eof(is_over) => is_over.into(),
        StreamEnd::Reset(Reset::Reset) => "reset".into(),
    }
}
