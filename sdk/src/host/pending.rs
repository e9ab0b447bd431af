//! [`PendingCalls`]: the host calls whose response is pending, by their ids, each with the waker of the future that
//! waits for it.

use std::cell::RefCell;
use std::task::Waker;

use crate::host::id_table::IdTable;

/// The pending calls, each with a response of type `T`.
pub(crate) struct PendingCalls<T>(RefCell<IdTable<PendingCall<T>>>);

struct PendingCall<T> {
    waker: Waker,
    response: Option<T>,
}

impl<T> PendingCalls<T> {
    /// No pending calls.
    pub(crate) const fn new() -> PendingCalls<T> {
        PendingCalls(RefCell::new(IdTable::new()))
    }

    /// Adds a call.
    pub(crate) fn insert(&self, id: u32, waker: &Waker) {
        let call = PendingCall {
            waker: waker.clone(),
            response: None,
        };
        self.0.borrow_mut().insert(id, call);
    }

    /// Whether the call is pending.
    pub(crate) fn contains(&self, id: u32) -> bool {
        self.0.borrow().find(id).is_some()
    }

    /// Stores the response of a call and wakes its future.
    pub(crate) fn complete(&self, id: u32, response: T) {
        if let Some(call) = self.0.borrow_mut().find_mut(id) {
            call.response = Some(response);
            call.waker.wake_by_ref();
        }
    }

    /// The response of a call, if it has arrived; the call is removed then.
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

    /// Removes a call. Returns whether its response was still missing.
    pub(crate) fn remove(&self, id: u32) -> bool {
        let forgotten = self.0.borrow_mut().remove(id);
        forgotten.is_some_and(|call| call.response.is_none())
    }

    /// Removes all calls, for the next native test of this thread.
    #[cfg(not(target_arch = "wasm32"))]
    pub(crate) fn reset(&self) {
        self.0.replace(IdTable::new());
    }
}
