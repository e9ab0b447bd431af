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
}
