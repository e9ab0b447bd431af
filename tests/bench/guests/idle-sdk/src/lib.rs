//! Does nothing in both directions, on the SDK: what is left is the price of calling a plugin.

use lockgate_sdk::prelude::*;

struct Idle;

#[plugin]
impl Plugin for Idle {
    fn new(_: NoConfig) -> Result<Self, ConfigError> {
        Ok(Idle)
    }

    fn on_request(&self, _: &mut Request) -> Flow {
        Flow::Continue
    }

    fn on_response(&self, _: &mut Response) -> Flow {
        Flow::Continue
    }
}
