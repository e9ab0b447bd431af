//! How many requests an upstream has at a time.

use std::num::NonZeroUsize;

use lockgate_units::Period;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// Maximum concurrent requests of an upstream, over all workers, and a queue for those above it. A request counts until the last byte of its
/// response. One that gets no place is answered with 503 and `Retry-After`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct ConcurrencySettings {
    /// Maximum concurrent requests.
    #[schemars(range(min = 1))]
    pub max: NonZeroUsize,
    /// Maximum requests that wait for a place. 0: none waits.
    #[serde(default)]
    pub queue: usize,
    /// Maximum time that a request waits for a place.
    #[serde(default = "queue_timeout")]
    pub queue_timeout: Period,
}

fn queue_timeout() -> Period {
    Period::seconds(1)
}

/// Which requests are answered first, and which are shed first, where an upstream has a limit of concurrency.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Criticality {
    /// Shed first.
    Low,
    /// Between the two.
    #[default]
    Normal,
    /// Answered first.
    High,
}

impl Criticality {
    /// Number of values.
    pub const COUNT: usize = 3;
    /// Every value, from low to high.
    pub const ALL: [Self; Self::COUNT] = [Self::Low, Self::Normal, Self::High];

    /// The value of this name.
    pub fn from_name(name: &str) -> Option<Self> {
        match name {
            "low" => Some(Self::Low),
            "normal" => Some(Self::Normal),
            "high" => Some(Self::High),
            _ => None,
        }
    }
}
