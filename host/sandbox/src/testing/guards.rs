//! Guards that a [`MemoryHost`](super::MemoryHost) hands out: they count, so that a test sees what VMs have not given up.

use std::cell::{Cell, RefCell};
use std::rc::Rc;
use std::time::Duration;

use crate::host::{Guard, TickTarget};

/// Who a timer calls, and its period.
pub(crate) type Tick = (TickTarget, Option<Duration>);

/// The last timer that was set, and its period; no period stopped it.
pub(super) type LastTimer = Rc<RefCell<Option<Tick>>>;

/// A guard that counts as long as it lives.
pub(super) fn counted(count: &Rc<Cell<usize>>) -> Guard {
    count.set(count.get() + 1);
    Box::new(CountedGuard(count.clone()))
}

/// The guard of the last timer, which stops when this is dropped.
pub(super) fn timer(last: &LastTimer, count: &Rc<Cell<usize>>) -> Guard {
    Box::new(TimerGuard {
        last: last.clone(),
        _counted: counted(count),
    })
}

struct CountedGuard(Rc<Cell<usize>>);

impl Drop for CountedGuard {
    fn drop(&mut self) {
        self.0.set(self.0.get() - 1);
    }
}

struct TimerGuard {
    last: LastTimer,
    _counted: Guard,
}

impl Drop for TimerGuard {
    fn drop(&mut self) {
        if let Some((_, period)) = &mut *self.last.borrow_mut() {
            *period = None;
        }
    }
}
