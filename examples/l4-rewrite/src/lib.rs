//! Replaces words in the bytes of TCP connections, in both directions. It uses the `proxy-wasm` crate without the SDK.
//! The same module runs in Envoy's network Wasm filter.

mod words;

use proxy_wasm::traits::{Context, RootContext, StreamContext};
use proxy_wasm::types::{Action, ContextType, LogLevel};
use std::rc::Rc;
use words::{Rewriter, Words};

#[cfg(target_arch = "wasm32")]
proxy_wasm::main! {{
    proxy_wasm::set_log_level(LogLevel::Info);
    proxy_wasm::set_root_context(|_| Box::<Root>::default());
}}

/// The plugin and its configuration.
#[derive(Default)]
pub struct Root {
    words: Rc<Words>,
}

impl Context for Root {}

impl RootContext for Root {
    fn on_configure(&mut self, _size: usize) -> bool {
        let config = self.get_plugin_configuration().unwrap_or_default();
        match Words::parse(&String::from_utf8_lossy(&config)) {
            Ok(words) => self.words = Rc::new(words),
            Err(message) => {
                proxy_wasm::hostcalls::log(LogLevel::Error, &message).ok();
                return false;
            }
        }
        true
    }

    fn create_stream_context(&self, _id: u32) -> Option<Box<dyn StreamContext>> {
        let words = self.words.clone();
        Some(Box::new(Connection {
            words,
            downstream: Rewriter::default(),
            upstream: Rewriter::default(),
        }))
    }

    fn get_type(&self) -> Option<ContextType> {
        Some(ContextType::StreamContext)
    }
}

/// One connection.
struct Connection {
    words: Rc<Words>,
    downstream: Rewriter,
    upstream: Rewriter,
}

impl Context for Connection {}

impl StreamContext for Connection {
    fn on_downstream_data(&mut self, size: usize, end: bool) -> Action {
        let data = self.get_downstream_data(0, size).unwrap_or_default();
        let rewritten = self.downstream.rewrite(&self.words, &data, end);
        self.set_downstream_data(0, size, &rewritten);
        Action::Continue
    }

    fn on_upstream_data(&mut self, size: usize, end: bool) -> Action {
        let data = self.get_upstream_data(0, size).unwrap_or_default();
        let rewritten = self.upstream.rewrite(&self.words, &data, end);
        self.set_upstream_data(0, size, &rewritten);
        Action::Continue
    }
}
