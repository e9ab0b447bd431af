//! [`Cache`]: responses in memory, under a bound in bytes.
//!
//! The caller decides what is stored, for how long and for whom. A key has one entry per partition (a route, say) and variant (the request
//! headers that a response's `Vary` names). Without room, the CLOCK algorithm evicts: it skips entries that were used since its last round, and evicts the first that
//! was not. Responses that are still being received count as well, and may take at most a quarter of the limit.

mod budget;
mod entry;
mod filling;
mod vary;

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use http::HeaderMap;

use budget::Budget;

use crate::MAX_NAME_BYTES;
use crate::name::Name;
use crate::shards::Shards;
use crate::table::Table;

pub use entry::{NewEntry, Partition, Stored};
pub use filling::Filling;

/// Maximum variants of one key in a partition. Beyond it, the oldest of them is removed.
const MAX_VARIANTS: usize = 32;
/// Maximum variants of one key in all partitions. Beyond it, the oldest is removed.
const MAX_ENTRIES: usize = 8 * MAX_VARIANTS;

/// Limits of a [`Cache`].
#[derive(Clone, Copy, Debug)]
pub struct CacheLimits {
    /// Maximum bytes of all entries together: bodies, headers, keys, and 512 bytes of overhead for each.
    pub bytes: usize,
    /// Maximum bytes of one entry, counted in the same way.
    pub max_entry: usize,
}

impl Default for CacheLimits {
    /// 64 MiB in all, 1 MiB per entry.
    fn default() -> Self {
        Self {
            bytes: 64 << 20,
            max_entry: 1 << 20,
        }
    }
}

/// Responses by scope, key and variant.
#[derive(Debug)]
pub struct Cache {
    shards: Shards<Shard>,
    limits: CacheLimits,
    budget: Budget,
    /// The part that is evicted from next.
    broom: AtomicUsize,
}

#[derive(Debug, Default)]
struct Shard {
    table: Table<Resource>,
    /// Number of purges. A response that was being received during a purge may be older than it, and is not stored.
    purges: u64,
}

/// The variants of one key, the latest last.
#[derive(Debug, Default)]
struct Resource {
    variants: Vec<Arc<Stored>>,
    is_used: bool,
}

/// A stored response that fits a request.
#[derive(Clone, Debug)]
pub struct Hit {
    /// The response. Its body is shared, not copied.
    pub stored: Arc<Stored>,
    /// Its age: the age when it was received, and the time since.
    pub age: Duration,
    /// Time that it is still fresh; zero if it is stale.
    pub fresh_for: Duration,
    /// Time that it has been stale; zero if it is fresh.
    pub stale_for: Duration,
}

impl Cache {
    pub(crate) fn new(limits: CacheLimits) -> Self {
        Self {
            shards: Shards::new(),
            limits,
            budget: Budget::new(limits.bytes),
            broom: AtomicUsize::new(0),
        }
    }

    /// The latest response under this key, in this partition, whose variant fits these request headers, fresh or stale.
    pub fn find(
        &self,
        scope: &str,
        key: &str,
        partition: &Partition,
        request: &HeaderMap,
        now: Instant,
    ) -> Option<Hit> {
        let name = Name::new(scope, key);
        let (hash, part) = self.shards.locate(&name);
        let stored = {
            let mut shard = self.shards.lock(part);
            let place = shard.table.find(hash, &name)?;
            let resource = shard.table.at_mut(place);
            let stored = resource
                .variants
                .iter()
                .rev()
                .find(|stored| stored.partition == *partition && stored.vary.fits(request))?;
            let stored = Arc::clone(stored);
            resource.is_used = true;
            stored
        };
        Some(stored.hit(now))
    }

    /// Begins to store a response. `None` if it cannot be stored: its name is too long, its headers or its `content-length` exceed the
    /// maximum of an entry, or too much is being received already.
    pub fn fill(self: &Arc<Self>, scope: &str, key: &str, entry: NewEntry) -> Option<Filling> {
        let name = Name::new(scope, key);
        let announced = entry.announced_length();
        let cost = entry.cost(&name);
        if name.len() > MAX_NAME_BYTES || cost.saturating_add(announced.unwrap_or(0)) > self.limits.max_entry {
            return None;
        }
        let purges = self.shards.lock(self.shards.locate(&name).1).purges;
        let mut filling = Filling::new(Arc::clone(self), scope, key, entry, announced, purges);
        filling.reserve(cost).then_some(filling)
    }

    /// Removes all variants of a key, from all partitions. Returns their number.
    pub fn purge(&self, scope: &str, key: &str) -> usize {
        let name = Name::new(scope, key);
        let (hash, part) = self.shards.locate(&name);
        let removed = {
            let mut shard = self.shards.lock(part);
            shard.purges += 1;
            match shard.table.find(hash, &name) {
                Some(place) => shard.table.remove(place).variants,
                None => Vec::new(),
            }
        };
        self.release(&removed);
        removed.len()
    }

    /// Bytes in use, those being received included.
    pub fn used(&self) -> usize {
        self.budget.used()
    }

    /// Stores a complete response, and replaces the same variant. Its bytes are reserved.
    fn put(&self, scope: &str, key: &str, stored: Stored, purges: u64) -> bool {
        let name = Name::new(scope, key);
        let (hash, part) = self.shards.locate(&name);
        let mut replaced = Vec::new();
        {
            let mut shard = self.shards.lock(part);
            if shard.purges != purges {
                return false;
            }
            let place = match shard.table.find(hash, &name) {
                Some(place) => place,
                None => shard.table.insert(hash, name, Resource::default()),
            };
            let variants = &mut shard.table.at_mut(place).variants;
            let is_beside = |old: &Arc<Stored>| old.partition == stored.partition;
            replaced.extend(variants.extract_if(.., |old| is_beside(old) && old.vary == stored.vary));
            let oldest = if variants.iter().filter(|old| is_beside(old)).count() >= MAX_VARIANTS {
                variants.iter().position(is_beside)
            } else {
                (variants.len() >= MAX_ENTRIES).then_some(0)
            };
            replaced.extend(oldest.map(|oldest| variants.remove(oldest)));
            variants.push(Arc::new(stored));
        }
        self.release(&replaced);
        true
    }

    /// Evicts until `bytes` fit. False: there is nothing left to evict.
    fn make_room(&self, bytes: usize) -> bool {
        while !self.budget.take(bytes) {
            if !self.evict() {
                return false;
            }
        }
        true
    }

    /// Evicts one key from the part whose turn it is, or from the next one with a key that was not used lately. In the second round no key
    /// is marked as used.
    fn evict(&self) -> bool {
        let first = self.broom.fetch_add(1, Ordering::Relaxed);
        for part in 0..2 * self.shards.count() {
            let evicted = self.shards.lock(first.wrapping_add(part)).evict();
            if let Some(resource) = evicted {
                self.release(&resource.variants);
                return true;
            }
        }
        false
    }

    fn release(&self, removed: &[Arc<Stored>]) {
        self.budget.give(removed.iter().map(|stored| stored.cost).sum());
    }
}

impl Shard {
    /// At most one round of the clock. A key that was used since the last round is skipped, and its mark cleared.
    fn evict(&mut self) -> Option<Resource> {
        for _ in 0..self.table.len() {
            let place = self.table.tick()?;
            let resource = self.table.at_mut(place);
            if std::mem::take(&mut resource.is_used) {
                continue;
            }
            let evicted = self.table.remove(place);
            self.table.tick_back();
            return Some(evicted);
        }
        None
    }
}

#[cfg(test)]
mod tests;
