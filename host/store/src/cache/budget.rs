//! [`Budget`]: the bytes in use, and their limit.

use std::sync::atomic::{AtomicUsize, Ordering};

/// A count with a limit.
#[derive(Debug)]
pub(super) struct Budget {
    bytes: usize,
    used: AtomicUsize,
    incoming: AtomicUsize,
}

impl Budget {
    pub(super) fn new(bytes: usize) -> Self {
        Self {
            bytes,
            used: AtomicUsize::new(0),
            incoming: AtomicUsize::new(0),
        }
    }

    pub(super) fn used(&self) -> usize {
        self.used.load(Ordering::Relaxed)
    }

    /// Takes bytes, if the limit allows it.
    pub(super) fn take(&self, bytes: usize) -> bool {
        take(&self.used, bytes, self.bytes)
    }

    pub(super) fn give(&self, bytes: usize) {
        self.used.fetch_sub(bytes, Ordering::Relaxed);
    }

    /// Counts bytes as being received, if these are at most a quarter of the limit. To be called before [`Budget::take`].
    pub(super) fn take_incoming(&self, bytes: usize) -> bool {
        take(&self.incoming, bytes, self.bytes / 4)
    }

    pub(super) fn give_incoming(&self, bytes: usize) {
        self.incoming.fetch_sub(bytes, Ordering::Relaxed);
    }
}

fn take(count: &AtomicUsize, bytes: usize, bound: usize) -> bool {
    let sum = |used: usize| used.checked_add(bytes).filter(|&sum| sum <= bound);
    count.fetch_update(Ordering::Relaxed, Ordering::Relaxed, sum).is_ok()
}
