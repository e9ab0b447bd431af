//! [`Shared`]: the table of names, with what it takes to look them up. The resolver's clients and the tasks of names have it in common.

use std::collections::HashMap;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

use tokio::sync::{Semaphore, mpsc};

use crate::dns::Dns;
use crate::entry::Entry;
use crate::error::LookupError;
use crate::settings::ResolverSettings;

/// Maximum number of names in use.
pub(crate) const MAX_NAMES: usize = 16_384;
/// Maximum number of lookups at a time; each has at most two sockets.
const MAX_LOOKUPS: usize = 256;

/// What the resolver's clients share with its thread.
pub(crate) struct Shared {
    pub(crate) dns: Dns,
    pub(crate) permits: Semaphore,
    pub(crate) names: Mutex<HashMap<Arc<str>, Arc<Entry>>>,
    /// Names that get a task.
    new: mpsc::UnboundedSender<Arc<Entry>>,
    pub(crate) succeeded: AtomicU64,
    pub(crate) failed: AtomicU64,
}

impl Shared {
    /// Shared by a resolver with these settings; names that get a task go to `new`.
    pub(crate) fn start(settings: &ResolverSettings, new: mpsc::UnboundedSender<Arc<Entry>>) -> Self {
        Self {
            dns: Dns::new(settings),
            permits: Semaphore::new(MAX_LOOKUPS),
            names: Mutex::default(),
            new,
            succeeded: AtomicU64::new(0),
            failed: AtomicU64::new(0),
        }
    }

    /// The entry of a name. A new one gets its task.
    pub(crate) fn entry(&self, name: &Arc<str>) -> Result<Arc<Entry>, LookupError> {
        let mut names = self.names.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(entry) = names.get(name) {
            entry.touch();
            return Ok(Arc::clone(entry));
        }
        if names.len() >= MAX_NAMES {
            return Err(LookupError::TooManyNames);
        }
        let entry = Arc::new(Entry::new(Arc::clone(name)));
        self.new.send(Arc::clone(&entry)).map_err(|_| LookupError::Ended)?;
        names.insert(Arc::clone(name), Arc::clone(&entry));
        Ok(entry)
    }

    /// Forgets a name that nobody uses; true if it did.
    pub(crate) fn forget(&self, entry: &Arc<Entry>) -> bool {
        let mut names = self.names.lock().unwrap_or_else(PoisonError::into_inner);
        // The table and the task have one each.
        let is_unused = entry.is_unused() && Arc::strong_count(entry) == 2;
        is_unused && names.remove(&entry.name).is_some()
    }

    pub(crate) fn count(&self, has_succeeded: bool) {
        let counter = if has_succeeded { &self.succeeded } else { &self.failed };
        counter.fetch_add(1, Ordering::Relaxed);
    }
}
