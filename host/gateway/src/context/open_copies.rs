//! [`OpenCopies`]: how many copies of requests a worker has on the way to shadows.

use std::cell::{Cell, RefCell};
use std::rc::Rc;
use std::sync::Arc;

use rustc_hash::FxHashMap;

/// The number of copies that this worker has on the way, by upstream; it outlives reloads.
#[derive(Debug, Default)]
pub(crate) struct OpenCopies(RefCell<FxHashMap<Arc<str>, Rc<Cell<usize>>>>);

impl OpenCopies {
    /// The count of an upstream. Upstreams without copies are forgotten when another one comes.
    pub(crate) fn of(&self, upstream: &Arc<str>) -> Rc<Cell<usize>> {
        let mut counts = self.0.borrow_mut();
        if let Some(count) = counts.get(upstream) {
            return count.clone();
        }
        counts.retain(|_, count| count.get() > 0);
        counts.entry(upstream.clone()).or_default().clone()
    }
}
