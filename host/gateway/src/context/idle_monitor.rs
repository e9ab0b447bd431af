//! Timeouts of a client's connection: a head that does not arrive, no requests, a client that does not read.
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

/// How long a connection without a request has rested when it may be closed for others. A new one may be about to send its first.
const REST: Duration = Duration::from_secs(1);

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
    /// From the first byte of a request's head to its last; none where there are no heads.
    pub(crate) head: Option<Duration>,
    /// Without a request.
    pub(crate) idle: Duration,
    /// Without a byte that the client takes, while some wait to be written.
    pub(crate) write: Duration,
}

/// The activity of one connection.
pub(crate) struct ActivityMonitor {
    clock: Rc<Cell<Instant>>,
    timeouts: Cell<IdleTimeouts>,
    busy: Cell<u32>,
    started_requests: Cell<u64>,
    quiet_since: Cell<Instant>,
    head_since: Cell<Option<Instant>>,
    /// When the client stopped taking bytes; none while nothing waits to be written.
    blocked_since: Cell<Option<Instant>>,
    /// When the response under way is to be complete. Only HTTP/1 has one response at a time.
    response_due: Cell<Option<Instant>>,
    /// When the connection is closed, whatever is open on it.
    close_at: Cell<Option<Instant>>,
    /// Why the gateway ends the connection.
    reason: Cell<Option<&'static str>>,
    /// Its end is a reset.
    resets: Cell<bool>,
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

    /// A request's head has begun, beside other requests.
    pub(crate) fn head_begun(&self) {
        self.head_since.set(Some(self.clock.get()));
    }

    /// The head is complete.
    pub(crate) fn head_complete(&self) {
        self.head_since.set(None);
    }

    /// Notes whether bytes wait to be written after a write.
    pub(crate) fn wrote(&self, is_blocked: bool) {
        if !is_blocked {
            self.blocked_since.set(None);
        } else if self.blocked_since.get().is_none() {
            self.blocked_since.set(Some(self.clock.get()));
        }
    }

    /// Notes when the response under way is to be complete, however little of it the client takes.
    pub(crate) fn set_response_due(&self, at: Option<Instant>) {
        self.response_due.set(at);
    }

    /// The connection ends in a reset from now on; `reason` is the access log's `abort_reason` of what is still open on it.
    pub(crate) fn reset_at_end(&self, reason: &'static str) {
        self.reason.set(Some(reason));
        self.resets.set(true);
    }

    /// The connection is closed after `delay`, whatever is open on it; `reason` as for a reset.
    pub(crate) fn close_after(&self, delay: Duration, reason: &'static str) {
        self.reason.set(Some(reason));
        self.close_at.set(Some(self.clock.get() + delay));
    }

    /// Whether the connection ends in a reset.
    pub(crate) fn is_reset(&self) -> bool {
        self.resets.get()
    }

    /// Why the gateway ends the connection, if it does.
    pub(crate) fn end_reason(&self) -> Option<&'static str> {
        self.reason.get()
    }

    /// The time of the last sweep.
    pub(crate) fn now(&self) -> Instant {
        self.clock.get()
    }

    /// Requests that are open on the connection.
    pub(crate) fn open_requests(&self) -> u32 {
        self.busy.get()
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

    /// Whether it is to be closed now.
    pub(crate) fn is_closed(&self) -> bool {
        self.order.get() == Directive::Close
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
        if self.close_at.get().is_some_and(|at| now >= at) {
            self.direct(Directive::Close);
        } else if let (Some(since), Some(limit)) = (self.head_since.get(), timeouts.head)
            && over(since, limit)
        {
            self.direct(Directive::HeadTimeout);
        } else if let Some(since) = self.blocked_since.get()
            && let Some(reason) = self.overdue(now, over(since, timeouts.write))
        {
            self.reset_at_end(reason);
            self.direct(Directive::Close);
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

impl ActivityMonitor {
    /// Why a client that takes no bytes is not waited for any longer.
    fn overdue(&self, now: Instant, is_write_over: bool) -> Option<&'static str> {
        if self.response_due.get().is_some_and(|at| now >= at) {
            Some("route_timeout")
        } else {
            is_write_over.then_some("write_timeout")
        }
    }
}

/// A request is open on the connection.
pub(crate) struct RequestGuard(Rc<ActivityMonitor>);

impl RequestGuard {
    /// The connection that the request is open on.
    pub(crate) fn connection(&self) -> &ActivityMonitor {
        &self.0
    }
}

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
            blocked_since: Cell::new(None),
            response_due: Cell::new(None),
            close_at: Cell::new(None),
            reason: Cell::new(None),
            resets: Cell::new(false),
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

    /// Closes connections that rest between requests: others need their descriptors.
    pub(crate) fn retire_idle(&self) {
        for activity in self.monitors.borrow().iter().filter_map(Weak::upgrade) {
            let rested = self.clock.get().saturating_duration_since(activity.quiet_since.get());
            let is_idle = activity.busy.get() == 0 && activity.head_since.get().is_none() && rested >= REST;
            // A connection without requests says by its timeouts that it has no heads.
            if is_idle && activity.timeouts.get().head.is_some() && activity.order.get() == Directive::Continue {
                activity.direct(Directive::Retire);
            }
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
mod tests;
