//! Settings of the response cache and of `lockgate.kv`. Both are in `lockgate-store`, which knows neither JSON nor units.

use lockgate_store::{CacheLimits, KvLimits, StoreSettings};
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

/// The values that plugins keep by key (`lockgate.kv`): one store for all workers.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct KvSettings {
    /// Maximum size of all values together, each with its key and 192 bytes of overhead. A value is never evicted before it expires:
    /// without room, the write is an error in the plugin.
    pub bytes: Size,
    /// Maximum size of the values of one plugin, or of the plugins that share them by `vm_id`. Counted as `kv.bytes`.
    pub plugin_bytes: Size,
    /// Maximum size of one value.
    pub max_value: Size,
}

impl Default for KvSettings {
    fn default() -> KvSettings {
        KvSettings {
            bytes: Size::mib(64),
            plugin_bytes: Size::mib(16),
            max_value: Size::mib(1),
        }
    }
}

/// The store's settings: the configured limits, and the store's defaults for all else.
pub fn store_settings(cache: &CacheSettings, kv: &KvSettings) -> StoreSettings {
    StoreSettings {
        cache: CacheLimits {
            bytes: cache.bytes.as_usize(),
            max_entry: cache.max_entry.as_usize(),
        },
        kv: KvLimits {
            bytes: kv.bytes.as_usize(),
            namespace: kv.plugin_bytes.as_usize(),
            value: kv.max_value.as_usize(),
        },
        ..StoreSettings::default()
    }
}
