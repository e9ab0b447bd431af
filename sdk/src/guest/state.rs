//! The state of one request, lent to the hooks that take it, one at a time.

use std::cell::Cell;
use std::future::Future;
use std::ops::{Deref, DerefMut};
use std::pin::Pin;
use std::rc::Rc;
use std::task::{Context, Poll, Waker};

/// Where the state of a request is. It moves out of its stream when the first waiting hook takes it.
pub(crate) enum StateSlot<S> {
    Owned(S),
    Shared(Rc<StateCell<S>>),
}

/// Where lent state comes back to.
pub(crate) struct StateCell<S> {
    state: Cell<Option<S>>,
    waiter: Cell<Option<Waker>>,
}

impl<S: Default> StateSlot<S> {
    /// Has it lent, to a hook that waits.
    pub(crate) fn acquire(&mut self) -> AcquireState<S> {
        if let StateSlot::Owned(state) = self {
            let state = Cell::new(Some(std::mem::take(state)));
            let waiter = Cell::new(None);
            *self = StateSlot::Shared(Rc::new(StateCell { state, waiter }));
        }
        match self {
            StateSlot::Shared(cell) => AcquireState(cell.clone()),
            StateSlot::Owned(_) => unreachable!("it has just moved out"),
        }
    }

    /// Runs a hook that does not wait; `None` while another one holds the state.
    pub(crate) fn with<T>(&mut self, run: impl FnOnce(&mut S) -> T) -> Option<T> {
        match self {
            StateSlot::Owned(state) => Some(run(state)),
            StateSlot::Shared(cell) => {
                let mut state = cell.state.take()?;
                let result = run(&mut state);
                cell.state.set(Some(state));
                Some(result)
            }
        }
    }
}

/// Waits until the state is free.
pub struct AcquireState<S>(Rc<StateCell<S>>);

impl<S> Future for AcquireState<S> {
    type Output = StateGuard<S>;

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<StateGuard<S>> {
        match self.0.state.take() {
            Some(state) => Poll::Ready(StateGuard {
                cell: self.0.clone(),
                state: Some(state),
            }),
            None => {
                self.0.waiter.set(Some(cx.waker().clone()));
                Poll::Pending
            }
        }
    }
}

/// The state in the hands of a hook. It goes back when the hook ends or is cancelled.
pub struct StateGuard<S> {
    cell: Rc<StateCell<S>>,
    /// There until the lease is dropped.
    state: Option<S>,
}

impl<S> Deref for StateGuard<S> {
    type Target = S;
    fn deref(&self) -> &S {
        self.state.as_ref().expect("a lease has its state until it is dropped")
    }
}

impl<S> DerefMut for StateGuard<S> {
    fn deref_mut(&mut self) -> &mut S {
        self.state.as_mut().expect("a lease has its state until it is dropped")
    }
}

impl<S> Drop for StateGuard<S> {
    fn drop(&mut self) {
        self.cell.state.set(self.state.take());
        if let Some(waiter) = self.cell.waiter.take() {
            waiter.wake();
        }
    }
}
