//! What the settings say of the response cache.

use lockgate_units::Size;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// The response cache that plugins share: one store for all workers.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct CacheSettings {
    /// Most bytes that all entries take together, heads included.
    pub bytes: Size,
    /// Largest body that is kept.
    pub max_entry: Size,
}

impl Default for CacheSettings {
    fn default() -> CacheSettings {
        CacheSettings {
            bytes: Size::mib(64),
            max_entry: Size::mib(1),
        }
    }
}
