//! Counts of what is rare: by plugin and a word of a fixed set. One lock for all, as nothing here is on a sound request's way.

use std::collections::BTreeMap;
use std::sync::{Mutex, PoisonError};

use super::series;

/// Counts by plugin and word.
#[derive(Debug, Default)]
pub(super) struct Tallies(Mutex<BTreeMap<(String, &'static str), u64>>);

impl Tallies {
    /// Counts; plugins beyond what any one configuration needs are left out.
    pub(super) fn add(&self, plugin: &str, word: &'static str, times: u64) {
        let mut counts = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if counts.len() < series::MOST || counts.keys().any(|known| known.0 == plugin && known.1 == word) {
            *counts.entry((plugin.to_owned(), word)).or_default() += times;
        }
    }

    /// Every count as it is now.
    pub(super) fn all(&self) -> BTreeMap<(String, &'static str), u64> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }
}
