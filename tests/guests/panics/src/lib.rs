//! A guest that panics as Rust code does: with a message, through the SDK's hook, into a trap. It does so in requests with
//! `x-fail`, and in the response phase of those whose `x-fail` says so.

use proxy_wasm::traits::{Context, HttpContext};
use proxy_wasm::types::{Action, LogLevel};

proxy_wasm::main! {{
    proxy_wasm::set_log_level(LogLevel::Info);
    proxy_wasm::set_http_context(|_, _| Box::new(Panicking { wish: None }));
}}

struct Panicking {
    wish: Option<String>,
}

impl Context for Panicking {}

impl HttpContext for Panicking {
    fn on_http_request_headers(&mut self, _: usize, _: bool) -> Action {
        self.wish = self.get_http_request_header("x-fail");
        if self.wish.as_deref() == Some("request") {
            panic!("the guest has lost its nerve");
        }
        Action::Continue
    }

    fn on_http_response_headers(&mut self, _: usize, _: bool) -> Action {
        assert!(self.wish.as_deref() != Some("response"), "the guest has lost its nerve");
        Action::Continue
    }
}
