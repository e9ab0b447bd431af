//! Timers: [`sleep`], [`timeout`], and the ticks of [`tick_every`]. All of them share the one timer that a host offers
//! to a root context.

use std::cell::{Cell, RefCell};
use std::future::{Future, IntoFuture, poll_fn};
use std::pin::{Pin, pin};
use std::task::{Context, Poll, Waker};
use std::time::Duration;

use crate::error::{Error, Result};
use crate::host;
use crate::host::context;

const MILLISECOND: u64 = 1_000_000;

/// Waits for this duration, with a resolution of 1 ms. For `async` hooks.
///
/// # Errors
/// [`Error::Host`] if the host has no clock or no timer.
pub fn sleep(duration: Duration) -> Sleep {
    Sleep(SleepState::New(duration))
}

/// Awaits `future` for at most `duration`. Returns `None` when the time is over, and drops the future.
///
/// # Errors
/// As [`sleep`].
pub async fn timeout<F: IntoFuture>(duration: Duration, future: F) -> Result<Option<F::Output>> {
    let mut future = pin!(future.into_future());
    let mut sleep = pin!(sleep(duration));
    poll_fn(|cx| {
        if let Poll::Ready(value) = future.as_mut().poll(cx) {
            return Poll::Ready(Ok(Some(value)));
        }
        sleep.as_mut().poll(cx).map(|slept| slept.map(|()| None))
    })
    .await
}

/// The future of [`sleep`].
#[derive(Debug)]
#[must_use = "a timer starts when it is awaited"]
pub struct Sleep(SleepState);

#[derive(Debug)]
enum SleepState {
    New(Duration),
    Waiting { id: u32, due: u64 },
    Done,
}

impl Future for Sleep {
    type Output = Result<()>;

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Result<()>> {
        let now = match now() {
            Ok(now) => now,
            Err(error) => return Poll::Ready(Err(error)),
        };
        let due = match self.0 {
            SleepState::New(duration) => now.saturating_add(u64::try_from(duration.as_nanos()).unwrap_or(u64::MAX)),
            SleepState::Waiting { due, .. } => due,
            SleepState::Done => return Poll::Ready(Ok(())),
        };
        if is_due(due, now) {
            return Poll::Ready(Ok(()));
        }
        let id = match self.0 {
            SleepState::Waiting { id, .. } => id,
            _ => TIMERS.with_borrow_mut(Timers::new_id),
        };
        self.0 = SleepState::Waiting { id, due };
        let entry = Entry {
            id,
            due,
            root: context::root(),
            waker: cx.waker().clone(),
        };
        match TIMERS.with_borrow_mut(|timers| timers.set(entry, now)) {
            Ok(()) => Poll::Pending,
            Err(error) => Poll::Ready(Err(error)),
        }
    }
}

impl Drop for Sleep {
    fn drop(&mut self) {
        if let SleepState::Waiting { id, .. } = self.0 {
            self.0 = SleepState::Done;
            TIMERS.with_borrow_mut(|timers| timers.entries.retain(|entry| entry.id != id));
        }
    }
}

/// Whether a timer is due. A tolerance of half a millisecond accounts for ticks that come early.
fn is_due(due: u64, now: u64) -> bool {
    due <= now.saturating_add(MILLISECOND / 2)
}

fn now() -> Result<u64> {
    host::time_nanoseconds().map_err(Error::host("proxy_get_current_time_nanoseconds"))
}

struct Entry {
    id: u32,
    due: u64,
    root: u32,
    waker: Waker,
}

/// The plugin's own ticks in a root context.
struct TickInterval {
    root: u32,
    every: u32,
    due: u64,
}

/// The tick period that is set in the host for a root context, in milliseconds; 0 for none.
struct HostTimer {
    root: u32,
    milliseconds: u32,
}

struct Timers {
    entries: Vec<Entry>,
    intervals: Vec<TickInterval>,
    host_timers: Vec<HostTimer>,
    last_id: u32,
}

thread_local! {
    static TIMERS: RefCell<Timers> = const {
        RefCell::new(Timers { entries: Vec::new(), intervals: Vec::new(), host_timers: Vec::new(), last_id: 0 })
    };
    /// The handler of the host's ticks. It is set with the first timer, so that a module without timers does not
    /// contain it.
    static TICK: Cell<Option<TickHandler>> = const { Cell::new(None) };
}

#[derive(Clone, Copy)]
struct TickHandler {
    on_tick: fn() -> bool,
    rearm: fn(u32),
}

const TICK_HANDLER: TickHandler = TickHandler {
    on_tick: wake,
    rearm: rearm_host_timer,
};

impl Timers {
    fn new_id(&mut self) -> u32 {
        self.last_id = self.last_id.wrapping_add(1);
        self.last_id
    }

    fn set(&mut self, entry: Entry, now: u64) -> Result<()> {
        let (root, due) = (entry.root, entry.due);
        self.entries.retain(|known| known.id != entry.id);
        self.entries.push(entry);
        let wanted = milliseconds_until(due, now);
        // If the host ticks soon enough, nothing changes; after that tick, the period is set again.
        let set = self.host_timers.iter().find(|timer| timer.root == root);
        match set.map_or(0, |timer| timer.milliseconds) {
            0 => self.set_host_timer(root, wanted),
            known if known > wanted => self.set_host_timer(root, wanted),
            _ => Ok(()),
        }
    }

    /// Sets the tick period of the host, unless it is set already.
    fn set_host_timer(&mut self, root: u32, milliseconds: u32) -> Result<()> {
        TICK.set(Some(TICK_HANDLER));
        let known = self.host_timers.iter().position(|timer| timer.root == root);
        if known.is_some_and(|at| self.host_timers[at].milliseconds == milliseconds) {
            return Ok(());
        }
        host::set_tick_period(milliseconds).map_err(Error::host("proxy_set_tick_period_milliseconds"))?;
        match known {
            Some(at) => self.host_timers[at].milliseconds = milliseconds,
            None => self.host_timers.push(HostTimer { root, milliseconds }),
        }
        Ok(())
    }

    /// The tick period that the timers of a root context need, in milliseconds; 0 if there are none.
    fn needed_period(&self, root: u32, now: u64) -> u32 {
        let entries = self
            .entries
            .iter()
            .filter(|entry| entry.root == root)
            .map(|entry| entry.due);
        let next = entries.min().map(|due| milliseconds_until(due, now));
        let interval = self.intervals.iter().find(|interval| interval.root == root);
        match (next, interval) {
            // Without other timers, the host's own period drifts least.
            (None, Some(interval)) if interval.due.abs_diff(now) / MILLISECOND <= u64::from(interval.every) => {
                interval.every
            }
            (None, None) => 0,
            (next, interval) => {
                let interval = interval.map(|interval| milliseconds_until(interval.due, now));
                next.unwrap_or(u32::MAX).min(interval.unwrap_or(u32::MAX))
            }
        }
    }
}

fn milliseconds_until(due: u64, now: u64) -> u32 {
    let milliseconds = due.saturating_sub(now).div_ceil(MILLISECOND).max(1);
    u32::try_from(milliseconds).unwrap_or(u32::MAX)
}

/// Sets the interval in which the host calls `on_tick`, in whole milliseconds; zero stops it. Call it in `new`.
///
/// # Errors
/// [`Error::Host`] if the host has no timer.
pub fn tick_every(period: Duration) -> Result<()> {
    let milliseconds = u32::try_from(period.as_millis()).unwrap_or(u32::MAX);
    set_interval(milliseconds)
}

/// Sets the interval of the plugin's own ticks in milliseconds; 0 stops them.
fn set_interval(every: u32) -> Result<()> {
    let root = context::root();
    let due = now().unwrap_or(0).saturating_add(u64::from(every) * MILLISECOND);
    TIMERS.with_borrow_mut(|timers| {
        timers.intervals.retain(|interval| interval.root != root);
        if every != 0 {
            timers.intervals.push(TickInterval { root, every, due });
        }
        timers.host_timers.retain(|timer| timer.root != root);
        timers.set_host_timer(root, every)
    })
}

/// Handles a tick of the host in the active root context: wakes the futures that are due. Returns whether the plugin's
/// own tick is due.
pub(crate) fn on_tick() -> bool {
    TICK.get().is_some_and(|tick| (tick.on_tick)())
}

fn wake() -> bool {
    let root = context::root();
    let Ok(now) = now() else { return true };
    TIMERS.with_borrow_mut(|timers| {
        for entry in timers
            .entries
            .iter()
            .filter(|entry| entry.root == root && is_due(entry.due, now))
        {
            entry.waker.wake_by_ref();
        }
        let Some(interval) = timers.intervals.iter_mut().find(|interval| interval.root == root) else {
            return false;
        };
        if !is_due(interval.due, now) {
            return false;
        }
        let every = u64::from(interval.every) * MILLISECOND;
        // Missed ticks are skipped.
        interval.due = interval.due.saturating_add(every).max(now.saturating_add(every / 2));
        true
    })
}

/// Sets the tick period that is needed after a tick.
pub(crate) fn rearm(root: u32) {
    if let Some(tick) = TICK.get() {
        (tick.rearm)(root);
    }
}

fn rearm_host_timer(root: u32) {
    let Ok(now) = now() else { return };
    if context::switch(root, root).is_err() {
        return;
    }
    // If the host refuses the new period, it keeps the previous one, and the timers are late.
    let _ = TIMERS.with_borrow_mut(|timers| {
        let wanted = timers.needed_period(root, now);
        timers.set_host_timer(root, wanted)
    });
}

/// Removes all timers, for the next native test of this thread.
#[cfg(not(target_arch = "wasm32"))]
pub(crate) fn reset() {
    TIMERS.with_borrow_mut(|timers| {
        timers.entries.clear();
        timers.intervals.clear();
        timers.host_timers.clear();
    });
}
