//! Requests as they are told: the access log's line, and under each plugin what it changed, asked for and logged.
//!
//! The gateway tells host calls by request, a plugin's own lines by plugin, and the request itself when it has ended. Here they meet.

use std::collections::{HashMap, VecDeque};
use std::time::{Duration, Instant};

use super::told::{Access, Call};
use crate::arguments::Calls;

/// A request that has ended waits so long for lines of its own that are still in the pipe.
const LATE: Duration = Duration::from_millis(30);
/// A plugin's line that no call claims belongs to no request: a tick's, or a start's.
const UNCLAIMED: Duration = Duration::from_millis(150);
/// Requests under way whose calls are kept; those of more are forgotten.
const MOST: usize = 1000;

/// What is waiting to be told.
pub(super) struct Traces {
    calls: Calls,
    /// By request id: plugin, phase, what it did.
    under_way: HashMap<String, Vec<Deed>>,
    /// What plugins said: when, who, what.
    said: VecDeque<(Instant, String, String)>,
    ended: VecDeque<(Instant, Access)>,
}

/// What a plugin did in a request.
struct Deed {
    plugin: String,
    phase: String,
    what: String,
}

impl Traces {
    /// Nothing is waiting; these calls are told.
    pub(super) fn new(calls: Calls) -> Self {
        Self {
            calls,
            under_way: HashMap::new(),
            said: VecDeque::new(),
            ended: VecDeque::new(),
        }
    }

    /// A plugin logged a line.
    pub(super) fn said(&mut self, plugin: String, line: String, now: Instant) {
        self.said.push_back((now, plugin, line));
    }

    /// A plugin called the host for a request. Answers what is to be told at once: calls for connections, which may last for days.
    pub(super) fn called(&mut self, call: Call) -> Option<String> {
        let what = if call.name() == "log" {
            let claimed = self.said.iter().position(|(_, plugin, _)| *plugin == call.plugin)?;
            self.said.remove(claimed)?.2
        } else if self.is_told(&call) {
            call.text()
        } else {
            return None;
        };
        if call.request_id.is_empty() {
            return Some(format!("  {}  {}: {what}", call.plugin, call.phase));
        }
        if self.under_way.len() >= MOST && !self.under_way.contains_key(&call.request_id) {
            self.under_way.clear();
        }
        self.under_way.entry(call.request_id).or_default().push(Deed {
            plugin: call.plugin,
            phase: call.phase,
            what,
        });
        None
    }

    /// A request or a connection has ended.
    pub(super) fn ended(&mut self, access: Access, now: Instant) {
        self.ended.push_back((now, access));
    }

    /// When there is something to tell next; none if nothing waits.
    pub(super) fn due(&self) -> Option<Instant> {
        let ended = self.ended.front().map(|(at, _)| *at + LATE);
        let said = self.said.front().map(|(at, ..)| *at + UNCLAIMED);
        ended.into_iter().chain(said).min()
    }

    /// What is to be told now.
    pub(super) fn take(&mut self, now: Instant) -> Vec<String> {
        let mut told = Vec::new();
        while let Some((_, access)) = self.ended.pop_front_if(|(at, _)| *at + LATE <= now) {
            let deeds = self.under_way.remove(access.request_id()).unwrap_or_default();
            told.push(shown(&access, &deeds));
        }
        while let Some((_, plugin, line)) = self.said.pop_front_if(|(at, ..)| *at + UNCLAIMED <= now) {
            told.push(format!("  {plugin}  {line}"));
        }
        told
    }

    /// Whether a call is worth a line: a change is, or what went wrong with one; what was merely read is not.
    fn is_told(&self, call: &Call) -> bool {
        let quiet = ["get_", "define_metric", "set_effective_context", "done"];
        match self.calls {
            Calls::None => false,
            Calls::All => true,
            Calls::Changes => call.is_of_proxy_wasm() && !quiet.iter().any(|start| call.name().starts_with(start)),
        }
    }
}

fn shown(access: &Access, deeds: &[Deed]) -> String {
    let mut told = format!("\n{}", access.headline());
    for (plugin, times) in access.plugins() {
        told += &format!("\n  {plugin}  {times}");
        for deed in deeds.iter().filter(|deed| deed.plugin == plugin) {
            told += &format!("\n    {}: {}", deed.phase, deed.what);
        }
    }
    told
}

#[cfg(test)]
mod tests {
    use super::super::told::{self, Line};
    use super::*;

    fn call(line: &str) -> Call {
        match told::log(line) {
            Line::Call(call) => call,
            other => panic!("no call: {other:?}"),
        }
    }

    #[test]
    fn a_request_is_told_with_what_its_plugins_did_and_said_and_no_other_requests() {
        let mut traces = Traces::new(Calls::Changes);
        let now = Instant::now();
        for line in [
            r#"{"level":"INFO","message":"proxy_get_header_map_value(HttpRequestHeaders, name=\"a\")","target":"trace","plugin":"demo","phase":"request_headers","request_id":"1","status":"NOT_FOUND","us":0}"#,
            r#"{"level":"INFO","message":"proxy_add_header_map_value(HttpRequestHeaders, name=\"b\", value=\"c\")","target":"trace","plugin":"demo","phase":"request_headers","request_id":"1","status":"OK","us":0}"#,
            r#"{"level":"INFO","message":"proxy_remove_header_map_value(HttpRequestHeaders, name=\"b\")","target":"trace","plugin":"demo","phase":"request_headers","request_id":"2","status":"BAD_ARGUMENT","us":0}"#,
        ] {
            assert_eq!(traces.called(call(line)), None);
        }
        traces.said("demo".to_owned(), "info: hello".to_owned(), now);
        traces.said("other".to_owned(), "info: a tick".to_owned(), now);
        let log = r#"{"level":"INFO","message":"proxy_log(INFO, \"hello\")","target":"trace","plugin":"demo","phase":"request_headers","request_id":"1","status":"OK","us":0}"#;
        assert_eq!(traces.called(call(log)), None);
        let access = r#"{"request_id":"1","method":"GET","path":"/","status":200,"bytes_in":0,"bytes_out":9,"duration_us":812,"plugins":[{"name":"demo","request_us":24,"response_us":11}]}"#;
        traces.ended(told::access(access).expect("a request"), now);
        assert!(traces.take(now).is_empty(), "its last lines may be on their way");
        assert_eq!(
            traces.take(now + UNCLAIMED),
            [
                "\nGET /  200, 812 µs\n  demo  request 24 µs, response 11 µs\n    \
                 request_headers: add_header_map_value(HttpRequestHeaders, name=\"b\", value=\"c\")\n    \
                 request_headers: info: hello",
                "  other  info: a tick",
            ]
        );
        assert_eq!(traces.due(), None);
    }
}
