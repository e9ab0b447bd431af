//! [`Pool`]: one worker's idle connections, by endpoint address.
//!
//! The connection used last is used next, so that those which are not needed grow old and are swept out. Nothing polls
//! an idle connection but the sweep, which also notices that the other side has closed it; a request that gets a dead
//! one before that simply gets its bytes back (`connection`).

use std::cell::{Cell, RefCell};
use std::rc::{Rc, Weak};
use std::time::Duration;

use rustc_hash::FxHashMap;
use tokio::time::Instant;

use crate::address::Address;
use crate::keep::Keep;

/// How often idle connections are looked at, at most.
const SWEEP: Duration = Duration::from_millis(500);
/// And at least: a shorter idle timeout than twice this is not kept exactly.
const SHORTEST_SWEEP: Duration = Duration::from_millis(10);

/// What is kept in a pool.
pub trait Reusable: 'static {
    /// Where it leads.
    fn address(&self) -> &Address;
    /// How it is to be kept.
    fn keep(&self) -> Keep;
    /// Whether it is still open and has nothing to do.
    fn is_idle(&mut self) -> bool;
}

/// Idle connections of one worker.
pub struct Pool<C> {
    idle: RefCell<FxHashMap<Address, Vec<Idle<C>>>>,
    /// The time of the last sweep. Reading the clock for every request would cost more than it gives.
    now: Cell<Instant>,
    interval: Cell<Duration>,
    is_sweeping: Cell<bool>,
}

struct Idle<C> {
    connection: Box<C>,
    expires: Instant,
}

impl<C: Reusable> Pool<C> {
    /// No connections yet.
    pub fn new() -> Rc<Self> {
        Rc::new(Self {
            idle: RefCell::new(FxHashMap::default()),
            now: Cell::new(Instant::now()),
            interval: Cell::new(SWEEP),
            is_sweeping: Cell::new(false),
        })
    }

    /// The idle connection to `address` that was used last.
    pub fn take(&self, address: &Address) -> Option<Box<C>> {
        self.idle
            .borrow_mut()
            .get_mut(address)?
            .pop()
            .map(|idle| idle.connection)
    }

    /// Keeps a connection, unless there are enough to its address already. Must be called within a
    /// [`tokio::task::LocalSet`] (or a local runtime), where the sweep runs.
    pub fn put(self: &Rc<Self>, connection: Box<C>) {
        let keep = connection.keep();
        if keep.max_idle == 0 || keep.idle_timeout.is_zero() {
            return;
        }
        self.keep_sweeping(keep.idle_timeout);
        let mut idle = self.idle.borrow_mut();
        let expires = self.now.get() + keep.idle_timeout;
        match idle.get_mut(connection.address()) {
            Some(list) if list.len() >= keep.max_idle => {}
            Some(list) => list.push(Idle { connection, expires }),
            None => {
                idle.insert(connection.address().clone(), vec![Idle { connection, expires }]);
            }
        }
    }

    /// Sees to it that a sweep task runs, often enough for this timeout.
    fn keep_sweeping(self: &Rc<Self>, idle_timeout: Duration) {
        let wanted = (idle_timeout / 4).clamp(SHORTEST_SWEEP, SWEEP);
        if wanted < self.interval.get() {
            self.interval.set(wanted);
        }
        if !self.is_sweeping.replace(true) {
            self.now.set(Instant::now());
            tokio::task::spawn_local(sweep(Rc::downgrade(self)));
        }
    }

    /// Closes what has expired or died; `false` when nothing is left.
    fn sweep(&self) -> bool {
        let now = Instant::now();
        self.now.set(now);
        let mut dead = Vec::new();
        let mut idle = self.idle.borrow_mut();
        idle.retain(|_, list| {
            dead.extend(list.extract_if(.., |idle| idle.expires <= now || !idle.connection.is_idle()));
            !list.is_empty()
        });
        !idle.is_empty()
        // `dead` is dropped last, after the borrow.
    }
}

/// Runs while there is anything idle and the pool lives.
async fn sweep<C: Reusable>(pool: Weak<Pool<C>>) {
    while let Some(interval) = pool.upgrade().map(|pool| pool.interval.get()) {
        tokio::time::sleep(interval).await;
        let Some(pool) = pool.upgrade() else { return };
        if !pool.sweep() {
            pool.is_sweeping.set(false);
            return;
        }
    }
}
