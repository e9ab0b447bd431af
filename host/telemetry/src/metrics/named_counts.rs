//! Counts of events that few requests have: by the name of a plugin, a route or an upstream, and a label's value. One lock for all of
//! them, as no plain request comes here.

use std::collections::BTreeMap;
use std::sync::{Mutex, PoisonError};
use std::time::Instant;

use super::retention::Absence;
use super::series::MAX_SERIES;

/// Counts by name and a value of a fixed set.
#[derive(Debug, Default)]
pub(super) struct NamedCounts(Mutex<BTreeMap<(String, &'static str), Entry>>);

#[derive(Debug, Default)]
struct Entry {
    count: u64,
    absence: Absence,
}

impl NamedCounts {
    /// Adds to a count. Names above [`MAX_SERIES`] are left out.
    pub(super) fn add(&self, name: &str, value: &'static str, times: u64) {
        let mut counts = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if counts.len() < MAX_SERIES || counts.keys().any(|known| known.0 == name && known.1 == value) {
            counts.entry((name.to_owned(), value)).or_default().count += times;
        }
    }

    /// Every count as it is now.
    pub(super) fn all(&self) -> BTreeMap<(String, &'static str), u64> {
        let counts = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        counts.iter().map(|(key, entry)| (key.clone(), entry.count)).collect()
    }

    /// Removes the counts of names that are not live, after a while.
    pub(super) fn retain(&self, is_live: impl Fn(&str) -> bool, now: Instant) {
        let mut counts = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        counts.retain(|(name, _), entry| !entry.absence.is_over(is_live(name), now));
    }

    /// The counts of one name.
    pub(super) fn of(&self, name: &str) -> BTreeMap<&'static str, u64> {
        let all = self.all().into_iter().filter(|((known, _), _)| known == name);
        all.map(|((_, value), count)| (value, count)).collect()
    }
}
