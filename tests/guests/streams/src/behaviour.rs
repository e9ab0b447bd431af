//! What each case does with a connection.

use crate::raw::{self, DOWNSTREAM, UPSTREAM};
use crate::{Waiting, note};
use proxy_wasm::hostcalls;
use proxy_wasm::traits::{Context, StreamContext};
use proxy_wasm::types::{Action, PeerType};
use std::time::Duration;

/// A value of a property whose bytes differ from run to run, by its form.
const FORMS: &[(&str, &str)] = &[
    ("source.address", "address"),
    ("source.port", "number"),
    ("destination.address", "address"),
    ("destination.port", "number"),
    ("connection.id", "number"),
    ("connection_id", "number"),
    ("connection.mtls", "bytes"),
    ("connection.requested_server_name", "bytes"),
    ("connection.tls_version", "bytes"),
    ("connection.subject_local_certificate", "bytes"),
    ("upstream.address", "address"),
    ("upstream.port", "number"),
    ("upstream.local_address", "address"),
    ("upstream.request_attempt_count", "bytes"),
    ("plugin_name", "bytes"),
    ("plugin_root_id", "bytes"),
    ("plugin_vm_id", "bytes"),
    ("listener_direction", "bytes"),
    ("cluster_name", "bytes"),
    ("route_name", "bytes"),
    ("xds.cluster_name", "bytes"),
    ("request.path", "bytes"),
    ("request.method", "bytes"),
    ("request.headers", "bytes"),
    ("request.time", "number"),
    ("request.size", "number"),
    ("request.total_size", "number"),
    ("request.duration", "number"),
    ("request.id", "bytes"),
    ("request.protocol", "bytes"),
    ("response.code", "bytes"),
    ("response.flags", "number"),
    ("response.size", "number"),
    ("response.headers", "bytes"),
    ("node.id", "bytes"),
    ("unknown", "bytes"),
];

pub(crate) struct Connection {
    id: u32,
    case: String,
    waiting: Waiting,
    calls: u32,
}

impl Connection {
    pub(crate) fn new(id: u32, case: String, waiting: Waiting) -> Self {
        Self {
            id,
            case,
            waiting,
            calls: 0,
        }
    }

    fn note(&self, what: &str) {
        note(&self.case, what);
    }

    fn ask(&self) {
        let headers = vec![(":method", "GET"), (":path", "/"), (":authority", "side")];
        let asked = self.dispatch_http_call("side", headers, None, vec![], Duration::from_secs(5));
        self.note(&format!("ask {}", asked.is_ok()));
    }

    fn wait(&self) -> Action {
        self.waiting.borrow_mut().push(self.id);
        Action::Pause
    }

    fn properties(&self, when: &str) {
        for (path, form) in FORMS {
            let (status, value) = raw::property(path);
            let value = match *form {
                _ if status != 0 => String::new(),
                "address" => String::from_utf8_lossy(&value)
                    .rsplit_once(':')
                    .map_or("not an address".to_owned(), |(host, _)| format!(" {host}")),
                "number" => format!(" {} bytes", value.len()),
                _ => format!(" {:?}", String::from_utf8_lossy(&value)),
            };
            self.note(&format!("{when} {path}: {status}{value}"));
        }
    }

    /// Odd ranges, and buffers that are not there.
    fn ranges(&self, kind: u32, when: &str) {
        for (start, max) in [(0, 100), (1, 2), (4, 100), (5, 1), (100, 1), (0, 0), (usize::MAX, 1)] {
            self.note(&format!(
                "{when} read {kind} {start} {max}: {}",
                raw::read(kind, start, max)
            ));
        }
        self.note(&format!("{when} length {kind}: {}", raw::length(kind)));
    }

    /// Puts the last letter of the case behind.
    fn sign(&self, kind: u32, size: usize) {
        let letter = &self.case.as_bytes()[self.case.len() - 1..];
        self.note(&format!("set {}", raw::write(kind, size, 0, letter)));
    }

    /// What the client's bytes are changed to: from where, how many of them, and what comes in their place.
    fn rewriting(&self, size: usize, first: bool) -> Option<(usize, usize, Vec<u8>)> {
        Some(match self.case.as_str() {
            "rewrite" | "rewrite_chunks" => (0, size, raw::bytes(DOWNSTREAM).to_ascii_uppercase()),
            "insert" => (0, 0, b"<".to_vec()),
            "append" => (size, 0, b">".to_vec()),
            "append_beyond" => (size + 10, 0, b">".to_vec()),
            "middle" => (1, 2, b"##".to_vec()),
            "front" => (0, 2, b"#".to_vec()),
            "over_size" => (0, usize::MAX, b"all".to_vec()),
            "drop" => (0, size, Vec::new()),
            "drop_first" | "pause_and_empty" if first => (0, size, Vec::new()),
            "grow" => (0, size, vec![b'g'; 100_000]),
            "pause_and_write" if first => (0, size, b"changed ".to_vec()),
            _ => return None,
        })
    }

    fn lines(&self, kind: u32) -> Action {
        if raw::bytes(kind).ends_with(b"\n") {
            Action::Continue
        } else {
            Action::Pause
        }
    }
}

impl Context for Connection {
    fn on_http_call_response(&mut self, _: u32, _: usize, _: usize, _: usize) {
        let status = self.get_http_call_response_header(":status").unwrap_or_default();
        self.note(&format!("answered {status}"));
        match self.case.as_str() {
            "call_writes" => {
                self.note(&format!("held {}", raw::read(DOWNSTREAM, 0, 100)));
                self.note(&format!("set {}", raw::write(DOWNSTREAM, 0, 4, b"SAID")));
                self.note(&format!("resume {}", raw::resume(DOWNSTREAM)));
            }
            "call_close" => self.note(&format!("close {}", raw::close(DOWNSTREAM))),
            _ => self.note(&format!("resume {}", raw::resume(DOWNSTREAM))),
        }
    }

    fn on_done(&mut self) -> bool {
        self.note("done");
        if self.case == "properties" {
            self.properties("done");
        }
        true
    }
}

impl StreamContext for Connection {
    fn on_new_connection(&mut self) -> Action {
        self.note("new_connection");
        match self.case.as_str() {
            "properties" => self.properties("new_connection"),
            "buffers" => {
                self.ranges(DOWNSTREAM, "new_connection");
                self.ranges(UPSTREAM, "new_connection");
                self.ranges(0, "new_connection");
            }
            "absent" => {
                for map in 0..9 {
                    self.note(&format!("header of map {map}: {}", raw::header(map, "x")));
                }
                for stream in [0, 1, 4, 9] {
                    self.note(&format!("resume {stream}: {}", raw::resume(stream)));
                }
            }
            "set_property" => {
                self.note(&format!("set {}", raw::set_property("l4_note", "noted")));
            }
            "state" => {
                let shared = hostcalls::set_shared_data("l4", Some(b"kept"), None);
                self.note(&format!("shared {}", shared.is_ok()));
            }
            "new_connection_pause" => return Action::Pause,
            "choose" => {
                let (_, name) = raw::property("connection.requested_server_name");
                let set = raw::set_property("lockgate.upstream", &String::from_utf8_lossy(&name));
                self.note(&format!("set {set}"));
            }
            "new_connection_close" => self.note(&format!("close {}", raw::close(DOWNSTREAM))),
            "tick_new_connection" => return self.wait(),
            "call_new_connection" | "call_fails_new_connection" => {
                self.ask();
                return Action::Pause;
            }
            _ => {}
        }
        Action::Continue
    }

    fn on_downstream_data(&mut self, size: usize, end: bool) -> Action {
        self.note(&format!("downstream_data {size} {end}"));
        self.calls += 1;
        let first = self.calls == 1;
        if let Some((start, range, bytes)) = self.rewriting(size, first) {
            self.note(&format!("set {}", raw::write(DOWNSTREAM, start, range, &bytes)));
        }
        match self.case.as_str() {
            "two_a" | "two_b" => self.sign(DOWNSTREAM, size),
            "buffers" => {
                self.ranges(DOWNSTREAM, "downstream_data");
                self.ranges(UPSTREAM, "downstream_data");
                self.note(&format!("set 3 {}", raw::write(UPSTREAM, 0, 0, b"x")));
                self.note(&format!("set 0 {}", raw::write(0, 0, 0, b"x")));
            }
            "lines" if !end => return self.lines(DOWNSTREAM),
            "panic_at_x" if raw::bytes(DOWNSTREAM) == b"x" => panic!("as asked"),
            "pause_once" | "pause_and_write" | "pause_and_empty" if first => return Action::Pause,
            "pause_until_end" if !end => return Action::Pause,
            "tick_resume" | "tick_writes" | "tick_close" if first => return self.wait(),
            "tick_reads" if first => {
                self.wait();
                return Action::Pause;
            }
            "call" | "call_writes" | "call_close" | "call_fails" if first => {
                self.ask();
                return Action::Pause;
            }
            "close_downstream" => self.note(&format!("close {}", raw::close(DOWNSTREAM))),
            "close_and_pause" => {
                self.note(&format!("close {}", raw::close(DOWNSTREAM)));
                return Action::Pause;
            }
            "properties" if first => self.properties("downstream_data"),
            "set_property" => {
                let (status, value) = raw::property("l4_note");
                self.note(&format!("get {status} {:?}", String::from_utf8_lossy(&value)));
            }
            "state" => {
                let shared = hostcalls::get_shared_data("l4").map(|(value, _)| value);
                self.note(&format!("shared {shared:?}"));
            }
            _ => {}
        }
        Action::Continue
    }

    fn on_upstream_data(&mut self, size: usize, end: bool) -> Action {
        self.note(&format!("upstream_data {size} {end}"));
        self.calls += 1;
        match self.case.as_str() {
            "rewrite" | "rewrite_chunks" => {
                let lower = raw::bytes(UPSTREAM).to_ascii_lowercase();
                self.note(&format!("set {}", raw::write(UPSTREAM, 0, size, &lower)));
            }
            "two_a" | "two_b" => self.sign(UPSTREAM, size),
            "insert_upstream" => self.note(&format!("set {}", raw::write(UPSTREAM, 0, 0, b"<"))),
            "append_upstream" => self.note(&format!("set {}", raw::write(UPSTREAM, size, 0, b">"))),
            "drop_upstream" => self.note(&format!("set {}", raw::write(UPSTREAM, 0, size, b""))),
            "grow_upstream" => self.note(&format!("set {}", raw::write(UPSTREAM, 0, size, &[b'g'; 100_000]))),
            "buffers" => {
                self.ranges(UPSTREAM, "upstream_data");
                self.ranges(DOWNSTREAM, "upstream_data");
            }
            "lines_upstream" if !end => return self.lines(UPSTREAM),
            "tick_resume_upstream" if self.calls == 1 => return self.wait(),
            "tick_close_upstream" if self.calls == 1 => {
                self.wait();
            }
            "close_upstream" => self.note(&format!("close {}", raw::close(UPSTREAM))),
            "close_downstream_late" => self.note(&format!("close {}", raw::close(DOWNSTREAM))),
            "properties" if size > 0 => self.properties("upstream_data"),
            _ => {}
        }
        Action::Continue
    }

    fn on_downstream_close(&mut self, peer: PeerType) {
        self.note(&format!("downstream_close {}", name(peer)));
    }

    fn on_upstream_close(&mut self, peer: PeerType) {
        self.note(&format!("upstream_close {}", name(peer)));
    }

    fn on_log(&mut self) {
        self.note("log");
    }
}

impl Drop for Connection {
    fn drop(&mut self) {
        note(&self.case, "delete");
    }
}

fn name(peer: PeerType) -> &'static str {
    match peer {
        PeerType::Unknown => "unknown",
        PeerType::Local => "local",
        PeerType::Remote => "remote",
        _ => "other",
    }
}
