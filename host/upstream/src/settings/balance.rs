//! Balancing.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// How an endpoint is chosen for a request. All algorithms use the weights.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Balance {
    /// In turn, in proportion to the weights and evenly spread. Exact over every cycle and across workers.
    #[default]
    RoundRobin,
    /// At random.
    Random,
    /// Of two endpoints that are chosen at random, the one with fewer active requests, relative to its weight.
    LeastRequest,
    /// Of two endpoints that are chosen at random, the one from which a response is expected sooner: by the peak of its recent latencies,
    /// which decays over 10 seconds, times its active requests. A failure counts as a latency of at least 1 second.
    PeakEwma,
}
