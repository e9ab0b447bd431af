//! Does nothing, in every phase that the SDK exports: what is left is the price of being called.
#![allow(missing_docs, reason = "proxy_wasm::main! makes a public function that has none")]

use proxy_wasm::traits::{Context, HttpContext};

proxy_wasm::main! {{
    proxy_wasm::set_http_context(|_, _| -> Box<dyn HttpContext> { Box::new(Idle) });
}}

struct Idle;

impl Context for Idle {}

impl HttpContext for Idle {}
