//! [`PendingCalls`]: what has been asked of the host and who waits for it, by the number that the host gave it.

use std::cell::RefCell;
use std::task::Waker;

use crate::host::id_table::IdTable;

/// Answers that are waited for.
pub(crate) struct PendingCalls<T>(RefCell<IdTable<PendingCall<T>>>);

struct PendingCall<T> {
    waker: Waker,
    response: Option<T>,
}

impl<T> PendingCalls<T> {
    /// Nothing so far.
    pub(crate) const fn new() -> PendingCalls<T> {
        PendingCalls(RefCell::new(IdTable::new()))
    }

    /// Somebody waits from here on.
    pub(crate) fn insert(&self, id: u32, waker: &Waker) {
        let call = PendingCall {
            waker: waker.clone(),
            response: None,
        };
        self.0.borrow_mut().insert(id, call);
    }

    /// Whether somebody waits for it.
    pub(crate) fn contains(&self, id: u32) -> bool {
        self.0.borrow().find(id).is_some()
    }

    /// The answer has come.
    pub(crate) fn complete(&self, id: u32, response: T) {
        if let Some(call) = self.0.borrow_mut().find_mut(id) {
            call.response = Some(response);
            call.waker.wake_by_ref();
        }
    }

    /// The answer, if it has come; it is then no longer waited for.
    pub(crate) fn poll_response(&self, id: u32, waker: &Waker) -> Option<T> {
        let mut table = self.0.borrow_mut();
        let call = table.find_mut(id)?;
        let Some(response) = call.response.take() else {
            call.waker.clone_from(waker);
            return None;
        };
        table.remove(id);
        Some(response)
    }

    /// Nobody waits any more. Whether somebody did.
    pub(crate) fn remove(&self, id: u32) -> bool {
        let forgotten = self.0.borrow_mut().remove(id);
        forgotten.is_some_and(|call| call.response.is_none())
    }

    /// In native tests: a new gateway starts with nothing to wait for.
    #[cfg(not(target_arch = "wasm32"))]
    pub(crate) fn reset(&self) {
        self.0.replace(IdTable::new());
    }
}
