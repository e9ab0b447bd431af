//! Adds the number in its configuration to every byte of both bodies, chunk by chunk, and holds nothing back. Two of these in a
//! chain leave the sum of their numbers on each byte: what arrives proves that both have seen all of it, in both directions.

use proxy_wasm::hostcalls;
use proxy_wasm::traits::{Context, HttpContext, RootContext};
use proxy_wasm::types::{Action, BufferType, ContextType};

proxy_wasm::main! {{
    proxy_wasm::set_root_context(|_| Box::new(Root { add: 0 }));
}}

struct Root {
    add: u8,
}

impl Context for Root {}

impl RootContext for Root {
    fn on_configure(&mut self, _: usize) -> bool {
        let text = self.get_plugin_configuration().unwrap_or_default();
        let number = std::str::from_utf8(&text).ok().and_then(|text| text.parse().ok());
        self.add = number.unwrap_or(0);
        number.is_some()
    }

    fn get_type(&self) -> Option<ContextType> {
        Some(ContextType::HttpContext)
    }

    fn create_http_context(&self, _: u32) -> Option<Box<dyn HttpContext>> {
        Some(Box::new(Adder { add: self.add }))
    }
}

struct Adder {
    add: u8,
}

impl Adder {
    fn change(&self, buffer: BufferType, size: usize) -> Action {
        if let Ok(Some(mut bytes)) = hostcalls::get_buffer(buffer, 0, size) {
            bytes.iter_mut().for_each(|byte| *byte = byte.wrapping_add(self.add));
            hostcalls::set_buffer(buffer, 0, size, &bytes).ok();
        }
        Action::Continue
    }
}

impl Context for Adder {}

impl HttpContext for Adder {
    fn on_http_request_body(&mut self, size: usize, _: bool) -> Action {
        self.change(BufferType::HttpRequestBody, size)
    }

    fn on_http_response_body(&mut self, size: usize, _: bool) -> Action {
        self.change(BufferType::HttpResponseBody, size)
    }
}
