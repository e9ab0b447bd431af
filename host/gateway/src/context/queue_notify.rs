//! Notifies a worker of what another thread has done: the worker whose plugin listens to a shared queue of a new entry, and the worker
//! whose plugin watches a value of `lockgate.kv` of its change.
//!
//! Many may register one queue: VMs of one plugin on every worker, or several plugins. As in Envoy the last one is notified. The others
//! are remembered, so that a queue keeps a listener when the last one ends.

use std::sync::{Arc, Mutex, PoisonError};

use lockgate_store::Notify;
use rustc_hash::FxHashMap;
use tokio::sync::mpsc::UnboundedSender;

/// What a worker is notified of.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Notification {
    /// The queue has a new entry.
    Queue(u32),
    /// The value behind this watch has changed.
    Watch(u32),
}

/// The sender of notifications to one worker.
pub(crate) type QueueSender = UnboundedSender<Notification>;

/// Sends the ids of watches to one worker.
pub(crate) struct WatchNotify(pub(crate) QueueSender);

impl Notify for WatchNotify {
    fn changed(&self, id: u32) {
        // A worker that has ended watches nothing.
        let _ = self.0.send(Notification::Watch(id));
    }
}

/// The listeners of every queue, in the order of registration; shared by all workers.
#[derive(Clone, Default)]
pub(crate) struct QueueNotify(Arc<Mutex<FxHashMap<u32, Vec<QueueSender>>>>);

impl QueueNotify {
    /// From now on `queue_sender` is notified of `queue`. A worker counts once, and a worker that has ended not at all.
    pub(crate) fn subscribe(&self, queue: u32, queue_sender: QueueSender) {
        let mut queue_notify = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let queue_notify = queue_notify.entry(queue).or_default();
        queue_notify.retain(|known| !known.is_closed() && !known.same_channel(&queue_sender));
        queue_notify.push(queue_sender);
    }

    /// The worker of `queue_sender` listens to `queue` no more.
    pub(crate) fn unsubscribe(&self, queue: u32, queue_sender: &QueueSender) {
        let mut queue_notify = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(queue_notify) = queue_notify.get_mut(&queue) {
            queue_notify.retain(|known| !known.same_channel(queue_sender));
        }
    }

    /// Notifies the last listener of `queue` that is left, if there is one.
    pub(crate) fn notify(&self, queue: u32) {
        let mut queue_notify = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let Some(queue_notify) = queue_notify.get_mut(&queue) else {
            return;
        };
        while let Some(queue_sender) = queue_notify.last() {
            if queue_sender.send(Notification::Queue(queue)).is_ok() {
                return;
            }
            // A worker that has ended listens no more.
            queue_notify.pop();
        }
    }
}

#[cfg(test)]
mod tests {
    use tokio::sync::mpsc::unbounded_channel;

    use super::*;

    #[test]
    fn the_last_listener_is_told_and_those_before_it_when_it_is_gone() {
        let queue_notify = QueueNotify::default();
        let ((first, mut at_first), (second, mut at_second)) = (unbounded_channel(), unbounded_channel());
        queue_notify.subscribe(1, first.clone());
        queue_notify.subscribe(1, second.clone());
        queue_notify.notify(1);
        assert_eq!(
            (at_first.try_recv().ok(), at_second.try_recv().ok()),
            (None, Some(Notification::Queue(1)))
        );
        queue_notify.unsubscribe(1, &second);
        queue_notify.notify(1);
        assert_eq!(
            (at_first.try_recv().ok(), at_second.try_recv().ok()),
            (Some(Notification::Queue(1)), None)
        );
        queue_notify.subscribe(1, second);
        drop(at_second);
        queue_notify.notify(1);
        assert_eq!(at_first.try_recv().ok(), Some(Notification::Queue(1)));
        queue_notify.notify(2);
    }
}
