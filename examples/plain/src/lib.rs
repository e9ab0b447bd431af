//! A plugin with the `proxy-wasm` crate, without this project's SDK: it calls the upstream `auth` before a request
//! passes. `examples/enrich` is a similar plugin with the SDK.

use std::time::Duration;

use proxy_wasm::traits::{Context, HttpContext, RootContext};
use proxy_wasm::types::{Action, ContextType, LogLevel};

proxy_wasm::main! {{
    proxy_wasm::set_log_level(LogLevel::Info);
    proxy_wasm::set_root_context(|_| Box::new(Root));
}}

struct Root;

impl Context for Root {}

impl RootContext for Root {
    fn get_type(&self) -> Option<ContextType> {
        Some(ContextType::HttpContext)
    }

    fn create_http_context(&self, _: u32) -> Option<Box<dyn HttpContext>> {
        Some(Box::new(Request))
    }
}

struct Request;

impl HttpContext for Request {
    fn on_http_request_headers(&mut self, _: usize, _: bool) -> Action {
        let token = self.get_http_request_header("authorization").unwrap_or_default();
        let headers = vec![
            (":method", "GET"),
            (":path", "/check"),
            (":authority", "auth"),
            ("authorization", token.as_str()),
        ];
        match self.dispatch_http_call("auth", headers, None, vec![], Duration::from_secs(1)) {
            Ok(_) => Action::Pause,
            Err(status) => {
                log(&format!("auth cannot be called: {status:?}"));
                self.send_http_response(503, vec![], None);
                Action::Pause
            }
        }
    }
}

impl Context for Request {
    fn on_http_call_response(&mut self, _: u32, _: usize, _: usize, _: usize) {
        let status = self.get_http_call_response_header(":status");
        match decision(status.as_deref()) {
            Decision::Pass => self.resume_http_request(),
            Decision::Refuse(status) => self.send_http_response(status, vec![], None),
        }
    }
}

#[derive(Debug, PartialEq, Eq)]
enum Decision {
    Pass,
    Refuse(u32),
}

/// The decision for the status of the response; a missing response has none.
fn decision(status: Option<&str>) -> Decision {
    match status.and_then(|status| status.parse::<u32>().ok()) {
        Some(200..=299) => Decision::Pass,
        Some(401) => Decision::Refuse(401),
        Some(400..=499) => Decision::Refuse(403),
        _ => Decision::Refuse(503),
    }
}

fn log(message: &str) {
    // An error is ignored, as there is nowhere to log it.
    let _ = proxy_wasm::hostcalls::log(LogLevel::Warn, message);
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_a_2xx_passes() {
        assert_eq!(decision(Some("204")), Decision::Pass);
        assert_eq!(decision(Some("401")), Decision::Refuse(401));
        assert_eq!(decision(Some("404")), Decision::Refuse(403));
        assert_eq!(decision(Some("502")), Decision::Refuse(503));
        assert_eq!(decision(None), Decision::Refuse(503));
    }
}
