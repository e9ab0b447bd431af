//! `hook-sdk` with a hook that may wait, though it never does.

#[path = "../../hook-sdk/src/count.rs"]
mod count;

use count::{Hook, one_more};
use lockgate_sdk::prelude::*;

#[plugin]
impl Plugin for Hook {
    type Config = Hook;

    fn new(config: Hook) -> Result<Self, ConfigError> {
        Ok(config)
    }

    async fn on_request(&self, request: &mut Request) -> Result<Flow> {
        let next = one_more(request.header(&self.header)?, self.limit);
        request.set_header(&self.header, next)?;
        Ok(Flow::Continue)
    }
}
