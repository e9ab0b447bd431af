//! What the settings say of the response cache.

use lockgate_units::Size;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::{CacheLimits, StoreSettings};

/// The response cache that plugins share: one store for all workers.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct CacheSettings {
    /// Maximum size of all entries together, headers included.
    pub bytes: Size,
    /// Maximum size of a cached body.
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

impl From<&CacheSettings> for StoreSettings {
    /// What the configuration bounds of the store, its own defaults for the rest.
    fn from(settings: &CacheSettings) -> StoreSettings {
        let bytes = |size: Size| usize::try_from(size.0).unwrap_or(usize::MAX);
        StoreSettings {
            cache: CacheLimits {
                bytes: bytes(settings.bytes),
                max_entry: bytes(settings.max_entry),
            },
            ..StoreSettings::default()
        }
    }
}
