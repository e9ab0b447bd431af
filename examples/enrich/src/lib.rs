//! Calls two services at once, for the name and the plan of the user, and passes both to the upstream.

use std::time::Duration;

use lockgate_sdk::prelude::*;
use lockgate_sdk::{CalloutResponse, Upstream, join};

struct Enrich;

#[plugin]
impl Plugin for Enrich {
    fn new(_: NoConfig) -> Result<Self, ConfigError> {
        Ok(Enrich)
    }

    async fn on_request(&self, request: &mut Request) -> Result<Flow> {
        let id = request.header("x-user-id")?.unwrap_or_default();
        if id.is_empty() || !id.bytes().all(|byte| byte.is_ascii_alphanumeric()) {
            return Ok(reply(400).text("x-user-id is missing or malformed").into());
        }
        let call = |service| {
            let callout = Upstream::new(service).get(&format!("/{service}/{id}"));
            callout.timeout(Duration::from_millis(500))
        };
        let (user, plan) = join(call("users"), call("plans")).await;
        let Ok(user) = user.and_then(CalloutResponse::successful) else {
            return Ok(reply(403).text("no such user").into());
        };
        request.set_header("x-user-name", user.text()?)?;
        // Without the second service, the plan is the free one.
        let plan = plan.and_then(CalloutResponse::successful);
        request.set_header("x-plan", plan.as_ref().map_or("free".as_bytes(), CalloutResponse::body))?;
        Ok(Flow::Continue)
    }
}

#[cfg(test)]
mod tests;
