//! `hook-sdk` with a hook that may wait, though it never does.

use lockgate_sdk::prelude::*;

#[derive(Config)]
struct Hook {
    /// The header that is read and set. Several of these plugins in a chain count how many they are.
    header: String,
    /// How far they count.
    #[config(default = 9, max = 9)]
    limit: usize,
}

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

/// Counts in a fixed table, so that the guest's own work stays out of the figure.
fn one_more(seen: Option<String>, limit: usize) -> &'static str {
    const COUNT: [&str; 9] = ["1", "2", "3", "4", "5", "6", "7", "8", "9"];
    let seen = seen.and_then(|text| text.parse().ok()).unwrap_or(0).min(limit);
    COUNT.get(seen).copied().unwrap_or("9")
}
