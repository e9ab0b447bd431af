//! Reads a header and sets it anew, in both directions: two host calls a phase with memory passed both ways.
#![allow(missing_docs, reason = "proxy_wasm::main! makes a public function that has none")]

use proxy_wasm::traits::{Context, HttpContext};
use proxy_wasm::types::Action;

/// The header that is read and set. Several of these plugins in a chain count how many they are.
const NAME: &str = "x-bench";

proxy_wasm::main! {{
    proxy_wasm::set_http_context(|_, _| -> Box<dyn HttpContext> { Box::new(Headers) });
}}

struct Headers;

impl Context for Headers {}

impl HttpContext for Headers {
    fn on_http_request_headers(&mut self, _: usize, _: bool) -> Action {
        let next = one_more(self.get_http_request_header(NAME));
        self.set_http_request_header(NAME, Some(next));
        Action::Continue
    }

    fn on_http_response_headers(&mut self, _: usize, _: bool) -> Action {
        let next = one_more(self.get_http_response_header(NAME));
        self.set_http_response_header(NAME, Some(next));
        Action::Continue
    }
}

/// Counts in a fixed table, so that the guest's own work stays out of the figure.
fn one_more(seen: Option<String>) -> &'static str {
    const COUNT: [&str; 9] = ["1", "2", "3", "4", "5", "6", "7", "8", "9"];
    let seen = seen.and_then(|text| text.parse().ok()).unwrap_or(0);
    COUNT.get(seen).copied().unwrap_or("9")
}
