//! Requests as they are shown: the line of the access log, and for each plugin its calls and log lines.
//!
//! The gateway logs host calls by request, a plugin's lines by plugin, and a request at its end. This joins them.

use std::collections::{HashMap, VecDeque};
use std::time::{Duration, Instant};

use super::access_line::AccessLine;
use super::log_event::TracedCall;
use crate::arguments::Calls;

/// Time that an ended request waits for its lines that are still in the pipe.
const SETTLE_TIME: Duration = Duration::from_millis(30);
/// Time after which a plugin's line without a call belongs to no request, but to a tick or a start.
const UNCLAIMED: Duration = Duration::from_millis(150);
/// Maximum number of requests under way. With more, their calls are discarded.
const MAX_REQUESTS: usize = 1000;

/// Requests and lines that are not shown yet.
pub(super) struct Traces {
    calls: Calls,
    /// Actions by request id.
    under_way: HashMap<String, Vec<PluginAction>>,
    /// Lines of plugins: time, plugin, text.
    logged: VecDeque<(Instant, String, String)>,
    ended: VecDeque<(Instant, AccessLine)>,
}

/// An action of a plugin in a request: a call, or a log line.
struct PluginAction {
    plugin: String,
    phase: String,
    text: String,
}

impl Traces {
    /// Shows these calls.
    pub(super) fn new(calls: Calls) -> Self {
        Self {
            calls,
            under_way: HashMap::new(),
            logged: VecDeque::new(),
            ended: VecDeque::new(),
        }
    }

    /// A plugin logged a line.
    pub(super) fn logged(&mut self, plugin: String, line: String, now: Instant) {
        self.logged.push_back((now, plugin, line));
    }

    /// A plugin called the host. Returns what to show at once: calls for connections, which may last for days.
    pub(super) fn called(&mut self, call: TracedCall) -> Option<String> {
        let text = if call.name() == "log" {
            let claimed = self.logged.iter().position(|(_, plugin, _)| *plugin == call.plugin)?;
            self.logged.remove(claimed)?.2
        } else if self.is_shown(&call) {
            call.text()
        } else {
            return None;
        };
        if call.request_id.is_empty() {
            return Some(format!("  {}  {}: {text}", call.plugin, call.phase));
        }
        if self.under_way.len() >= MAX_REQUESTS && !self.under_way.contains_key(&call.request_id) {
            self.under_way.clear();
        }
        self.under_way.entry(call.request_id).or_default().push(PluginAction {
            plugin: call.plugin,
            phase: call.phase,
            text,
        });
        None
    }

    /// A request or a connection has ended.
    pub(super) fn ended(&mut self, access: AccessLine, now: Instant) {
        self.ended.push_back((now, access));
    }

    /// Time of the next output. None: nothing is waiting.
    pub(super) fn due(&self) -> Option<Instant> {
        let ended = self.ended.front().map(|(at, _)| *at + SETTLE_TIME);
        let logged = self.logged.front().map(|(at, ..)| *at + UNCLAIMED);
        ended.into_iter().chain(logged).min()
    }

    /// The output that is due.
    pub(super) fn take(&mut self, now: Instant) -> Vec<String> {
        let mut output = Vec::new();
        while let Some((_, access)) = self.ended.pop_front_if(|(at, _)| *at + SETTLE_TIME <= now) {
            let actions = self.under_way.remove(access.request_id()).unwrap_or_default();
            output.push(format(&access, &actions));
        }
        while let Some((_, plugin, line)) = self.logged.pop_front_if(|(at, ..)| *at + UNCLAIMED <= now) {
            output.push(format!("  {plugin}  {line}"));
        }
        output
    }

    /// Whether a call is shown. With `changes`, calls that only read are not.
    fn is_shown(&self, call: &TracedCall) -> bool {
        let quiet = ["get_", "define_metric", "set_effective_context", "done"];
        match self.calls {
            Calls::None => false,
            Calls::All => true,
            Calls::Changes => call.is_of_proxy_wasm() && !quiet.iter().any(|start| call.name().starts_with(start)),
        }
    }
}

fn format(access: &AccessLine, actions: &[PluginAction]) -> String {
    let mut text = format!("\n{}", access.headline());
    for (plugin, times) in access.plugins() {
        text += &format!("\n  {plugin}  {times}");
        for action in actions.iter().filter(|action| action.plugin == plugin) {
            text += &format!("\n    {}: {}", action.phase, action.text);
        }
    }
    text
}

#[cfg(test)]
mod tests {
    use super::super::access_line;
    use super::super::log_event::{self, LogEvent};
    use super::*;

    fn call(line: &str) -> TracedCall {
        match log_event::parse(line) {
            LogEvent::Call(call) => call,
            other => panic!("no call: {other:?}"),
        }
    }

    #[test]
    fn a_request_is_shown_with_its_plugins_calls_and_lines_and_no_other_requests() {
        let mut traces = Traces::new(Calls::Changes);
        let now = Instant::now();
        for line in [
            r#"{"level":"INFO","message":"proxy_get_header_map_value(HttpRequestHeaders, name=\"a\")","target":"trace","plugin":"demo","phase":"request_headers","request_id":"1","status":"NOT_FOUND","us":0}"#,
            r#"{"level":"INFO","message":"proxy_add_header_map_value(HttpRequestHeaders, name=\"b\", value=\"c\")","target":"trace","plugin":"demo","phase":"request_headers","request_id":"1","status":"OK","us":0}"#,
            r#"{"level":"INFO","message":"proxy_remove_header_map_value(HttpRequestHeaders, name=\"b\")","target":"trace","plugin":"demo","phase":"request_headers","request_id":"2","status":"BAD_ARGUMENT","us":0}"#,
        ] {
            assert_eq!(traces.called(call(line)), None);
        }
        traces.logged("demo".to_owned(), "info: hello".to_owned(), now);
        traces.logged("other".to_owned(), "info: a tick".to_owned(), now);
        let log = r#"{"level":"INFO","message":"proxy_log(INFO, \"hello\")","target":"trace","plugin":"demo","phase":"request_headers","request_id":"1","status":"OK","us":0}"#;
        assert_eq!(traces.called(call(log)), None);
        let access = r#"{"request_id":"1","method":"GET","path":"/","status":200,"bytes_in":0,"bytes_out":9,"duration_us":812,"plugins":[{"name":"demo","request_us":24,"response_us":11}]}"#;
        traces.ended(access_line::parse(access).expect("a request"), now);
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
