//! How many connections each listener has open, over all workers.

use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

use rustc_hash::FxHashMap;

/// Counts connections by listener name; outlives reloads.
#[derive(Clone, Default)]
pub(crate) struct ConnectionLimiter(Arc<Mutex<FxHashMap<Arc<str>, Arc<AtomicUsize>>>>);

/// The right to one connection; given back when dropped.
pub(crate) struct Permit(Arc<AtomicUsize>);

impl ConnectionLimiter {
    /// A permit of the listener called `name`, if fewer than `limit` are taken.
    pub(crate) fn acquire(&self, name: &Arc<str>, limit: usize) -> Option<Permit> {
        let count = {
            let mut counts = self.0.lock().unwrap_or_else(PoisonError::into_inner);
            if !counts.contains_key(name) {
                // Removed listeners go with their last connection.
                counts.retain(|_, count| Arc::strong_count(count) > 1);
            }
            counts.entry(name.clone()).or_default().clone()
        };
        let place = Permit(count);
        let before = place.0.fetch_add(1, Ordering::Relaxed);
        (before < limit).then_some(place)
    }
}

impl Drop for Permit {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Ordering::Relaxed);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn places_are_limited_by_listener_and_come_back() {
        let (connection_limiter, web, other) = (ConnectionLimiter::default(), Arc::from("web"), Arc::from("other"));
        let first = connection_limiter.acquire(&web, 2);
        let second = connection_limiter.acquire(&web, 2);
        assert!(first.is_some() && second.is_some());
        assert!(connection_limiter.acquire(&web, 2).is_none());
        assert!(connection_limiter.acquire(&other, 2).is_some());
        drop(first);
        assert!(connection_limiter.acquire(&web, 2).is_some());
    }
}
