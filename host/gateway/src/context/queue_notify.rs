//! Tells the one worker whose plugin listens to a shared queue that something was put in, from whichever thread.
//!
//! Many may register one queue: VMs of one plugin on every worker, or several plugins. As in Envoy the last one is told. The others
//! are remembered, so that a queue does not go deaf with its listener.

use std::sync::{Arc, Mutex, PoisonError};

use rustc_hash::FxHashMap;
use tokio::sync::mpsc::UnboundedSender;

/// A worker's ear: it gets the queues' ids.
pub(crate) type Bell = UnboundedSender<u32>;

/// Who listens to which queue, the last to come last; shared by all workers.
#[derive(Clone, Default)]
pub(crate) struct Bells(Arc<Mutex<FxHashMap<u32, Vec<Bell>>>>);

impl Bells {
    /// From now on `bell` is told of `queue`. A worker counts once, and a worker that has ended not at all.
    pub(crate) fn hang(&self, queue: u32, bell: Bell) {
        let mut bells = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let bells = bells.entry(queue).or_default();
        bells.retain(|known| !known.is_closed() && !known.same_channel(&bell));
        bells.push(bell);
    }

    /// Nobody listens to `queue` any more where `bell` hangs.
    pub(crate) fn take_down(&self, queue: u32, bell: &Bell) {
        let mut bells = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(bells) = bells.get_mut(&queue) {
            bells.retain(|known| !known.same_channel(bell));
        }
    }

    /// Tells the last listener of `queue` that is left, if there is one.
    pub(crate) fn ring(&self, queue: u32) {
        let mut bells = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let Some(bells) = bells.get_mut(&queue) else { return };
        while let Some(bell) = bells.last() {
            if bell.send(queue).is_ok() {
                return;
            }
            // A worker that has ended listens no more.
            bells.pop();
        }
    }
}

#[cfg(test)]
mod tests {
    use tokio::sync::mpsc::unbounded_channel;

    use super::*;

    #[test]
    fn the_last_listener_is_told_and_those_before_it_when_it_is_gone() {
        let bells = Bells::default();
        let ((first, mut at_first), (second, mut at_second)) = (unbounded_channel(), unbounded_channel());
        bells.hang(1, first.clone());
        bells.hang(1, second.clone());
        bells.ring(1);
        assert_eq!((at_first.try_recv().ok(), at_second.try_recv().ok()), (None, Some(1)));
        bells.take_down(1, &second);
        bells.ring(1);
        assert_eq!((at_first.try_recv().ok(), at_second.try_recv().ok()), (Some(1), None));
        bells.hang(1, second);
        drop(at_second);
        bells.ring(1);
        assert_eq!(at_first.try_recv().ok(), Some(1));
        bells.ring(2);
    }
}
