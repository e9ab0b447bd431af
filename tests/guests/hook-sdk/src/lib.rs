//! Reads a header of the request, named by the configuration, and sets it anew. `hook` does the same with the
//! `proxy-wasm` crate: what the two cost is compared, so their own work is the same and as small as can be.

mod count;

use count::{Hook, one_more};
use lockgate_sdk::prelude::*;

#[plugin]
impl Plugin for Hook {
    type Config = Hook;

    fn new(config: Hook) -> Result<Self, ConfigError> {
        Ok(config)
    }

    fn on_request(&self, request: &mut Request) -> Result<Flow> {
        let next = one_more(request.header(&self.header)?, self.limit);
        request.set_header(&self.header, next)?;
        Ok(Flow::Continue)
    }
}
