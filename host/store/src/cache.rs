//! [`Cache`]: responses in memory, under a bound in bytes.
//!
//! It keeps and hands out; what may be stored, for how long and for whom, is decided by whoever asks. A key holds one
//! entry per variant (the request headers that a response's `Vary` names). When there is no room, entries go by CLOCK: the
//! hand passes over those that were used since its last round and takes the first that was not. Bytes of responses that
//! are only just coming in count as well, and may be at most a quarter of the bound.

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

pub use entry::{NewEntry, Stored};
pub use filling::Filling;

/// The most variants of one key; the oldest gives way.
const MAX_VARIANTS: usize = 32;

/// How much a [`Cache`] may hold.
#[derive(Clone, Copy, Debug)]
pub struct CacheLimits {
    /// All entries together, in bytes: bodies, headers, keys, and 512 bytes more for each.
    pub bytes: usize,
    /// The largest entry, counted in the same way.
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
    /// The part in which room is made next.
    broom: AtomicUsize,
}

#[derive(Debug, Default)]
struct Shard {
    table: Table<Resource>,
    /// Counts purges. A response that was on its way during one may be older than it, and is not kept.
    purges: u64,
}

/// All that is stored under one key, the latest last.
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
    /// Its age: what it had when it came, and the time since.
    pub age: Duration,
    /// For how long it is still fresh; zero when it is not.
    pub fresh_for: Duration,
    /// For how long it has been stale; zero when it is not.
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

    /// The latest response under this key whose variant fits these request headers, fresh or stale.
    pub fn find(&self, scope: &str, key: &str, request: &HeaderMap, now: Instant) -> Option<Hit> {
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
                .find(|stored| stored.vary.fits(request))?;
            let stored = Arc::clone(stored);
            resource.is_used = true;
            stored
        };
        Some(stored.hit(now))
    }

    /// Begins to store a response. `None` when it cannot be kept anyhow: its name is too long, its head alone or its
    /// announced body is larger than an entry may be, or too much is being stored at this moment.
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

    /// Removes everything under a key; says how many responses that were.
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

    /// Bytes in use, those coming in included.
    pub fn used(&self) -> usize {
        self.budget.used()
    }

    /// Puts a complete response in, in the place of the same variant. Its bytes have been reserved.
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
            replaced.extend(variants.extract_if(.., |old| old.vary == stored.vary));
            if variants.len() >= MAX_VARIANTS {
                replaced.push(variants.remove(0));
            }
            variants.push(Arc::new(stored));
        }
        self.release(&replaced);
        true
    }

    /// Throws out until `bytes` fit; false when there is nothing left to throw out.
    fn make_room(&self, bytes: usize) -> bool {
        while !self.budget.take(bytes) {
            if !self.evict() {
                return false;
            }
        }
        true
    }

    /// Throws out one key: from the part whose turn it is, or the next one that has any which was not used lately. The
    /// second time round, whatever was used has had its mark taken.
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
    /// One round of the clock at most: what was used since the last one is passed over, and its mark taken.
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
