//! Wakes tasks at a time that need not be exact: timeouts of seconds, kept by sweeping over them a few times a second.
//!
//! Such a timer costs a slot in a list; a timer of the runtime would cost its wheel on every request.

use std::cell::{Cell, RefCell};
use std::rc::Rc;
use std::task::{Context, Poll, Waker};
use std::time::Instant;

use slab::Slab;

/// The coarse timers of one worker, and its coarse clock.
pub(crate) struct Timers {
    clock: Rc<Cell<Instant>>,
    slots: RefCell<Slab<(Instant, Waker)>>,
}

impl Timers {
    /// No timers, on a clock that the idle monitor moves.
    pub(crate) fn new(clock: Rc<Cell<Instant>>) -> Rc<Self> {
        Rc::new(Self {
            clock,
            slots: RefCell::default(),
        })
    }

    /// The time of the last sweep.
    pub(crate) fn now(&self) -> Instant {
        self.clock.get()
    }

    /// Sets a timer; dropping the guard clears it.
    pub(crate) fn set(self: &Rc<Self>, at: Instant, waker: &Waker) -> Timer {
        let slot = self.slots.borrow_mut().insert((at, waker.clone()));
        Timer {
            timers: self.clone(),
            slot,
        }
    }

    /// Wakes those whose time has come; they are woken again at each sweep while their guard lives.
    pub(crate) fn sweep(&self, now: Instant) {
        for (_, (at, waker)) in &*self.slots.borrow() {
            if *at <= now {
                waker.wake_by_ref();
            }
        }
    }
}

/// A timer that is set.
pub(crate) struct Timer {
    timers: Rc<Timers>,
    slot: usize,
}

impl Timer {
    /// From now on wakes this task.
    pub(crate) fn follow(&self, waker: &Waker) {
        if let Some((_, known)) = self.timers.slots.borrow_mut().get_mut(self.slot)
            && !known.will_wake(waker)
        {
            known.clone_from(waker);
        }
    }
}

impl Timer {
    /// Ready when its time has come; else it wakes this task then.
    pub(crate) fn poll_over(&self, cx: &Context<'_>) -> Poll<()> {
        self.follow(cx.waker());
        let slots = self.timers.slots.borrow();
        match slots.get(self.slot) {
            Some((at, _)) if *at > self.timers.now() => Poll::Pending,
            _ => Poll::Ready(()),
        }
    }
}

impl Drop for Timer {
    fn drop(&mut self) {
        self.timers.slots.borrow_mut().try_remove(self.slot);
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;
    use std::sync::atomic::{AtomicUsize, Ordering};
    use std::task::Wake;
    use std::time::Duration;

    use super::*;

    #[derive(Default)]
    struct Count(AtomicUsize);

    impl Wake for Count {
        fn wake(self: Arc<Self>) {
            self.0.fetch_add(1, Ordering::Relaxed);
        }
    }

    #[test]
    fn an_alarm_wakes_when_its_time_has_come_and_not_once_it_is_dropped() {
        let start = Instant::now();
        let timers = Timers::new(Rc::new(Cell::new(start)));
        let woken = Arc::new(Count::default());
        let timer = timers.set(start + Duration::from_secs(5), &woken.clone().into());
        timers.sweep(start + Duration::from_secs(4));
        assert_eq!(woken.0.load(Ordering::Relaxed), 0);
        timers.sweep(start + Duration::from_secs(5));
        assert_eq!(woken.0.load(Ordering::Relaxed), 1);
        drop(timer);
        timers.sweep(start + Duration::from_secs(6));
        assert_eq!((woken.0.load(Ordering::Relaxed), timers.slots.borrow().len()), (1, 0));
    }
}
