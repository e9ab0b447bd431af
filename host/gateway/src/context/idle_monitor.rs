//! Idle timeouts: a head that does not arrive, a connection without requests.
//!
//! Costs a request no timer and no clock: the worker sweeps over its connections a few times a second and compares
//! coarse times. A deadline is therefore kept to within [`SWEEP`].

use std::cell::{Cell, RefCell};
use std::rc::{Rc, Weak};
use std::task::{Context, Waker};
use std::time::{Duration, Instant};

use lockgate_exchange::clock;

use crate::context::timers::Timers;

/// How often connections are looked at.
pub(crate) const SWEEP: Duration = Duration::from_millis(250);

/// What a connection is to do.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Directive {
    /// Nothing special.
    Continue,
    /// Finish what is open, take nothing new.
    Retire,
    /// The head did not arrive in time: answer 408, and close.
    HeadTimeout,
    /// Close now.
    Close,
}

/// The timeouts of a connection.
#[derive(Clone, Copy, Debug)]
pub(crate) struct IdleTimeouts {
    /// From the first byte of a request's head to its last; none on HTTP/2, where heads are not waited for one by one.
    pub(crate) head: Option<Duration>,
    /// Without a request.
    pub(crate) idle: Duration,
}

/// The activity of one connection.
pub(crate) struct ActivityMonitor {
    clock: Rc<Cell<Instant>>,
    timeouts: Cell<IdleTimeouts>,
    busy: Cell<u32>,
    started_requests: Cell<u64>,
    quiet_since: Cell<Instant>,
    head_since: Cell<Option<Instant>>,
    order: Cell<Directive>,
    waker: RefCell<Option<Waker>>,
}

impl ActivityMonitor {
    /// Bytes came in; outside of a request they begin a head.
    pub(crate) fn received(&self) {
        if self.busy.get() == 0 && self.head_since.get().is_none() {
            self.head_since.set(Some(self.clock.get()));
        }
    }

    /// A request's head is complete. The connection is in use until the guard is dropped.
    pub(crate) fn start_request(self: &Rc<Self>) -> RequestGuard {
        self.busy.set(self.busy.get() + 1);
        self.started_requests.set(self.started_requests.get() + 1);
        self.head_since.set(None);
        RequestGuard(self.clone())
    }

    /// Bytes went by, on a connection without requests: it is not idle.
    pub(crate) fn touch(&self) {
        self.quiet_since.set(self.clock.get());
    }

    /// Requests that ever began on the connection.
    pub(crate) fn started_requests(&self) -> u64 {
        self.started_requests.get()
    }

    /// Requests that came to their end on the connection.
    pub(crate) fn ended_requests(&self) -> u64 {
        self.started_requests.get() - u64::from(self.busy.get())
    }

    /// The timeouts from now on.
    pub(crate) fn set_timeouts(&self, timeouts: IdleTimeouts) {
        self.timeouts.set(timeouts);
    }

    /// The current directive; the task is woken when it changes.
    pub(crate) fn poll_directive(&self, cx: &mut Context<'_>) -> Directive {
        let mut waker = self.waker.borrow_mut();
        if !waker.as_ref().is_some_and(|known| known.will_wake(cx.waker())) {
            *waker = Some(cx.waker().clone());
        }
        self.order.get()
    }

    fn direct(&self, order: Directive) {
        if self.order.replace(order) != order
            && let Some(waker) = self.waker.borrow().as_ref()
        {
            waker.wake_by_ref();
        }
    }

    fn check(&self, now: Instant) {
        let timeouts = self.timeouts.get();
        let over = |since: Instant, limit: Duration| now.saturating_duration_since(since) >= limit;
        if let (Some(since), Some(limit)) = (self.head_since.get(), timeouts.head)
            && over(since, limit)
        {
            self.direct(Directive::HeadTimeout);
        } else if self.busy.get() == 0 && over(self.quiet_since.get(), timeouts.idle) {
            // Twice the timeout: the peer does not take the close.
            let order = if over(self.quiet_since.get(), timeouts.idle * 2) {
                Directive::Close
            } else {
                Directive::Retire
            };
            self.direct(order);
        }
    }
}

/// A request is open on the connection.
pub(crate) struct RequestGuard(Rc<ActivityMonitor>);

impl Drop for RequestGuard {
    fn drop(&mut self) {
        self.0.busy.set(self.0.busy.get() - 1);
        self.0.quiet_since.set(self.0.clock.get());
    }
}

/// The activity of every connection on one worker.
pub(crate) struct IdleMonitor {
    clock: Rc<Cell<Instant>>,
    timers: Rc<Timers>,
    monitors: RefCell<Vec<Weak<ActivityMonitor>>>,
}

impl IdleMonitor {
    /// Without connections.
    pub(crate) fn new() -> Self {
        let clock = Rc::new(Cell::new(clock::now()));
        Self {
            timers: Timers::new(clock.clone()),
            clock,
            monitors: RefCell::new(Vec::new()),
        }
    }

    /// Timers that are kept by the same sweeps.
    pub(crate) fn timers(&self) -> &Rc<Timers> {
        &self.timers
    }

    /// A new connection.
    pub(crate) fn watch(&self, timeouts: IdleTimeouts) -> Rc<ActivityMonitor> {
        let now = self.clock.get();
        let activity = Rc::new(ActivityMonitor {
            clock: self.clock.clone(),
            timeouts: Cell::new(timeouts),
            busy: Cell::new(0),
            started_requests: Cell::new(0),
            quiet_since: Cell::new(now),
            head_since: Cell::new(None),
            order: Cell::new(Directive::Continue),
            waker: RefCell::new(None),
        });
        self.monitors.borrow_mut().push(Rc::downgrade(&activity));
        activity
    }

    /// Checks every connection; those past a timeout get their directive.
    pub(crate) fn sweep(&self, now: Instant) {
        self.clock.set(now);
        self.timers.sweep(now);
        let mut monitors = self.monitors.borrow_mut();
        monitors.retain(|activity| match activity.upgrade() {
            Some(activity) => {
                activity.check(now);
                true
            }
            None => false,
        });
        if monitors.capacity() > 64 && monitors.len() < monitors.capacity() / 4 {
            monitors.shrink_to_fit();
        }
    }

    /// Gives every connection a directive.
    pub(crate) fn set_all(&self, order: Directive) {
        for activity in self.monitors.borrow().iter().filter_map(Weak::upgrade) {
            activity.direct(order);
        }
    }

    /// Open connections.
    pub(crate) fn open_connections(&self) -> usize {
        self.monitors
            .borrow()
            .iter()
            .filter(|activity| activity.strong_count() > 0)
            .count()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const TIMEOUT: IdleTimeouts = IdleTimeouts {
        head: Some(Duration::from_secs(2)),
        idle: Duration::from_secs(10),
    };

    fn after(idle_monitor: &IdleMonitor, seconds: u64, start: Instant) {
        idle_monitor.sweep(start + Duration::from_secs(seconds));
    }

    #[test]
    fn a_head_that_does_not_arrive_is_overdue() {
        let idle_monitor = IdleMonitor::new();
        let start = idle_monitor.clock.get();
        let activity = idle_monitor.watch(TIMEOUT);
        activity.received();
        after(&idle_monitor, 1, start);
        assert_eq!(activity.order.get(), Directive::Continue);
        after(&idle_monitor, 2, start);
        assert_eq!(activity.order.get(), Directive::HeadTimeout);
    }

    #[test]
    fn a_connection_in_use_is_left_alone_and_an_idle_one_retires() {
        let idle_monitor = IdleMonitor::new();
        let start = idle_monitor.clock.get();
        let activity = idle_monitor.watch(TIMEOUT);
        activity.received();
        let busy = activity.start_request();
        activity.received();
        assert_eq!(activity.ended_requests(), 0);
        after(&idle_monitor, 100, start);
        assert_eq!(activity.order.get(), Directive::Continue);
        drop(busy);
        assert_eq!(activity.ended_requests(), 1);
        after(&idle_monitor, 109, start);
        assert_eq!(activity.order.get(), Directive::Continue);
        after(&idle_monitor, 110, start);
        assert_eq!(activity.order.get(), Directive::Retire);
        after(&idle_monitor, 120, start);
        assert_eq!(activity.order.get(), Directive::Close);
    }

    #[test]
    fn connections_that_are_gone_are_forgotten() {
        let idle_monitor = IdleMonitor::new();
        let start = idle_monitor.clock.get();
        drop(idle_monitor.watch(TIMEOUT));
        let kept = idle_monitor.watch(TIMEOUT);
        after(&idle_monitor, 1, start);
        assert_eq!(
            (idle_monitor.open_connections(), idle_monitor.monitors.borrow().len()),
            (1, 1)
        );
        drop(kept);
        assert_eq!(idle_monitor.open_connections(), 0);
    }
}
