//! Reads a header of the request, named by the configuration, and sets it anew: `hook-sdk` with the `proxy-wasm` crate.
#![allow(missing_docs, reason = "proxy_wasm::main! makes a public function that has none")]

use std::rc::Rc;

use proxy_wasm::traits::{Context, HttpContext, RootContext};
use proxy_wasm::types::{Action, ContextType};
use serde::Deserialize;

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Config {
    /// The header that is read and set. Several of these plugins in a chain count how many they are.
    header: String,
    /// How far they count.
    #[serde(default = "nine")]
    limit: usize,
}

fn nine() -> usize {
    9
}

proxy_wasm::main! {{
    proxy_wasm::set_root_context(|_| -> Box<dyn RootContext> { Box::new(Root { config: None }) });
}}

struct Root {
    config: Option<Rc<Config>>,
}

impl Context for Root {}

impl RootContext for Root {
    fn on_configure(&mut self, _: usize) -> bool {
        let text = self.get_plugin_configuration().unwrap_or_default();
        match serde_json::from_slice::<Config>(&text) {
            Ok(config) => {
                self.config = Some(Rc::new(config));
                true
            }
            Err(_) => false,
        }
    }

    fn get_type(&self) -> Option<ContextType> {
        Some(ContextType::HttpContext)
    }

    fn create_http_context(&self, _: u32) -> Option<Box<dyn HttpContext>> {
        let config = self.config.clone()?;
        Some(Box::new(Hook { config }))
    }
}

struct Hook {
    config: Rc<Config>,
}

impl Context for Hook {}

impl HttpContext for Hook {
    fn on_http_request_headers(&mut self, _: usize, _: bool) -> Action {
        let next = one_more(self.get_http_request_header(&self.config.header), self.config.limit);
        self.set_http_request_header(&self.config.header, Some(next));
        Action::Continue
    }
}

/// Counts in a fixed table, so that the guest's own work stays out of the figure.
fn one_more(seen: Option<String>, limit: usize) -> &'static str {
    const COUNT: [&str; 9] = ["1", "2", "3", "4", "5", "6", "7", "8", "9"];
    let seen = seen.and_then(|text| text.parse().ok()).unwrap_or(0).min(limit);
    COUNT.get(seen).copied().unwrap_or("9")
}
