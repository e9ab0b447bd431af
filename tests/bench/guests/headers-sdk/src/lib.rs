//! Reads a header and sets it anew, in both directions, on the SDK. `headers` does the same with the `proxy-wasm` crate.

use lockgate_sdk::prelude::*;

/// The header that is read and set. Several of these plugins in a chain count how many they are.
const NAME: &str = "x-bench";

struct Headers;

#[plugin]
impl Plugin for Headers {
    fn new(_: NoConfig) -> Result<Self, ConfigError> {
        Ok(Headers)
    }

    fn on_request(&self, request: &mut Request) -> Result<Flow> {
        let next = one_more(request.header(NAME)?);
        request.set_header(NAME, next)?;
        Ok(Flow::Continue)
    }

    fn on_response(&self, response: &mut Response) -> Result<Flow> {
        let next = one_more(response.header(NAME)?);
        response.set_header(NAME, next)?;
        Ok(Flow::Continue)
    }
}

/// Counts in a fixed table, so that the guest's own work stays out of the figure.
fn one_more(seen: Option<String>) -> &'static str {
    const COUNT: [&str; 9] = ["1", "2", "3", "4", "5", "6", "7", "8", "9"];
    let seen = seen.and_then(|text| text.parse().ok()).unwrap_or(0);
    COUNT.get(seen).copied().unwrap_or("9")
}
