//! Compares what was seen with what must come of a step, and says each difference in the words of the cases file.

mod arrived;
mod grpc;
mod json;
mod metrics;
mod text;

use bytes::Bytes;
use http::HeaderMap;
use serde_json::{Value, json};

use text::{body, header, text};

use crate::cases::{Effects, Expect, GrpcSeen, LineMatch, LogMatch, Seen, When};
use crate::client::Reply;
use crate::logbook::Line;

pub(crate) use arrived::{Arrived, arrived, record_arrived};
pub(crate) use text::text_of;

/// A request as an upstream got it.
#[derive(Clone, Debug)]
pub(crate) struct Observed {
    pub(crate) upstream: String,
    pub(crate) endpoint: String,
    pub(crate) method: String,
    pub(crate) path: String,
    pub(crate) host: String,
    pub(crate) headers: HeaderMap,
    pub(crate) body: Bytes,
    /// Of gRPC.
    pub(crate) messages: Option<Vec<Bytes>>,
}

/// Something that is not as it must be.
#[derive(Clone, Debug, Default)]
pub struct Mismatch {
    /// JSON pointer (RFC 6901) to what is expected.
    pub pointer: String,
    /// What is compared: `status`, `header "x-user"` …
    pub what: String,
    /// What the file says.
    pub expected: String,
    /// What was there.
    pub found: String,
    /// Each difference, where there are several.
    pub differences: Vec<String>,
    /// What would be right in the place of what is expected; none if nobody but a person can say.
    pub right: Option<Value>,
}

/// What one step has brought about.
pub(crate) struct Witnessed<'a> {
    pub(crate) reply: Option<&'a Reply>,
    pub(crate) forwarded: &'a [Observed],
    pub(crate) callouts: &'a [Observed],
    pub(crate) logs: &'a [Line],
    /// All metrics, as they are scraped.
    pub(crate) metrics: &'a dyn Fn() -> String,
    /// Shared data of the tested plugin, by key.
    pub(crate) shared_data: &'a dyn Fn(&str) -> Option<Bytes>,
}

/// Everything that is not as `expect`, which stands at `here`, says.
pub(crate) fn judge(expect: &Expect, here: &str, seen: &Witnessed<'_>) -> Vec<Mismatch> {
    let mut bench = Bench(Vec::new());
    if let Some(reply) = seen.reply {
        bench.reply(expect, here, reply);
    }
    if let Some(wanted) = &expect.forwarded {
        bench.requests(
            &wanted.each(),
            &format!("{here}/forwarded"),
            "forwarded",
            seen.forwarded,
        );
    }
    bench.effects(&expect.effects, here, seen);
    bench.0
}

/// Whether a request is one that an answer is meant for.
pub(crate) fn fits(when: &When, request: &Observed) -> bool {
    let wanted = Seen {
        method: when.method.clone(),
        path: when.path.clone(),
        headers: when.headers.clone(),
        body: when.body.clone(),
        grpc: when.grpc.as_ref().map(|grpc| GrpcSeen {
            service: grpc.service.clone(),
            method: grpc.method.clone(),
            message: grpc.message.clone(),
            messages: None,
        }),
        ..Seen::default()
    };
    let mut bench = Bench(Vec::new());
    bench.request(&wanted, "", "", request);
    bench.0.is_empty()
}

/// What came of a step, as `expect` would say it.
pub(crate) fn record(reply: &Reply) -> Value {
    let mut expect = serde_json::Map::new();
    match reply.status {
        Some(status) => {
            expect.insert("status".to_owned(), status.into());
            if !reply.body.is_empty() {
                expect.insert("body".to_owned(), text_of(&reply.body));
            }
        }
        None => {
            expect.insert("broken".to_owned(), true.into());
        }
    }
    expect.into()
}

/// A step of a pointer.
pub(crate) fn escaped(name: &str) -> String {
    name.replace('~', "~0").replace('/', "~1")
}

struct Bench(Vec<Mismatch>);

impl Bench {
    fn reply(&mut self, expect: &Expect, here: &str, reply: &Reply) {
        match (&reply.broken, expect.broken) {
            (Some(reason), false) => self.0.push(Mismatch {
                pointer: here.to_owned(),
                what: "answer".to_owned(),
                expected: "a complete response".to_owned(),
                found: format!("none, or an incomplete one: {reason}"),
                ..Mismatch::default()
            }),
            (None, true) => self.0.push(Mismatch {
                pointer: format!("{here}/broken"),
                what: "answer".to_owned(),
                expected: "none, or an incomplete one".to_owned(),
                found: format!("a complete response, {}", reply.status.unwrap_or_default()),
                right: Some(false.into()),
                ..Mismatch::default()
            }),
            _ => {}
        }
        if let Some(status) = expect.status.filter(|status| Some(*status) != reply.status) {
            self.0.push(Mismatch {
                pointer: format!("{here}/status"),
                what: "status".to_owned(),
                expected: status.to_string(),
                found: reply
                    .status
                    .map_or("no response".to_owned(), |status| status.to_string()),
                right: reply.status.map(Into::into),
                ..Mismatch::default()
            });
        }
        for (name, wanted) in &expect.headers {
            let pointer = format!("{here}/headers/{}", escaped(name));
            self.0
                .extend(header(wanted.as_ref(), &reply.headers, name, pointer, ""));
        }
        if let Some(wanted) = &expect.body {
            self.0.extend(body(wanted, &reply.body, format!("{here}/body"), "body"));
        }
        for (name, wanted) in &expect.trailers {
            let pointer = format!("{here}/trailers/{}", escaped(name));
            self.0
                .extend(header(wanted.as_ref(), &reply.trailers, name, pointer, "trailer "));
        }
        if let Some(took) = expect
            .took
            .filter(|took| took.duration().as_millis() != reply.took.as_millis())
        {
            self.0.push(Mismatch {
                pointer: format!("{here}/took"),
                what: "time taken".to_owned(),
                expected: took.to_string(),
                found: format!("{}ms", reply.took.as_millis()),
                right: Some(format!("{}ms", reply.took.as_millis()).into()),
                ..Mismatch::default()
            });
        }
    }

    fn effects(&mut self, effects: &Effects, here: &str, seen: &Witnessed<'_>) {
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

    fn requests(&mut self, wanted: &[(String, &Seen)], here: &str, what: &str, seen: &[Observed]) {
        if wanted.len() != seen.len() {
            let shown = |request: &Observed| format!("{} {} to {}", request.method, request.path, request.upstream);
            return self.0.push(Mismatch {
                pointer: here.to_owned(),
                what: what.to_owned(),
                expected: match wanted.len() {
                    0 => "none".to_owned(),
                    1 => "one request".to_owned(),
                    count => format!("{count} requests"),
                },
                found: match seen {
                    [] => "none".to_owned(),
                    [one] => shown(one),
                    many => format!("{} requests", many.len()),
                },
                differences: seen.iter().filter(|_| seen.len() > 1).map(shown).collect(),
                right: Some(seen.iter().map(recorded).collect()),
            });
        }
        for ((place, wanted), request) in wanted.iter().zip(seen) {
            self.request(wanted, &format!("{here}{place}"), what, request);
        }
    }

    fn request(&mut self, wanted: &Seen, here: &str, what: &str, request: &Observed) {
        let exact = [
            ("upstream", &wanted.upstream, &request.upstream),
            ("endpoint", &wanted.endpoint, &request.endpoint),
        ];
        for (name, wanted, found) in exact {
            if let Some(wanted) = wanted.as_ref().filter(|wanted| *wanted != found) {
                self.0.push(Mismatch {
                    pointer: format!("{here}/{name}"),
                    what: format!("{what} {name}"),
                    expected: quoted(wanted),
                    found: quoted(found),
                    right: Some(found.clone().into()),
                    ..Mismatch::default()
                });
            }
        }
        let texts = [
            ("method", &wanted.method, &request.method),
            ("path", &wanted.path, &request.path),
            ("host", &wanted.host, &request.host),
        ];
        for (name, wanted, found) in texts {
            if let Some(wanted) = wanted {
                let told = text(wanted, found, format!("{here}/{name}"), format!("{what} {name}"));
                self.0.extend(told);
            }
        }
        for (name, wanted) in &wanted.headers {
            let pointer = format!("{here}/headers/{}", escaped(name));
            let told = header(wanted.as_ref(), &request.headers, name, pointer, &format!("{what} "));
            self.0.extend(told);
        }
        if let Some(wanted) = &wanted.body {
            let told = body(wanted, &request.body, format!("{here}/body"), &format!("{what} body"));
            self.0.extend(told);
        }
        if let Some(wanted) = &wanted.grpc {
            self.0
                .extend(grpc::grpc(wanted, &format!("{here}/grpc"), what, request));
        }
    }

    fn optional(
        &mut self,
        wanted: Option<&crate::cases::TextMatch>,
        found: Option<&str>,
        pointer: String,
        what: String,
    ) {
        match (wanted, found) {
            (None, None) => {}
            (Some(wanted), Some(found)) => self.0.extend(text(wanted, found, pointer, what)),
            (None, Some(found)) => self.0.push(Mismatch {
                pointer,
                what,
                expected: "absent".to_owned(),
                found: quoted(found),
                right: Some(found.into()),
                ..Mismatch::default()
            }),
            (Some(wanted), None) => self.0.push(Mismatch {
                pointer,
                what,
                expected: text::shown(wanted),
                found: "absent".to_owned(),
                right: Some(Value::Null),
                ..Mismatch::default()
            }),
        }
    }

    fn logs(&mut self, wanted: &[LogMatch], here: &str, lines: &[Line]) {
        let mut from = 0;
        for (index, wanted) in wanted.iter().enumerate() {
            let wanted = match wanted {
                LogMatch::Contains(text) => &LineMatch {
                    contains: Some(text.clone()),
                    ..LineMatch::default()
                },
                LogMatch::Line(line) => line,
            };
            let at = |from: usize| {
                lines[from..]
                    .iter()
                    .position(|line| is_like(wanted, line))
                    .map(|at| from + at)
            };
            let told = match (wanted.absent, at(0), at(from)) {
                (true, None, _) => continue,
                (true, Some(at), _) => ("no line", format!("{}: {}", level(&lines[at]), lines[at].text)),
                (false, _, Some(at)) => {
                    from = at + 1;
                    continue;
                }
                (false, Some(_), None) => ("a line", "only before the line expected ahead of it".to_owned()),
                (false, None, None) => ("a line", format!("none among {} lines", lines.len())),
            };
            self.0.push(Mismatch {
                pointer: format!("{here}/{index}"),
                what: "log".to_owned(),
                expected: format!("{} {}", told.0, shown_line(wanted)),
                found: told.1,
                ..Mismatch::default()
            });
        }
    }
}

/// A request as `forwarded` or `callouts` would say it.
fn recorded(request: &Observed) -> Value {
    if let Some(messages) = &request.messages {
        return grpc::recorded_call(request, messages);
    }
    let mut seen = json!({
        "upstream": request.upstream,
        "method": request.method,
        "path": request.path,
    });
    if !request.body.is_empty() {
        seen["body"] = text_of(&request.body);
    }
    seen
}

fn is_like(wanted: &LineMatch, line: &Line) -> bool {
    wanted.level.is_none_or(|level| level == line.level)
        && wanted.contains.as_ref().is_none_or(|text| line.text.contains(text))
        && wanted
            .regex
            .as_ref()
            .is_none_or(|regex| text::matches(regex, &line.text))
}

fn level(line: &Line) -> String {
    format!("{:?}", line.level).to_lowercase()
}

fn shown_line(wanted: &LineMatch) -> String {
    let mut words = Vec::new();
    if let Some(level) = wanted.level {
        words.push(format!("at level {}", format!("{level:?}").to_lowercase()));
    }
    if let Some(text) = &wanted.contains {
        words.push(format!("with {}", quoted(text)));
    }
    if let Some(regex) = &wanted.regex {
        words.push(format!("matching {}", quoted(regex)));
    }
    words.join(" ")
}

fn quoted(text: &str) -> String {
    Value::from(text).to_string()
}
