//! Settings of the response cache. The cache itself is in `lockgate-store`, which knows neither JSON nor units.

use lockgate_store::{CacheLimits, StoreSettings};
use lockgate_units::Size;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// The response cache that plugins share: one store for all workers.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct CacheSettings {
    /// Maximum size of all entries together: bodies, headers and 512 bytes of overhead for each. Entries that were not used
    /// recently give way to new ones.
    pub bytes: Size,
    /// Maximum size of one entry: body, headers and 512 bytes of overhead. A larger response is not cached.
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
    /// The store's settings: the configured limits of the cache, and the store's defaults for all else.
    fn from(settings: &CacheSettings) -> StoreSettings {
        StoreSettings {
            cache: CacheLimits {
                bytes: settings.bytes.as_usize(),
                max_entry: settings.max_entry.as_usize(),
            },
            ..StoreSettings::default()
        }
    }
}
