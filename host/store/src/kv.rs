//! [`Kv`]: values by namespace and key, each with a version and optionally a time to live.
//!
//! Examples are verified tokens, sessions and budgets. A live value is never evicted: without room, a write fails. What has expired gives
//! way at once. Whoever waits for a change of a value watches it.

mod listing;
mod shard;
mod usage;
mod watch;

use std::hash::{BuildHasher, RandomState};
use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use bytes::Bytes;

use self::shard::{Entry, Shard};
use self::usage::Usage;
use crate::MAX_NAME_BYTES;

pub use self::listing::{Listed, Listing};
pub use self::watch::{Notify, WatchError, Watcher};

/// Bytes that an entry takes besides its namespace, key and value.
pub const KV_OVERHEAD: usize = 192;
/// Number of parts with a lock of their own: a power of two.
const SHARDS: usize = 16;
/// Number of expired entries that each write drops from its part.
const A_FEW: usize = 4;
/// Number of expired entries that a write without room drops from each part, before it is tried again.
const MANY: usize = 256;

/// Values by namespace and key.
#[derive(Debug)]
pub struct Kv {
    shards: [Mutex<Shard>; SHARDS],
    state: RandomState,
    usage: Usage,
    max_value: usize,
    version: AtomicU32,
}

/// How much a [`Kv`] may hold. Each entry counts with namespace, key, value and [`KV_OVERHEAD`].
#[derive(Clone, Copy, Debug)]
pub struct KvLimits {
    /// Maximum bytes of all entries together.
    pub bytes: usize,
    /// Maximum bytes of the entries of one namespace.
    pub namespace: usize,
    /// Maximum bytes of a value.
    pub value: usize,
}

impl Default for KvLimits {
    /// 64 MiB in all and for one namespace, 1 MiB per value.
    fn default() -> Self {
        Self {
            bytes: 64 << 20,
            namespace: 64 << 20,
            value: 1 << 20,
        }
    }
}

/// A value as it was read.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Value {
    /// The bytes.
    pub bytes: Bytes,
    /// The version: another one after each write. Neither 0 nor [`u32::MAX`].
    pub version: u32,
    /// How long it still lives; `None` without expiry.
    pub expires_in: Option<Duration>,
}

/// What must be true for a write.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Condition {
    /// Nothing.
    Always,
    /// There is no value.
    Absent,
    /// The value has this version.
    Version(u32),
    /// The value has this version, or there is none: `cas` of proxy-wasm, as in Envoy.
    VersionOrAbsent(u32),
}

impl Condition {
    fn holds(self, current: Option<u32>) -> bool {
        match (self, current) {
            (Self::Always, _) | (Self::Absent | Self::VersionOrAbsent(_), None) => true,
            (Self::Version(wanted) | Self::VersionOrAbsent(wanted), Some(current)) => wanted == current,
            (Self::Absent, Some(_)) | (Self::Version(_), None) => false,
        }
    }
}

/// Why a value was not written or removed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum KvError {
    /// The condition does not hold. The current version is given, if there is a value.
    #[error("the value has been changed meanwhile")]
    Conflict(Option<u32>),
    /// No room is left, for all or for the namespace.
    #[error("there is no room for another value")]
    Full,
    /// The key or the value is too long.
    #[error("the key or the value is too long")]
    TooLarge,
}

impl Kv {
    pub(crate) fn new(limits: KvLimits) -> Self {
        Self {
            shards: Default::default(),
            state: RandomState::new(),
            usage: Usage::new(limits.bytes, limits.namespace),
            max_value: limits.value,
            version: AtomicU32::new(0),
        }
    }

    /// The value of a key.
    pub fn value(&self, namespace: &str, key: &str, now: Instant) -> Option<Value> {
        let shard = self.shard_of(namespace, key);
        let entry = shard.live(namespace, key, now)?;
        Some(Value {
            bytes: entry.value.clone(),
            version: entry.version,
            expires_in: entry.expires.map(|expires| expires.saturating_duration_since(now)),
        })
    }

    /// Writes a value for the time `ttl`, or without expiry, and returns its version.
    ///
    /// # Errors
    /// [`KvError`]; the current value stays.
    pub fn set(
        &self,
        namespace: &str,
        key: &str,
        value: &[u8],
        condition: Condition,
        ttl: Option<Duration>,
        now: Instant,
    ) -> Result<u32, KvError> {
        if namespace.len() + key.len() > MAX_NAME_BYTES || value.len() > self.max_value {
            return Err(KvError::TooLarge);
        }
        loop {
            match self.try_set(namespace, key, value, condition, ttl, now) {
                Err(KvError::Full) if self.drop_expired(now) => {}
                result => return result,
            }
        }
    }

    fn try_set(
        &self,
        namespace: &str,
        key: &str,
        value: &[u8],
        condition: Condition,
        ttl: Option<Duration>,
        now: Instant,
    ) -> Result<u32, KvError> {
        let mut dropped = Vec::new();
        let mut shard = self.shard_of(namespace, key);
        shard.drop_expired(now, A_FEW, &mut dropped);
        if let Some(dead) = shard.remove_expired(namespace, key, now) {
            dropped.push(dead);
        }
        self.free(&dropped);
        let old = shard.live(namespace, key, now).map(|old| (old.version, old.cost));
        let current = old.map(|(version, _)| version);
        let result = if !condition.holds(current) {
            Err(KvError::Conflict(current))
        } else {
            let cost = namespace.len() + key.len() + value.len() + KV_OVERHEAD;
            if self.usage.reserve(namespace, cost, old.map_or(0, |(_, cost)| cost)) {
                let version = self.next_version();
                let entry = Entry {
                    value: Bytes::copy_from_slice(value),
                    version,
                    expires: ttl.and_then(|ttl| now.checked_add(ttl)),
                    cost,
                    watchers: Vec::new(),
                };
                // The reservation has counted the old value already.
                if let Some(mut old) = shard.insert(namespace, key, entry) {
                    old.entry.cost = 0;
                    dropped.push(old);
                }
                Ok(version)
            } else {
                Err(KvError::Full)
            }
        };
        drop(shard);
        watch::notify(dropped);
        result
    }

    /// Removes a value. Returns whether there was one.
    ///
    /// # Errors
    /// [`KvError::Conflict`] if there is a value and the condition does not hold; it stays.
    pub fn delete(&self, namespace: &str, key: &str, condition: Condition, now: Instant) -> Result<bool, KvError> {
        let mut shard = self.shard_of(namespace, key);
        let current = shard.live(namespace, key, now).map(|entry| entry.version);
        if current.is_some() && !condition.holds(current) {
            return Err(KvError::Conflict(current));
        }
        let removed: Vec<_> = shard.remove(namespace, key).into_iter().collect();
        self.free(&removed);
        drop(shard);
        watch::notify(removed);
        Ok(current.is_some())
    }

    /// Bytes in use, as [`KvLimits::bytes`] counts them, expired entries that were not dropped yet included.
    pub fn used(&self) -> usize {
        self.usage.total()
    }

    /// Drops some of what has expired, from each part. Returns whether there was something.
    fn drop_expired(&self, now: Instant) -> bool {
        let mut any = false;
        for index in 0..SHARDS {
            let mut dropped = Vec::new();
            let mut shard = self.lock(index);
            shard.drop_expired(now, MANY, &mut dropped);
            self.free(&dropped);
            drop(shard);
            any |= !dropped.is_empty();
            watch::notify(dropped);
        }
        any
    }

    fn free(&self, dropped: &[shard::Removed]) {
        for removed in dropped {
            self.usage.release(&removed.namespace, removed.entry.cost);
        }
    }

    fn next_version(&self) -> u32 {
        // 0 means "always" to proxy-wasm. The maximum stays a version that no value has: who names it writes only where nothing is.
        match self.version.fetch_add(1, Ordering::Relaxed).wrapping_add(1) {
            0 | u32::MAX => self.next_version(),
            version => version,
        }
    }

    fn shard_of(&self, namespace: &str, key: &str) -> MutexGuard<'_, Shard> {
        // Seeded per process, as keys come from clients.
        self.lock(self.state.hash_one((namespace, key)) as usize)
    }

    /// Locks one part. No caller locks two.
    fn lock(&self, index: usize) -> MutexGuard<'_, Shard> {
        // A panic under the lock can only have left one entry half-changed, and no entry has rules that this would break.
        self.shards[index % SHARDS]
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
    }
}

/// A name that the entries and their expiries share.
type Name = Arc<str>;

#[cfg(test)]
mod tests;
