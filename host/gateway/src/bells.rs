//! Tells the one worker whose plugin listens to a shared queue that something was put in, from whichever thread.

use std::sync::{Arc, Mutex, PoisonError};

use rustc_hash::FxHashMap;
use tokio::sync::mpsc::UnboundedSender;

/// A worker's ear: it gets the queues' ids.
pub(crate) type Bell = UnboundedSender<u32>;

/// Who listens to which queue; shared by all workers.
#[derive(Clone, Default)]
pub(crate) struct Bells(Arc<Mutex<FxHashMap<u32, Bell>>>);

impl Bells {
    /// From now on `bell` is told of `queue`. The first listener stays while its worker lives.
    pub(crate) fn hang(&self, queue: u32, bell: Bell) {
        let mut bells = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if bells.get(&queue).is_none_or(UnboundedSender::is_closed) {
            bells.insert(queue, bell);
        }
    }

    /// Tells the listener of `queue`, if there is one.
    pub(crate) fn ring(&self, queue: u32) {
        let bells = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(bell) = bells.get(&queue) {
            // A worker that has ended listens no more.
            let _ = bell.send(queue);
        }
    }
}
