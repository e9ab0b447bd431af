//! [`Doorbell`]: the waker that a connection is driven with, so that it never wakes the very task that is driving it.
//!
//! A connection is polled by the request that uses it, not by a task of its own. Taking a chunk out of a response body
//! makes hyper wake the connection; that would schedule the polling task once more for nothing, on every response.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::task::{Context, Wake, Waker};

use futures_util::task::AtomicWaker;

/// Passes wakes on to the task that polled last, except while muffled. One per connection; made once, not per request.
pub(crate) struct Doorbell {
    bell: Arc<Bell>,
    waker: Waker,
}

struct Bell {
    task: AtomicWaker,
    muffled: AtomicBool,
}

impl Wake for Bell {
    fn wake(self: Arc<Self>) {
        self.wake_by_ref();
    }

    fn wake_by_ref(self: &Arc<Self>) {
        if !self.muffled.load(Ordering::Relaxed) {
            self.task.wake();
        }
    }
}

impl Doorbell {
    pub(crate) fn new() -> Self {
        let bell = Arc::new(Bell {
            task: AtomicWaker::new(),
            muffled: AtomicBool::new(false),
        });
        Self {
            waker: Waker::from(Arc::clone(&bell)),
            bell,
        }
    }

    /// From now on wakes go to this task.
    pub(crate) fn answer_to(&self, task: &Waker) {
        self.bell.task.register(task);
    }

    /// What to poll with.
    pub(crate) fn context(&self) -> Context<'_> {
        Context::from_waker(&self.waker)
    }

    /// Runs something whose wakes are of no interest, because the caller polls on anyhow.
    pub(crate) fn muffled<T>(&self, run: impl FnOnce() -> T) -> T {
        self.bell.muffled.store(true, Ordering::Relaxed);
        let result = run();
        self.bell.muffled.store(false, Ordering::Relaxed);
        result
    }
}
