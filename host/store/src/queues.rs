//! [`Queues`]: FIFO queues by name, the shared queues of proxy-wasm.
//!
//! The notification of consumers is not part of it.

use std::collections::{HashMap, VecDeque};
use std::sync::{Mutex, MutexGuard, PoisonError};

use bytes::Bytes;

/// All queues of the process, behind one lock: they carry occasional messages between plugins, not requests.
#[derive(Debug)]
pub struct Queues {
    limits: QueueLimits,
    all: Mutex<All>,
}

#[derive(Debug, Default)]
struct All {
    /// The id of a queue is its index plus 1.
    queues: Vec<Queue>,
    ids: HashMap<(Box<str>, Box<str>), u32>,
}

#[derive(Debug, Default)]
struct Queue {
    items: VecDeque<Bytes>,
    bytes: usize,
}

/// How much [`Queues`] may hold.
#[derive(Clone, Copy, Debug)]
pub struct QueueLimits {
    /// Maximum number of queues.
    pub queues: usize,
    /// Maximum items in one queue.
    pub items: usize,
    /// Maximum bytes in one queue.
    pub bytes: usize,
}

impl Default for QueueLimits {
    /// 256 queues of 4096 items and 1 MiB each.
    fn default() -> Self {
        Self {
            queues: 256,
            items: 4096,
            bytes: 1 << 20,
        }
    }
}

/// The maximum number of queues exists.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("there are too many queues")]
pub struct TooManyQueues;

/// Why an item was not added or taken.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum QueueError {
    /// No such queue.
    #[error("there is no such queue")]
    Unknown,
    /// The queue is full.
    #[error("the queue is full")]
    Full,
    /// The queue is empty.
    #[error("the queue is empty")]
    Empty,
}

impl Queues {
    pub(crate) fn new(limits: QueueLimits) -> Self {
        Self {
            limits,
            all: Mutex::default(),
        }
    }

    /// Returns the id of the queue of that name, which is made if there is none. Never 0.
    ///
    /// # Errors
    /// [`TooManyQueues`].
    pub fn register(&self, scope: &str, name: &str) -> Result<u32, TooManyQueues> {
        let mut all = self.lock();
        let key = (Box::from(scope), Box::from(name));
        if let Some(&id) = all.ids.get(&key) {
            return Ok(id);
        }
        if all.queues.len() >= self.limits.queues {
            return Err(TooManyQueues);
        }
        all.queues.push(Queue::default());
        let id = u32::try_from(all.queues.len()).map_err(|_| TooManyQueues)?;
        all.ids.insert(key, id);
        Ok(id)
    }

    /// Finds a queue that was registered.
    pub fn resolve(&self, scope: &str, name: &str) -> Option<u32> {
        self.lock().ids.get(&(Box::from(scope), Box::from(name))).copied()
    }

    /// Adds an item at the end. Its bytes are shared, not copied.
    ///
    /// # Errors
    /// [`QueueError::Unknown`] or [`QueueError::Full`]; the queue is unchanged.
    pub fn enqueue(&self, id: u32, value: Bytes) -> Result<(), QueueError> {
        let mut all = self.lock();
        let queue = all.queue(id).ok_or(QueueError::Unknown)?;
        if queue.items.len() >= self.limits.items || queue.bytes + value.len() > self.limits.bytes {
            return Err(QueueError::Full);
        }
        queue.bytes += value.len();
        queue.items.push_back(value);
        Ok(())
    }

    /// Takes the item at the front.
    ///
    /// # Errors
    /// [`QueueError::Unknown`] or [`QueueError::Empty`].
    pub fn dequeue(&self, id: u32) -> Result<Bytes, QueueError> {
        let mut all = self.lock();
        let queue = all.queue(id).ok_or(QueueError::Unknown)?;
        let value = queue.items.pop_front().ok_or(QueueError::Empty)?;
        queue.bytes -= value.len();
        Ok(value)
    }

    fn lock(&self) -> MutexGuard<'_, All> {
        // A panic under the lock leaves whole queues: nothing in there can panic between two halves of a change.
        self.all.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl All {
    fn queue(&mut self, id: u32) -> Option<&mut Queue> {
        self.queues.get_mut((id as usize).checked_sub(1)?)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_goes_in_first_comes_out_first_and_by_any_name() {
        let queues = Queues::new(QueueLimits::default());
        let id = queues.register("vm", "q").expect("room");
        assert_eq!(queues.register("vm", "q"), Ok(id));
        assert_eq!((queues.resolve("vm", "q"), queues.resolve("vmq", "")), (Some(id), None));
        queues.enqueue(id, Bytes::from_static(b"one")).expect("room");
        queues.enqueue(id, Bytes::from_static(b"two")).expect("room");
        assert_eq!(queues.dequeue(id), Ok(Bytes::from_static(b"one")));
        assert_eq!(queues.dequeue(id), Ok(Bytes::from_static(b"two")));
        assert_eq!(queues.dequeue(id), Err(QueueError::Empty));
    }

    #[test]
    fn an_id_that_was_never_given_out_is_unknown() {
        let queues = Queues::new(QueueLimits::default());
        for id in [0, 1, u32::MAX] {
            assert_eq!(queues.enqueue(id, Bytes::new()), Err(QueueError::Unknown));
            assert_eq!(queues.dequeue(id), Err(QueueError::Unknown));
        }
    }

    #[test]
    fn a_flood_ends_at_the_bound() {
        let queues = Queues::new(QueueLimits {
            queues: 2,
            items: 3,
            bytes: 10,
        });
        let ids: Vec<_> = (0..5)
            .map_while(|index| queues.register("vm", &index.to_string()).ok())
            .collect();
        assert_eq!(ids.len(), 2);
        assert_eq!(
            (0..9).filter(|_| queues.enqueue(ids[0], Bytes::new()).is_ok()).count(),
            3
        );
        assert_eq!(
            queues.enqueue(ids[1], Bytes::from_static(&[0; 11])),
            Err(QueueError::Full)
        );
        queues.enqueue(ids[1], Bytes::from_static(&[0; 10])).expect("room");
        assert_eq!(queues.enqueue(ids[1], Bytes::from_static(b"x")), Err(QueueError::Full));
        queues.dequeue(ids[1]).expect("something");
        queues.enqueue(ids[1], Bytes::from_static(b"x")).expect("room again");
    }
}
