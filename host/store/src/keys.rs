//! [`Keys`]: values by name, each with a version and optionally a time to live.
//!
//! Examples are verified tokens, sessions and decisions. `shared_data` is built on it. A value is never evicted: without room, a write
//! fails.

use std::sync::atomic::{AtomicU32, AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use bytes::Bytes;

use crate::MAX_NAME_BYTES;
use crate::name::Name;
use crate::shards::Shards;
use crate::table::Table;

/// Number of entries that each new key checks for expiry.
const A_FEW: usize = 8;
/// Number of entries that a write without room checks for expiry.
const MANY: usize = 512;
/// Bytes that an entry takes besides its name and value.
const OVERHEAD: usize = 128;

/// Values by name.
#[derive(Debug)]
pub struct Keys {
    shards: Shards<Table<Entry>>,
    limits: KeyLimits,
    used: AtomicUsize,
    version: AtomicU32,
}

/// How much [`Keys`] may hold.
#[derive(Clone, Copy, Debug)]
pub struct KeyLimits {
    /// Maximum bytes of all names and values together, with 128 bytes of overhead for each.
    pub bytes: usize,
    /// Maximum bytes of a value.
    pub value: usize,
}

impl Default for KeyLimits {
    /// 64 MiB in all, 1 MiB per value.
    fn default() -> Self {
        Self {
            bytes: 64 << 20,
            value: 1 << 20,
        }
    }
}

#[derive(Debug)]
struct Entry {
    value: Bytes,
    version: u32,
    expires: Option<Instant>,
    cost: usize,
}

impl Entry {
    fn is_live(&self, now: Instant) -> bool {
        self.expires.is_none_or(|expires| now < expires)
    }
}

/// Why a value was not written.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum KeyError {
    /// The current value has another version than `cas`.
    #[error("the value has been changed meanwhile")]
    CasMismatch,
    /// No room is left.
    #[error("there is no room for another value")]
    Full,
    /// The name or the value is too long.
    #[error("the name or the value is too long")]
    TooLong,
}

impl Keys {
    pub(crate) fn new(limits: KeyLimits) -> Self {
        Self {
            shards: Shards::new(),
            limits,
            used: AtomicUsize::new(0),
            version: AtomicU32::new(0),
        }
    }

    /// The value and its version, which is never 0.
    pub fn value(&self, scope: &str, key: &str, now: Instant) -> Option<(Bytes, u32)> {
        let name = Name::new(scope, key);
        let (hash, part) = self.shards.locate(&name);
        let table = self.shards.lock(part);
        let entry = table.at(table.find(hash, &name)?);
        entry.is_live(now).then(|| (entry.value.clone(), entry.version))
    }

    /// Writes a value for the time `ttl`, or without expiry, and returns its version. With `cas` 0 it is always written; else only over
    /// that version, or if there is no value, as in Envoy.
    ///
    /// # Errors
    /// [`KeyError`]; the current value stays.
    pub fn set(
        &self,
        scope: &str,
        key: &str,
        value: &[u8],
        cas: u32,
        ttl: Option<Duration>,
        now: Instant,
    ) -> Result<u32, KeyError> {
        let name = Name::new(scope, key);
        if name.len() > MAX_NAME_BYTES || value.len() > self.limits.value {
            return Err(KeyError::TooLong);
        }
        let cost = name.len() + value.len() + OVERHEAD;
        let expires = ttl.and_then(|ttl| now.checked_add(ttl));
        let (hash, part) = self.shards.locate(&name);
        let mut table = self.shards.lock(part);
        let mut place = table.find(hash, &name);
        if let Some(dead) = place.take_if(|place| !table.at(*place).is_live(now)) {
            self.forget(&mut table, dead);
        }
        let old = place.map(|place| table.at(place));
        if old.is_some_and(|old| cas != 0 && cas != old.version) {
            return Err(KeyError::CasMismatch);
        }
        let old = old.map_or(0, |old| old.cost);
        if !self.reserve(cost, old) {
            self.drop_expired(&mut table, now, MANY);
            if !self.reserve(cost, old) {
                return Err(KeyError::Full);
            }
        }
        let version = self.next_version();
        let entry = Entry {
            value: Bytes::copy_from_slice(value),
            version,
            expires,
            cost,
        };
        match table.find(hash, &name) {
            Some(place) => *table.at_mut(place) = entry,
            None => {
                table.insert(hash, name, entry);
                self.drop_expired(&mut table, now, A_FEW);
            }
        }
        Ok(version)
    }

    /// Removes a value. Returns whether there was one.
    pub fn remove(&self, scope: &str, key: &str, now: Instant) -> bool {
        let name = Name::new(scope, key);
        let (hash, part) = self.shards.locate(&name);
        let mut table = self.shards.lock(part);
        let Some(place) = table.find(hash, &name) else {
            return false;
        };
        self.forget(&mut table, place).is_live(now)
    }

    /// Bytes in use, as [`KeyLimits::bytes`] counts them.
    pub fn used(&self) -> usize {
        self.used.load(Ordering::Relaxed)
    }

    /// Reserves `cost` instead of `old`, if there is room.
    fn reserve(&self, cost: usize, old: usize) -> bool {
        let fits = |used: usize| Some(used - old + cost).filter(|&sum| sum <= self.limits.bytes || cost <= old);
        self.used
            .fetch_update(Ordering::Relaxed, Ordering::Relaxed, fits)
            .is_ok()
    }

    fn next_version(&self) -> u32 {
        match self.version.fetch_add(1, Ordering::Relaxed).wrapping_add(1) {
            0 => self.next_version(),
            version => version,
        }
    }

    fn forget(&self, table: &mut Table<Entry>, place: usize) -> Entry {
        let removed = table.remove(place);
        self.used.fetch_sub(removed.cost, Ordering::Relaxed);
        removed
    }

    /// Removes the expired ones of the next `entries` entries of the clock.
    fn drop_expired(&self, table: &mut Table<Entry>, now: Instant, entries: usize) {
        for _ in 0..entries.min(table.len()) {
            let Some(place) = table.tick() else { return };
            if !table.at(place).is_live(now) {
                self.forget(table, place);
                table.tick_back();
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SECOND: Duration = Duration::from_secs(1);

    fn keys(bytes: usize) -> Keys {
        Keys::new(KeyLimits { bytes, value: 1000 })
    }

    #[test]
    fn a_value_is_written_only_over_the_version_that_was_read() {
        let (keys, now) = (keys(10_000), Instant::now());
        let first = keys.set("vm", "k", b"one", 0, None, now).expect("room");
        let second = keys
            .set("vm", "k", b"two", first, None, now)
            .expect("the version is right");
        assert_ne!(first, second);
        assert_eq!(
            keys.set("vm", "k", b"three", first, None, now),
            Err(KeyError::CasMismatch)
        );
        assert_eq!(keys.value("vm", "k", now), Some((Bytes::from_static(b"two"), second)));
        assert_eq!(keys.value("other", "k", now), None);
        // Whoever names a version of something that is not there writes it, as in Envoy.
        assert!(keys.set("vm", "new", b"one", 77, None, now).is_ok());
    }

    #[test]
    fn of_many_writers_over_one_version_one_wins() {
        let (keys, now) = (keys(10_000), Instant::now());
        let start = keys.set("vm", "k", b"", 0, None, now).expect("room");
        let winners: usize = std::thread::scope(|scope| {
            let threads: Vec<_> = (0..8)
                .map(|_| scope.spawn(|| usize::from(keys.set("vm", "k", b"x", start, None, now).is_ok())))
                .collect();
            threads.into_iter().map(|thread| thread.join().expect("no panic")).sum()
        });
        assert_eq!(winners, 1);
    }

    #[test]
    fn counting_by_cas_from_many_threads_loses_nothing() {
        let (keys, now) = (keys(10_000), Instant::now());
        keys.set("vm", "n", &0u32.to_le_bytes(), 0, None, now).expect("room");
        std::thread::scope(|scope| {
            for _ in 0..8 {
                scope.spawn(|| {
                    for _ in 0..200 {
                        loop {
                            let (value, version) = keys.value("vm", "n", now).expect("it is there");
                            let number = u32::from_le_bytes(value[..].try_into().expect("four bytes")) + 1;
                            if keys.set("vm", "n", &number.to_le_bytes(), version, None, now).is_ok() {
                                break;
                            }
                        }
                    }
                });
            }
        });
        assert_eq!(
            keys.value("vm", "n", now).expect("it is there").0[..],
            1600u32.to_le_bytes()
        );
    }

    #[test]
    fn a_value_lives_exactly_as_long_as_it_was_given() {
        let (keys, now) = (keys(10_000), Instant::now());
        let version = keys.set("s", "k", b"v", 0, Some(SECOND), now).expect("room");
        assert!(keys.value("s", "k", now + SECOND - Duration::from_nanos(1)).is_some());
        assert_eq!(keys.value("s", "k", now + SECOND), None);
        assert!(!keys.remove("s", "k", now + SECOND));
        // What has expired is nothing, so any version may replace it.
        assert!(keys.set("s", "k", b"w", version + 5, None, now + SECOND).is_ok());
        assert!(keys.remove("s", "k", now + SECOND));
        assert_eq!(keys.used(), 0);
    }

    #[test]
    fn there_is_never_more_than_the_bound_and_nothing_is_thrown_out_for_it() {
        let (keys, now) = (keys(2000), Instant::now());
        let written = (0..100)
            .filter(|index| keys.set("s", &index.to_string(), &[0; 50], 0, None, now).is_ok())
            .count();
        assert!((10..=11).contains(&written), "{written}");
        assert!(keys.used() <= 2000);
        assert!((0..written).all(|index| keys.value("s", &index.to_string(), now).is_some()));
        assert_eq!(keys.set("s", "0", &[0; 900], 0, None, now), Err(KeyError::Full));
        assert!(
            keys.set("s", "0", b"", 0, None, now).is_ok(),
            "a smaller value always fits in the place of a larger one"
        );
        assert_eq!(keys.set("s", "1", &[0; 1001], 0, None, now), Err(KeyError::TooLong));
        assert_eq!(
            keys.set("s", &"k".repeat(MAX_NAME_BYTES), b"", 0, None, now),
            Err(KeyError::TooLong)
        );
    }

    #[test]
    fn what_has_expired_makes_room() {
        let (keys, now) = (keys(64 * 1024), Instant::now());
        for round in 0..50u32 {
            let now = now + SECOND * 2 * round;
            for index in 0..100 {
                keys.set("s", &format!("{round}/{index}"), &[0; 50], 0, Some(SECOND), now)
                    .expect("the old ones have expired");
            }
        }
        assert!(keys.used() <= 64 * 1024);
    }
}
