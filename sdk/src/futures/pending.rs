//! [`Expected`]: what has been asked of the host and who waits for it, by the number that the host gave it.

use std::cell::RefCell;
use std::task::Waker;

use crate::host::id_table::Table;

/// Answers that are waited for.
pub(crate) struct Expected<T>(RefCell<Table<Awaited<T>>>);

struct Awaited<T> {
    waker: Waker,
    answer: Option<T>,
}

impl<T> Expected<T> {
    /// Nothing so far.
    pub(crate) const fn new() -> Expected<T> {
        Expected(RefCell::new(Table::new()))
    }

    /// Somebody waits from here on.
    pub(crate) fn expect(&self, id: u32, waker: &Waker) {
        let awaited = Awaited {
            waker: waker.clone(),
            answer: None,
        };
        self.0.borrow_mut().insert(id, awaited);
    }

    /// Whether somebody waits for it.
    pub(crate) fn is_awaited(&self, id: u32) -> bool {
        self.0.borrow().find(id).is_some()
    }

    /// The answer has come.
    pub(crate) fn answer(&self, id: u32, answer: T) {
        if let Some(awaited) = self.0.borrow_mut().find_mut(id) {
            awaited.answer = Some(answer);
            awaited.waker.wake_by_ref();
        }
    }

    /// The answer, if it has come; it is then no longer waited for.
    pub(crate) fn collect(&self, id: u32, waker: &Waker) -> Option<T> {
        let mut table = self.0.borrow_mut();
        let awaited = table.find_mut(id)?;
        let Some(answer) = awaited.answer.take() else {
            awaited.waker.clone_from(waker);
            return None;
        };
        table.remove(id);
        Some(answer)
    }

    /// Nobody waits any more. Whether somebody did.
    pub(crate) fn forget(&self, id: u32) -> bool {
        let forgotten = self.0.borrow_mut().remove(id);
        forgotten.is_some_and(|awaited| awaited.answer.is_none())
    }

    /// In native tests: a new gateway starts with nothing to wait for.
    #[cfg(not(target_arch = "wasm32"))]
    pub(crate) fn reset(&self) {
        self.0.replace(Table::new());
    }
}
