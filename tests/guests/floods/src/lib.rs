//! A guest without measure: `x-flood` says what it pours out. It asks for a hundred thousand of each, and does not mind being
//! refused, so that what stops it is the host's bound or its deadline.

use proxy_wasm::hostcalls;
use proxy_wasm::traits::{Context, HttpContext};
use proxy_wasm::types::{Action, LogLevel, MetricType};
use std::time::Duration;

proxy_wasm::main! {{
    proxy_wasm::set_log_level(LogLevel::Info);
    proxy_wasm::set_http_context(|_, _| Box::new(Flooding));
}}

const MANY: u32 = 100_000;

/// The crate panics when it is refused; what is poured here goes through these instead.
mod refusable {
    #[link(wasm_import_module = "env")]
    unsafe extern "C" {
        pub(super) safe fn proxy_enqueue_shared_queue(id: u32, data: *const u8, size: usize) -> u32;
        pub(super) safe fn proxy_set_shared_data(
            key: *const u8,
            key_size: usize,
            data: *const u8,
            size: usize,
            cas: u32,
        ) -> u32;
        pub(super) safe fn proxy_define_metric(kind: MetricKind, name: *const u8, size: usize, id: *mut u32) -> u32;
    }
    pub(super) type MetricKind = u32;
}

fn log(nth: u32) {
    hostcalls::log(LogLevel::Error, &format!("drop {nth} of a flood")).ok();
}

struct Flooding;

impl Context for Flooding {}

impl HttpContext for Flooding {
    fn on_http_request_headers(&mut self, _: usize, _: bool) -> Action {
        let big = [b'x'; 4096];
        match self.get_http_request_header("x-flood").as_deref() {
            Some("log") => (0..MANY).for_each(log),
            Some("metrics") => (0..MANY).for_each(|nth| {
                let (name, mut id) = (format!("flood_{nth}"), 0);
                refusable::proxy_define_metric(MetricType::Counter as u32, name.as_ptr(), name.len(), &mut id);
            }),
            Some("queue") => {
                let queue = self.register_shared_queue("flood");
                (0..MANY).for_each(|_| {
                    refusable::proxy_enqueue_shared_queue(queue, big.as_ptr(), big.len());
                });
            }
            Some("shared") => (0..MANY).for_each(|nth| {
                let key = format!("flood {nth}");
                refusable::proxy_set_shared_data(key.as_ptr(), key.len(), big.as_ptr(), big.len(), 0);
            }),
            Some("callouts") => (0..MANY).for_each(|_| {
                let headers = vec![(":method", "GET"), (":path", "/"), (":authority", "side")];
                self.dispatch_http_call("side", headers, None, vec![], Duration::from_secs(5))
                    .ok();
            }),
            Some("headers") => {
                (0..MANY).for_each(|nth| self.add_http_request_header(&format!("x-flood-{nth}"), "drop"))
            }
            _ => {}
        }
        Action::Continue
    }
}
