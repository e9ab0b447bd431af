//! [`Pool`]: one worker's idle connections, by target.
//!
//! The connection used last is used next, so that those which are not needed grow old and are closed. Nothing polls an idle
//! connection but the sweep, which also notices that the peer has closed it. Whoever takes a connection looks at its socket first: one
//! that was closed, on which something came that nobody asked for, or whose address has left the record of its host name, is dropped and
//! the next is taken.

use std::cell::{Cell, RefCell};
use std::rc::{Rc, Weak};
use std::time::Duration;

use rustc_hash::FxHashMap;
use tokio::time::Instant;

use crate::pool_settings::KeepAlive;
use crate::target::Target;

/// The longest time between two sweeps.
const MAX_INTERVAL: Duration = Duration::from_millis(500);
/// The shortest time between two sweeps: idle timeouts below four times this are kept less exactly.
const MIN_INTERVAL: Duration = Duration::from_millis(10);

/// A connection that can be kept in a pool.
pub(crate) trait Pooled: 'static {
    /// The target that it leads to.
    fn target(&self) -> &Target;
    /// The settings of its last user.
    fn keep_alive(&self) -> KeepAlive;
    /// Whether it is still open, and nothing has come on it, as far as the runtime knows.
    fn is_idle(&mut self) -> bool;
    /// The same, at this moment; and whether the host name that was connected to still has the peer's address.
    fn is_usable(&mut self) -> bool;
}

/// Idle connections of one worker.
pub(crate) struct Pool<C> {
    idle: RefCell<FxHashMap<Target, Vec<Idle<C>>>>,
    /// The time of the last sweep. Reading the clock for every request would cost more than it gives.
    now: Cell<Instant>,
    interval: Cell<Duration>,
    is_sweeping: Cell<bool>,
}

struct Idle<C> {
    connection: Box<C>,
    expires: Instant,
}

impl<C: Pooled> Pool<C> {
    /// No connections yet.
    pub(crate) fn new() -> Rc<Self> {
        Rc::new(Self {
            idle: RefCell::new(FxHashMap::default()),
            now: Cell::new(Instant::now()),
            interval: Cell::new(MAX_INTERVAL),
            is_sweeping: Cell::new(false),
        })
    }

    /// The idle connection to `target` that was used last, of those that can be used.
    pub(crate) fn take(&self, target: &Target) -> Option<Box<C>> {
        let mut idle = self.idle.borrow_mut();
        let list = idle.get_mut(target)?;
        loop {
            let mut connection = list.pop()?.connection;
            if connection.is_usable() {
                return Some(connection);
            }
        }
    }

    /// Keeps a connection, unless there are enough to its target already. Must be called within a
    /// [`tokio::task::LocalSet`] (or a local runtime), where the sweep runs.
    pub(crate) fn put(self: &Rc<Self>, connection: Box<C>) {
        let keep_alive = connection.keep_alive();
        if keep_alive.max_idle == 0 || keep_alive.idle_timeout.is_zero() {
            return;
        }
        self.start_sweep(keep_alive.idle_timeout);
        let mut idle = self.idle.borrow_mut();
        let expires = self.now.get() + keep_alive.idle_timeout;
        match idle.get_mut(connection.target()) {
            Some(list) if list.len() >= keep_alive.max_idle => {}
            Some(list) => list.push(Idle { connection, expires }),
            None => {
                idle.insert(connection.target().clone(), vec![Idle { connection, expires }]);
            }
        }
    }

    /// Starts the sweep task if it does not run, and makes it run often enough for this timeout.
    fn start_sweep(self: &Rc<Self>, idle_timeout: Duration) {
        let wanted = (idle_timeout / 4).clamp(MIN_INTERVAL, MAX_INTERVAL);
        if wanted < self.interval.get() {
            self.interval.set(wanted);
        }
        if !self.is_sweeping.replace(true) {
            self.now.set(Instant::now());
            tokio::task::spawn_local(sweep(Rc::downgrade(self)));
        }
    }

    /// Drops the connections that have expired or were closed; `false` when none is left.
    fn sweep(&self) -> bool {
        let now = Instant::now();
        self.now.set(now);
        let mut closed = Vec::new();
        let mut idle = self.idle.borrow_mut();
        idle.retain(|_, list| {
            closed.extend(list.extract_if(.., |idle| idle.expires <= now || !idle.connection.is_idle()));
            !list.is_empty()
        });
        !idle.is_empty()
        // `closed` is dropped last, after the borrow.
    }
}

/// Sweeps while there are idle connections and the pool lives.
async fn sweep<C: Pooled>(pool: Weak<Pool<C>>) {
    while let Some(interval) = pool.upgrade().map(|pool| pool.interval.get()) {
        tokio::time::sleep(interval).await;
        let Some(pool) = pool.upgrade() else { return };
        if !pool.sweep() {
            pool.is_sweeping.set(false);
            return;
        }
    }
}
