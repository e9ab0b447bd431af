//! [`PoolShare`]: how many instances of the pool a plugin holds, so that none takes all of them.
//!
//! A plugin gets another instance while it holds fewer than are free, apart from a reserve. So one plugin holds at most half of the pool,
//! two a third each. The reserve is for plugins that hold none, however many streams are kept open by slow clients.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

/// Instances that are left for plugins which hold none.
const RESERVE: usize = 64;

/// Instances in use, of all plugins on all workers.
#[derive(Clone, Default)]
pub(crate) struct PoolUse(Arc<AtomicUsize>);

/// One plugin's share of the pool.
pub(crate) struct PoolShare {
    total: usize,
    all: PoolUse,
    own: Arc<AtomicUsize>,
}

/// An instance that is in use. Dropping it frees it.
pub(crate) struct PoolSlot {
    all: PoolUse,
    own: Arc<AtomicUsize>,
}

impl PoolShare {
    /// The share of a plugin that holds nothing, of `total` instances.
    pub(crate) fn new(total: usize, all: PoolUse) -> Self {
        Self {
            total,
            all,
            own: Arc::default(),
        }
    }

    /// One more instance. The number that the plugin holds, if it gets no more.
    pub(crate) fn take(&self) -> Result<PoolSlot, usize> {
        // Workers that ask at the same time may get one too many each, which the pool itself bounds.
        let (all, own) = (self.all.0.load(Ordering::Relaxed), self.own.load(Ordering::Relaxed));
        let free = self.total.saturating_sub(all);
        let is_allowed = own < free.saturating_sub(RESERVE) || (own == 0 && free > 0);
        if !is_allowed {
            return Err(own);
        }
        self.all.0.fetch_add(1, Ordering::Relaxed);
        self.own.fetch_add(1, Ordering::Relaxed);
        Ok(PoolSlot {
            all: self.all.clone(),
            own: Arc::clone(&self.own),
        })
    }
}

impl Drop for PoolSlot {
    fn drop(&mut self) {
        self.all.0.fetch_sub(1, Ordering::Relaxed);
        self.own.fetch_sub(1, Ordering::Relaxed);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// As many as a plugin gets.
    fn all_of(share: &PoolShare) -> Vec<PoolSlot> {
        std::iter::from_fn(|| share.take().ok()).collect()
    }

    #[test]
    fn whoever_holds_none_gets_one_however_many_others_hold_all_they_can() {
        let used = PoolUse::default();
        let shares: Vec<_> = (0..20).map(|_| PoolShare::new(1000, used.clone())).collect();
        let held: Vec<_> = shares.iter().map(all_of).collect();
        assert_eq!((held[0].len(), held[1].len(), held[2].len()), (468, 234, 117));
        let last = PoolShare::new(1000, used.clone());
        assert!(last.take().is_ok());
        drop(held);
        assert_eq!(used.0.load(Ordering::Relaxed), 0);
        assert_eq!(all_of(&last).len(), 468);
    }
}
