//! Counts of rare events: by plugin and a label's value. One lock for all of them, as no sound request comes here.

use std::collections::BTreeMap;
use std::sync::{Mutex, PoisonError};
use std::time::Instant;

use super::retention::Absence;
use super::series::MAX_SERIES;

/// Counts by plugin and a value of a fixed set.
#[derive(Debug, Default)]
pub(super) struct PluginCounts(Mutex<BTreeMap<(String, &'static str), Entry>>);

#[derive(Debug, Default)]
struct Entry {
    count: u64,
    absence: Absence,
}

impl PluginCounts {
    /// Adds to a count. Plugins above [`MAX_SERIES`] are left out.
    pub(super) fn add(&self, plugin: &str, value: &'static str, times: u64) {
        let mut counts = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if counts.len() < MAX_SERIES || counts.keys().any(|known| known.0 == plugin && known.1 == value) {
            counts.entry((plugin.to_owned(), value)).or_default().count += times;
        }
    }

    /// Every count as it is now.
    pub(super) fn all(&self) -> BTreeMap<(String, &'static str), u64> {
        let counts = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        counts.iter().map(|(key, entry)| (key.clone(), entry.count)).collect()
    }

    /// Removes the counts of plugins that are not live, after a while.
    pub(super) fn retain(&self, is_live: impl Fn(&str) -> bool, now: Instant) {
        let mut counts = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        counts.retain(|(plugin, _), entry| !entry.absence.is_over(is_live(plugin), now));
    }

    /// The counts of one plugin.
    pub(super) fn of(&self, plugin: &str) -> BTreeMap<&'static str, u64> {
        let all = self.all().into_iter().filter(|((name, _), _)| name == plugin);
        all.map(|((_, value), count)| (value, count)).collect()
    }
}
