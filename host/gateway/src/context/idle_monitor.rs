//! Watches a connection for silence: a head that does not arrive, a connection that nobody uses.
//!
//! Costs a request no timer and no clock: the worker sweeps over its connections a few times a second and compares
//! coarse times. A deadline is therefore kept to within [`SWEEP`].

use std::cell::{Cell, RefCell};
use std::rc::{Rc, Weak};
use std::task::{Context, Waker};
use std::time::{Duration, Instant};

use lockgate_exchange::clock;

use crate::context::timers::Alarms;

/// How often connections are looked at.
pub(crate) const SWEEP: Duration = Duration::from_millis(250);

/// What a connection should do.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Order {
    /// Nothing special.
    Carry,
    /// Finish what is open, take nothing new.
    Retire,
    /// A head is not coming to its end: say so, and close.
    Overdue,
    /// Close now.
    Close,
}

/// How long a connection may be silent.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Patience {
    /// From the first byte of a request's head to its last; none on HTTP/2, where heads are not waited for one by one.
    pub(crate) head: Option<Duration>,
    /// Without a request.
    pub(crate) idle: Duration,
}

/// One connection's signs of life.
pub(crate) struct Pulse {
    clock: Rc<Cell<Instant>>,
    patience: Cell<Patience>,
    busy: Cell<u32>,
    begun: Cell<u64>,
    quiet_since: Cell<Instant>,
    head_since: Cell<Option<Instant>>,
    order: Cell<Order>,
    waker: RefCell<Option<Waker>>,
}

impl Pulse {
    /// Bytes came in; outside of a request they begin a head.
    pub(crate) fn received(&self) {
        if self.busy.get() == 0 && self.head_since.get().is_none() {
            self.head_since.set(Some(self.clock.get()));
        }
    }

    /// A request's head is complete. The connection is in use until the guard is dropped.
    pub(crate) fn begin(self: &Rc<Self>) -> Busy {
        self.busy.set(self.busy.get() + 1);
        self.begun.set(self.begun.get() + 1);
        self.head_since.set(None);
        Busy(self.clone())
    }

    /// Bytes went by, on a connection without requests: it is not idle.
    pub(crate) fn stir(&self) {
        self.quiet_since.set(self.clock.get());
    }

    /// Requests that ever began on the connection.
    pub(crate) fn begun(&self) -> u64 {
        self.begun.get()
    }

    /// Requests that came to their end on the connection.
    pub(crate) fn ended(&self) -> u64 {
        self.begun.get() - u64::from(self.busy.get())
    }

    /// How silent it may be from now on.
    pub(crate) fn set_patience(&self, patience: Patience) {
        self.patience.set(patience);
    }

    /// The standing order; the task is woken when it changes.
    pub(crate) fn poll_order(&self, cx: &mut Context<'_>) -> Order {
        let mut waker = self.waker.borrow_mut();
        if !waker.as_ref().is_some_and(|known| known.will_wake(cx.waker())) {
            *waker = Some(cx.waker().clone());
        }
        self.order.get()
    }

    fn give(&self, order: Order) {
        if self.order.replace(order) != order
            && let Some(waker) = self.waker.borrow().as_ref()
        {
            waker.wake_by_ref();
        }
    }

    fn check(&self, now: Instant) {
        let patience = self.patience.get();
        let over = |since: Instant, limit: Duration| now.saturating_duration_since(since) >= limit;
        if let (Some(since), Some(limit)) = (self.head_since.get(), patience.head)
            && over(since, limit)
        {
            self.give(Order::Overdue);
        } else if self.busy.get() == 0 && over(self.quiet_since.get(), patience.idle) {
            // Twice the patience: the peer does not even take the goodbye.
            let order = if over(self.quiet_since.get(), patience.idle * 2) {
                Order::Close
            } else {
                Order::Retire
            };
            self.give(order);
        }
    }
}

/// A request is open on the connection.
pub(crate) struct Busy(Rc<Pulse>);

impl Drop for Busy {
    fn drop(&mut self) {
        self.0.busy.set(self.0.busy.get() - 1);
        self.0.quiet_since.set(self.0.clock.get());
    }
}

/// Everybody's pulse on one worker.
pub(crate) struct Ward {
    clock: Rc<Cell<Instant>>,
    alarms: Rc<Alarms>,
    pulses: RefCell<Vec<Weak<Pulse>>>,
}

impl Ward {
    /// An empty ward.
    pub(crate) fn new() -> Self {
        let clock = Rc::new(Cell::new(clock::now()));
        Self {
            alarms: Alarms::new(clock.clone()),
            clock,
            pulses: RefCell::new(Vec::new()),
        }
    }

    /// Wakes tasks by the same sweeps.
    pub(crate) fn alarms(&self) -> &Rc<Alarms> {
        &self.alarms
    }

    /// A new connection.
    pub(crate) fn admit(&self, patience: Patience) -> Rc<Pulse> {
        let now = self.clock.get();
        let pulse = Rc::new(Pulse {
            clock: self.clock.clone(),
            patience: Cell::new(patience),
            busy: Cell::new(0),
            begun: Cell::new(0),
            quiet_since: Cell::new(now),
            head_since: Cell::new(None),
            order: Cell::new(Order::Carry),
            waker: RefCell::new(None),
        });
        self.pulses.borrow_mut().push(Rc::downgrade(&pulse));
        pulse
    }

    /// Looks at everybody; those that were silent for too long get their order.
    pub(crate) fn sweep(&self, now: Instant) {
        self.clock.set(now);
        self.alarms.sweep(now);
        let mut pulses = self.pulses.borrow_mut();
        pulses.retain(|pulse| match pulse.upgrade() {
            Some(pulse) => {
                pulse.check(now);
                true
            }
            None => false,
        });
        if pulses.capacity() > 64 && pulses.len() < pulses.capacity() / 4 {
            pulses.shrink_to_fit();
        }
    }

    /// Gives everybody an order.
    pub(crate) fn tell_all(&self, order: Order) {
        for pulse in self.pulses.borrow().iter().filter_map(Weak::upgrade) {
            pulse.give(order);
        }
    }

    /// Open connections.
    pub(crate) fn census(&self) -> usize {
        self.pulses
            .borrow()
            .iter()
            .filter(|pulse| pulse.strong_count() > 0)
            .count()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const PATIENCE: Patience = Patience {
        head: Some(Duration::from_secs(2)),
        idle: Duration::from_secs(10),
    };

    fn after(ward: &Ward, seconds: u64, start: Instant) {
        ward.sweep(start + Duration::from_secs(seconds));
    }

    #[test]
    fn a_head_that_does_not_arrive_is_overdue() {
        let ward = Ward::new();
        let start = ward.clock.get();
        let pulse = ward.admit(PATIENCE);
        pulse.received();
        after(&ward, 1, start);
        assert_eq!(pulse.order.get(), Order::Carry);
        after(&ward, 2, start);
        assert_eq!(pulse.order.get(), Order::Overdue);
    }

    #[test]
    fn a_connection_in_use_is_left_alone_and_an_idle_one_retires() {
        let ward = Ward::new();
        let start = ward.clock.get();
        let pulse = ward.admit(PATIENCE);
        pulse.received();
        let busy = pulse.begin();
        pulse.received();
        assert_eq!(pulse.ended(), 0);
        after(&ward, 100, start);
        assert_eq!(pulse.order.get(), Order::Carry);
        drop(busy);
        assert_eq!(pulse.ended(), 1);
        after(&ward, 109, start);
        assert_eq!(pulse.order.get(), Order::Carry);
        after(&ward, 110, start);
        assert_eq!(pulse.order.get(), Order::Retire);
        after(&ward, 120, start);
        assert_eq!(pulse.order.get(), Order::Close);
    }

    #[test]
    fn connections_that_are_gone_are_forgotten() {
        let ward = Ward::new();
        let start = ward.clock.get();
        drop(ward.admit(PATIENCE));
        let kept = ward.admit(PATIENCE);
        after(&ward, 1, start);
        assert_eq!((ward.census(), ward.pulses.borrow().len()), (1, 1));
        drop(kept);
        assert_eq!(ward.census(), 0);
    }
}
