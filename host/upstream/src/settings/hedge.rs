//! Hedging: a second attempt beside one that takes unusually long.

use lockgate_units::Period;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// Hedging: a request that takes longer than most of the upstream's requests goes to another endpoint, too. The first response counts, and
/// the other attempt is cancelled. Only idempotent requests without a body, within the budget of `retry` or, without `retry`, its default
/// one.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct HedgeSettings {
    /// Share of the requests that are answered sooner, in percent: the second attempt starts after that time. It is known after 100
    /// requests.
    #[schemars(range(min = 50, max = 99))]
    pub percentile: u8,
    /// Minimum time before the second attempt.
    pub min_delay: Period,
}

impl Default for HedgeSettings {
    fn default() -> Self {
        Self {
            percentile: 95,
            min_delay: Period::millis(5),
        }
    }
}
