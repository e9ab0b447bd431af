//! [`Usage`]: how many bytes are in use, in all and by namespace.

use std::collections::HashMap;
use std::sync::{Mutex, MutexGuard, PoisonError};

/// The bytes in use, within two limits. Its lock is the innermost one.
#[derive(Debug)]
pub(super) struct Usage {
    bytes: usize,
    namespace: usize,
    used: Mutex<Used>,
}

#[derive(Debug, Default)]
struct Used {
    total: usize,
    namespaces: HashMap<Box<str>, usize>,
}

impl Usage {
    pub(super) fn new(bytes: usize, namespace: usize) -> Self {
        Self {
            bytes,
            namespace,
            used: Mutex::default(),
        }
    }

    /// Counts `cost` instead of `old`, if there is room. What does not grow always has room.
    pub(super) fn reserve(&self, namespace: &str, cost: usize, old: usize) -> bool {
        let mut used = self.lock();
        let own = used.namespaces.get(namespace).copied().unwrap_or(0) - old + cost;
        let total = used.total - old + cost;
        if cost > old && (total > self.bytes || own > self.namespace) {
            return false;
        }
        used.total = total;
        match used.namespaces.get_mut(namespace) {
            Some(known) => *known = own,
            None => {
                used.namespaces.insert(namespace.into(), own);
            }
        }
        true
    }

    /// Counts `cost` no longer.
    pub(super) fn release(&self, namespace: &str, cost: usize) {
        let mut used = self.lock();
        used.total -= cost;
        if let Some(own) = used.namespaces.get_mut(namespace) {
            *own -= cost;
            if *own == 0 {
                used.namespaces.remove(namespace);
            }
        }
    }

    pub(super) fn total(&self) -> usize {
        self.lock().total
    }

    fn lock(&self) -> MutexGuard<'_, Used> {
        // Nothing in there can panic between two halves of a change.
        self.used.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
