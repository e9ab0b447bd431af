//! A module that uses every HTTP-phase host call and keeps a report of what each one answered, so that two hosts can be
//! laid side by side. Built with the plain `proxy-wasm` crate; knows nothing of any host's own functions.
//!
//! A request names its case in `x-case` and itself in `x-token`; `x-case: report` answers the lines kept under that token.

mod bodies;
mod callouts;
mod headers;
mod properties;
mod raw;
mod replies;
mod state;

use proxy_wasm::traits::{Context, HttpContext, RootContext};
use proxy_wasm::types::{Action, ContextType, LogLevel};
use std::cell::RefCell;
use std::collections::BTreeMap;
use std::fmt::Display;
use std::time::Duration;

proxy_wasm::main! {{
    proxy_wasm::set_log_level(LogLevel::Info);
    proxy_wasm::set_root_context(|_| Box::new(Root));
}}

thread_local! {
    static REPORTS: RefCell<BTreeMap<String, Vec<String>>> = const { RefCell::new(BTreeMap::new()) };
    /// Streams that wait for the next tick.
    static SLEEPERS: RefCell<Vec<(u32, String)>> = const { RefCell::new(Vec::new()) };
}

/// Which callback is running.
#[derive(Clone, Copy, PartialEq, Eq)]
pub enum Hook {
    RequestHeaders {
        last: bool,
    },
    RequestBody {
        size: usize,
        last: bool,
    },
    RequestTrailers,
    ResponseHeaders {
        last: bool,
    },
    ResponseBody {
        size: usize,
        last: bool,
    },
    ResponseTrailers,
    Callout {
        headers: usize,
        body: usize,
        trailers: usize,
    },
    Done,
    Log,
}

impl Hook {
    fn name(self) -> &'static str {
        match self {
            Hook::RequestHeaders { .. } => "request_headers",
            Hook::RequestBody { .. } => "request_body",
            Hook::RequestTrailers => "request_trailers",
            Hook::ResponseHeaders { .. } => "response_headers",
            Hook::ResponseBody { .. } => "response_body",
            Hook::ResponseTrailers => "response_trailers",
            Hook::Callout { .. } => "callout",
            Hook::Done => "done",
            Hook::Log => "log",
        }
    }
}

/// What a case works on: the stream it runs in and where its notes go.
pub struct Probe {
    id: u32,
    token: String,
    hook: Hook,
    /// What a case remembers between its callbacks.
    step: u32,
    /// The bodies of request and response, as far as they have gone through.
    flows: [Flow; 2],
}

/// A body that comes by. Into how many pieces a host cuts it is its own affair; how much there was in the end is not.
#[derive(Clone, Copy, Default)]
struct Flow {
    bytes: usize,
    ended: bool,
}

impl Flow {
    /// After a callback: what was paused comes again, together with what follows.
    fn count(&mut self, size: usize, last: bool, action: Action) {
        if action == Action::Continue {
            self.bytes += size;
        }
        self.ended |= last;
    }
}

impl Context for Probe {}
impl HttpContext for Probe {}

impl Probe {
    /// Keeps one line of the report.
    pub fn note(&self, key: impl Display, value: impl Display) {
        let line = format!("{}.{key} = {value}", self.hook.name());
        REPORTS.with_borrow_mut(|reports| reports.entry(self.token.clone()).or_default().push(line));
    }

    /// A status with what came along.
    pub fn note_bytes(&self, key: impl Display, (status, value): (u32, Vec<u8>)) {
        self.note(key, format_args!("{status} {:?}", String::from_utf8_lossy(&value)));
    }
}

type Case = fn(&mut Probe, Hook) -> Action;

fn case(name: &str) -> Option<Case> {
    [
        headers::CASES,
        bodies::CASES,
        replies::CASES,
        callouts::CASES,
        state::CASES,
        properties::CASES,
    ]
    .into_iter()
    .flatten()
    .find(|(known, _)| *known == name)
    .map(|(_, case)| *case)
}

struct Root;

impl Context for Root {}

impl RootContext for Root {
    fn on_vm_start(&mut self, size: usize) -> bool {
        let configuration = self.get_vm_configuration().unwrap_or_default();
        proxy_wasm::hostcalls::log(LogLevel::Info, &format!("vm_start with {size} bytes")).is_ok()
            && configuration.len() == size
    }

    fn on_configure(&mut self, size: usize) -> bool {
        self.set_tick_period(Duration::from_millis(20));
        let configuration = self.get_plugin_configuration().unwrap_or_default();
        state::register(&configuration);
        configuration.len() == size
    }

    fn on_tick(&mut self) {
        for (stream, token) in SLEEPERS.take() {
            let known = raw::set_effective_context(stream);
            let resumed = raw::continue_stream(0);
            let line = format!("tick.set_effective_context, continue_stream = {known} {resumed}");
            REPORTS.with_borrow_mut(|reports| reports.entry(token).or_default().push(line));
        }
    }

    fn on_queue_ready(&mut self, queue: u32) {
        state::queue_ready(queue);
    }

    fn get_type(&self) -> Option<ContextType> {
        Some(ContextType::HttpContext)
    }

    fn create_http_context(&self, id: u32) -> Option<Box<dyn HttpContext>> {
        Some(Box::new(Stream { id, probe: None }))
    }
}

/// A stream: it finds its case in the request headers and hands every callback to it.
struct Stream {
    id: u32,
    probe: Option<(Probe, Case)>,
}

impl Stream {
    fn run(&mut self, hook: Hook) -> Action {
        let Some((probe, case)) = &mut self.probe else {
            return Action::Continue;
        };
        probe.hook = hook;
        match hook {
            Hook::RequestHeaders { last } | Hook::ResponseHeaders { last } => probe.note("called, last", last),
            Hook::RequestBody { .. } | Hook::ResponseBody { .. } => {}
            Hook::Done => {
                for (name, flow) in ["request", "response"].into_iter().zip(probe.flows) {
                    probe.note(
                        format_args!("{name} body, bytes and end"),
                        format_args!("{} {}", flow.bytes, flow.ended),
                    );
                }
            }
            _ => probe.note("called", ""),
        }
        let action = case(probe, hook);
        match hook {
            Hook::RequestBody { size, last } => probe.flows[0].count(size, last, action),
            Hook::ResponseBody { size, last } => probe.flows[1].count(size, last, action),
            _ => {}
        }
        action
    }

    fn answer_report(&self) {
        let token = self.get_http_request_header("x-token").unwrap_or_default();
        let lines = REPORTS
            .with_borrow_mut(|reports| reports.remove(&token))
            .unwrap_or_default();
        self.send_http_response(
            200,
            vec![("content-type", "text/plain")],
            Some(lines.join("\n").as_bytes()),
        );
    }
}

impl Context for Stream {
    fn on_http_call_response(&mut self, _: u32, headers: usize, body: usize, trailers: usize) {
        self.run(Hook::Callout {
            headers,
            body,
            trailers,
        });
    }

    fn on_done(&mut self) -> bool {
        self.run(Hook::Done);
        true
    }
}

impl HttpContext for Stream {
    fn on_http_request_headers(&mut self, count: usize, last: bool) -> Action {
        let Some(name) = self.get_http_request_header("x-case") else {
            return Action::Continue;
        };
        if name == "report" {
            self.answer_report();
            return Action::Pause;
        }
        let Some(case) = case(&name) else {
            self.send_http_response(400, vec![], Some(b"no such case"));
            return Action::Pause;
        };
        let token = self.get_http_request_header("x-token").unwrap_or_default();
        self.probe = Some((
            Probe {
                id: self.id,
                token,
                hook: Hook::RequestHeaders { last },
                step: 0,
                flows: Default::default(),
            },
            case,
        ));
        let counted = self.get_http_request_headers().len() == count;
        let action = self.run(Hook::RequestHeaders { last });
        if let Some((probe, _)) = &self.probe {
            probe.note("count is that of the pairs", counted);
        }
        action
    }

    fn on_http_request_body(&mut self, size: usize, last: bool) -> Action {
        self.run(Hook::RequestBody { size, last })
    }

    fn on_http_request_trailers(&mut self, _: usize) -> Action {
        self.run(Hook::RequestTrailers)
    }

    fn on_http_response_headers(&mut self, _: usize, last: bool) -> Action {
        self.run(Hook::ResponseHeaders { last })
    }

    fn on_http_response_body(&mut self, size: usize, last: bool) -> Action {
        self.run(Hook::ResponseBody { size, last })
    }

    fn on_http_response_trailers(&mut self, _: usize) -> Action {
        self.run(Hook::ResponseTrailers)
    }

    fn on_log(&mut self) {
        self.run(Hook::Log);
    }
}
