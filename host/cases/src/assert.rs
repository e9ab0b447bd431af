//! Assertions: a step's results against its expectations. Each difference is described in the words of the cases file.

mod connection;
mod grpc;
mod json;
mod logs;
mod metrics;
mod requests;
mod response;
mod text;

use bytes::Bytes;
use http::HeaderMap;
use serde_json::Value;

use crate::cases::{Effects, Expect, TextMatch};
use crate::client::Reply;
use crate::log_capture::LogLine;
use text::text;

pub(crate) use connection::{ConnectionState, assert_connection, record_connection};
pub(crate) use requests::matches_request;
pub(crate) use response::record_response;

/// A request that an upstream has received.
#[derive(Clone, Debug)]
pub(crate) struct ReceivedRequest {
    pub(crate) upstream: String,
    pub(crate) endpoint: String,
    pub(crate) method: String,
    pub(crate) path: String,
    pub(crate) host: String,
    pub(crate) headers: HeaderMap,
    pub(crate) body: Bytes,
    /// Messages of a gRPC call or stream.
    pub(crate) messages: Option<Vec<Bytes>>,
}

/// A difference between a result and its expectation.
#[derive(Clone, Debug, Default)]
pub struct Mismatch {
    /// JSON pointer (RFC 6901) to the expectation.
    pub pointer: String,
    /// Name of the compared value: `status`, `header "x-user"` …
    pub what: String,
    /// The expected value.
    pub expected: String,
    /// The value that was found.
    pub found: String,
    /// Single differences, if there are several.
    pub differences: Vec<String>,
    /// The expectation that would hold. None: only a person can write it.
    pub correction: Option<Value>,
}

/// The results of a step.
pub(crate) struct StepOutcome<'a> {
    pub(crate) reply: Option<&'a Reply>,
    pub(crate) forwarded: &'a [ReceivedRequest],
    pub(crate) callouts: &'a [ReceivedRequest],
    pub(crate) logs: &'a [LogLine],
    /// All metrics in Prometheus' text format.
    pub(crate) metrics: &'a dyn Fn() -> String,
    /// Shared data of the tested plugin, by key.
    pub(crate) shared_data: &'a dyn Fn(&str) -> Option<Bytes>,
}

/// The differences that a comparison has found.
struct Assertions(Vec<Mismatch>);

/// Compares a step with `expect`, whose JSON pointer is `here`.
pub(crate) fn assert_step(expect: &Expect, here: &str, seen: &StepOutcome<'_>) -> Vec<Mismatch> {
    let mut assertions = Assertions(Vec::new());
    if let Some(reply) = seen.reply {
        assertions.reply(expect, here, reply);
    }
    if let Some(wanted) = &expect.forwarded {
        assertions.requests(
            &wanted.each(),
            &format!("{here}/forwarded"),
            "forwarded",
            seen.forwarded,
        );
    }
    assertions.effects(&expect.effects, here, seen);
    assertions.0
}

/// A name as a token of a JSON pointer (RFC 6901).
pub(crate) fn escaped(name: &str) -> String {
    name.replace('~', "~0").replace('/', "~1")
}

impl Assertions {
    fn effects(&mut self, effects: &Effects, here: &str, seen: &StepOutcome<'_>) {
        if let Some(wanted) = &effects.callouts {
            self.requests(&wanted.each(), &format!("{here}/callouts"), "callouts", seen.callouts);
        }
        self.logs(&effects.logs, &format!("{here}/logs"), seen.logs);
        if !effects.metrics.is_empty() {
            let scraped = (seen.metrics)();
            for (name, wanted) in &effects.metrics {
                let pointer = format!("{here}/metrics/{}", escaped(name));
                self.0.extend(metrics::compare(&scraped, name, wanted, pointer));
            }
        }
        for (key, wanted) in &effects.shared_data {
            let found = (seen.shared_data)(key).map(|value| String::from_utf8_lossy(&value).into_owned());
            let pointer = format!("{here}/shared_data/{}", escaped(key));
            self.optional(
                wanted.as_ref(),
                found.as_deref(),
                pointer,
                format!("shared data \"{key}\""),
            );
        }
    }

    fn optional(&mut self, wanted: Option<&TextMatch>, found: Option<&str>, pointer: String, what: String) {
        match (wanted, found) {
            (None, None) => {}
            (Some(wanted), Some(found)) => self.0.extend(text(wanted, found, pointer, what)),
            (None, Some(found)) => self.0.push(Mismatch {
                pointer,
                what,
                expected: "absent".to_owned(),
                found: quoted(found),
                correction: Some(found.into()),
                ..Mismatch::default()
            }),
            (Some(wanted), None) => self.0.push(Mismatch {
                pointer,
                what,
                expected: text::describe(wanted),
                found: "absent".to_owned(),
                correction: Some(Value::Null),
                ..Mismatch::default()
            }),
        }
    }
}

fn quoted(text: &str) -> String {
    Value::from(text).to_string()
}
