//! State that outlives a reload: counters, values by key, queues, the response cache.
//!
//! All workers share one [`Store`] by [`Arc`]. Everything in it has a limit, has a name independent of configuration snapshots, and is behind
//! sharded locks that are held for one map access. It knows neither JSON nor plugins: a name is a scope and a key, both plain text. The
//! caller passes the time, so that tests need no clock.

mod cache;
mod counters;
mod kv;
mod name;
mod queues;
mod shards;
mod shared_data;
mod table;

use std::sync::Arc;
use std::time::Instant;

pub use cache::{Cache, CacheLimits, Filling, Hit, NewEntry, Partition, Stored};
pub use counters::{Counters, Outcome, Rule, RuleError, Taken};
pub use kv::{Condition, KV_OVERHEAD, Kv, KvError, KvLimits, Listed, Listing, Notify, Value, WatchError, Watcher};
pub use queues::{QueueError, QueueLimits, Queues, TooManyQueues};
pub use shared_data::SharedData;

/// Maximum length of a key in bytes, its scope included; those of counters may be longer.
pub const MAX_NAME_BYTES: usize = 4096;

/// Limits of a store.
#[derive(Clone, Debug, Default)]
pub struct StoreSettings {
    /// Limits of the response cache.
    pub cache: CacheLimits,
    /// Limits of the values by key.
    pub kv: KvLimits,
    /// Limits of the shared data of proxy-wasm.
    pub shared_data: KvLimits,
    /// Limits of the queues.
    pub queues: QueueLimits,
    /// Maximum number of counters; see [`Counters`].
    pub counters: CounterLimit,
}

/// Maximum number of counters.
#[derive(Clone, Copy, Debug)]
pub struct CounterLimit(pub usize);

impl Default for CounterLimit {
    /// A quarter of a million: about 50 MB when all are in use, however long their keys are.
    fn default() -> Self {
        Self(1 << 18)
    }
}

/// All state that outlives a reload.
#[derive(Debug)]
pub struct Store {
    counters: Counters,
    kv: Kv,
    shared_data: SharedData,
    queues: Queues,
    cache: Arc<Cache>,
}

impl Store {
    /// An empty store.
    pub fn new(settings: StoreSettings) -> Self {
        Self::since(settings, Instant::now())
    }

    /// An empty store for callers whose clock is never before `start`.
    pub fn since(settings: StoreSettings, start: Instant) -> Self {
        Self {
            counters: Counters::new(settings.counters.0, start),
            kv: Kv::new(settings.kv),
            shared_data: SharedData::new(settings.shared_data),
            queues: Queues::new(settings.queues),
            cache: Arc::new(Cache::new(settings.cache)),
        }
    }

    /// Counters that limit rates.
    pub fn counters(&self) -> &Counters {
        &self.counters
    }

    /// Values by key, each with a version and optionally a time to live.
    pub fn kv(&self) -> &Kv {
        &self.kv
    }

    /// The shared data of proxy-wasm.
    pub fn shared_data(&self) -> &SharedData {
        &self.shared_data
    }

    /// Queues of bytes.
    pub fn queues(&self) -> &Queues {
        &self.queues
    }

    /// The response cache.
    pub fn cache(&self) -> &Arc<Cache> {
        &self.cache
    }
}
