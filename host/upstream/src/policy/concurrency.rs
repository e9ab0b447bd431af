//! [`Limiter`]: how many requests an upstream has at a time, over all workers, and who waits for a place.
//!
//! A place that becomes free goes to whoever waits with the highest criticality, and the longest among those. When the queue is full, a
//! request of higher criticality takes the place in it of one of lower criticality, the last that came. Nobody looks again and again: a
//! waiting request is woken when it has its place, on whatever worker it is.

use std::collections::VecDeque;
use std::future::poll_fn;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::{Poll, Waker};
use std::time::Duration;

use crate::settings::{ConcurrencySettings, Criticality};

/// Why a request gets no place.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Shed {
    /// All places are taken, and so is the queue.
    QueueFull,
    /// It waited longer than it may.
    QueueTimeout,
    /// It waited, and a request of higher criticality has taken its place in the queue.
    Displaced,
}

impl Shed {
    /// Every reason.
    pub(crate) const ALL: [Self; 3] = [Self::QueueFull, Self::QueueTimeout, Self::Displaced];

    /// Its name in metrics and logs.
    pub(crate) const fn as_str(self) -> &'static str {
        match self {
            Self::QueueFull => "queue_full",
            Self::QueueTimeout => "queue_timeout",
            Self::Displaced => "displaced",
        }
    }
}

/// The places of an upstream.
#[derive(Debug, Default)]
pub(crate) struct Limiter(Mutex<Inner>);

#[derive(Debug, Default)]
struct Inner {
    active: usize,
    /// By criticality, from low to high; in the order of arrival.
    queues: [VecDeque<Arc<Waiter>>; Criticality::COUNT],
    /// The limit that was last seen: a reload may have changed it.
    max: usize,
}

#[derive(Debug)]
struct Waiter(Mutex<Wait>);

#[derive(Debug)]
enum Wait {
    Waiting(Option<Waker>),
    /// It has a place.
    Granted,
    Displaced,
}

/// A place. Dropped, it goes to the next.
#[derive(Debug)]
pub(crate) struct Permit(Arc<Limiter>);

impl Limiter {
    /// A place at once, if one is free and nobody waits for it.
    pub(crate) fn try_acquire(self: &Arc<Self>, settings: &ConcurrencySettings) -> Option<Permit> {
        let mut inner = self.inner();
        inner.max = settings.max.get();
        let is_free = inner.active < inner.max && inner.waiting() == 0;
        is_free.then(|| {
            inner.active += 1;
            Permit(Arc::clone(self))
        })
    }

    /// A place, now or after a wait.
    ///
    /// # Errors
    /// [`Shed`]: why there is none.
    pub(crate) async fn acquire(
        self: &Arc<Self>,
        settings: &ConcurrencySettings,
        criticality: Criticality,
    ) -> Result<Permit, Shed> {
        if let Some(permit) = self.try_acquire(settings) {
            return Ok(permit);
        }
        let mut queued = self.enqueue(settings, criticality)?;
        let granted = poll_fn(|context| queued.waiter.poll(context.waker()));
        match bounded(settings.queue_timeout.duration(), granted).await {
            Some(true) => Ok(queued.take()),
            Some(false) => Err(Shed::Displaced),
            None => Err(Shed::QueueTimeout),
        }
    }

    fn enqueue(self: &Arc<Self>, settings: &ConcurrencySettings, criticality: Criticality) -> Result<Queued, Shed> {
        let mut inner = self.inner();
        // It may have become free since.
        let is_granted = inner.active < inner.max && inner.waiting() == 0;
        let waiter = Arc::new(Waiter(Mutex::new(match is_granted {
            true => Wait::Granted,
            false => Wait::Waiting(None),
        })));
        if is_granted {
            inner.active += 1;
        } else {
            if inner.waiting() >= settings.queue && !inner.displace(criticality) {
                return Err(Shed::QueueFull);
            }
            inner.queues[criticality as usize].push_back(Arc::clone(&waiter));
        }
        Ok(Queued {
            limiter: Arc::clone(self),
            waiter,
            criticality,
            is_taken: false,
        })
    }

    /// Requests that have a place, and requests that wait for one.
    pub(crate) fn load(&self) -> (usize, usize) {
        let inner = self.inner();
        (inner.active, inner.waiting())
    }

    fn inner(&self) -> MutexGuard<'_, Inner> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// The output of `step`, or `None` if it takes longer than `limit`.
async fn bounded<T>(limit: Duration, step: impl Future<Output = T>) -> Option<T> {
    tokio::time::timeout(limit, step).await.ok()
}

impl Inner {
    fn waiting(&self) -> usize {
        self.queues.iter().map(VecDeque::len).sum()
    }

    /// Makes room in the queue for a request: one of lower criticality loses its place.
    fn displace(&mut self, criticality: Criticality) -> bool {
        let lower = self.queues.iter_mut().take(criticality as usize);
        let Some(displaced) = lower.filter_map(VecDeque::pop_back).next() else {
            return false;
        };
        displaced.end_wait(Wait::Displaced);
        true
    }

    /// Gives places to those that wait, as far as there are any.
    fn grant(&mut self) {
        while self.active < self.max {
            let Some(next) = self.queues.iter_mut().rev().find_map(VecDeque::pop_front) else {
                return;
            };
            self.active += 1;
            next.end_wait(Wait::Granted);
        }
    }
}

impl Drop for Permit {
    fn drop(&mut self) {
        let mut inner = self.0.inner();
        inner.active -= 1;
        inner.grant();
    }
}

impl Waiter {
    fn wait(&self) -> MutexGuard<'_, Wait> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn end_wait(&self, end: Wait) {
        if let Wait::Waiting(Some(waker)) = std::mem::replace(&mut *self.wait(), end) {
            waker.wake();
        }
    }

    /// Ready when the wait has ended: with whether there is a place.
    fn poll(&self, waker: &Waker) -> Poll<bool> {
        match &mut *self.wait() {
            Wait::Granted => Poll::Ready(true),
            Wait::Displaced => Poll::Ready(false),
            Wait::Waiting(known) => {
                *known = Some(waker.clone());
                Poll::Pending
            }
        }
    }
}

/// A request in the queue. Dropped, it leaves the queue; a place that it was given meanwhile goes to the next.
struct Queued {
    limiter: Arc<Limiter>,
    waiter: Arc<Waiter>,
    criticality: Criticality,
    is_taken: bool,
}

impl Queued {
    fn take(&mut self) -> Permit {
        self.is_taken = true;
        Permit(Arc::clone(&self.limiter))
    }
}

impl Drop for Queued {
    fn drop(&mut self) {
        if self.is_taken {
            return;
        }
        let mut inner = self.limiter.inner();
        let is_granted = matches!(*self.waiter.wait(), Wait::Granted);
        if is_granted {
            inner.active -= 1;
            inner.grant();
            return;
        }
        let queue = &mut inner.queues[self.criticality as usize];
        queue.retain(|waiter| !Arc::ptr_eq(waiter, &self.waiter));
    }
}

#[cfg(test)]
mod tests;
