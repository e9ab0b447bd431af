//! The state of one request, for one hook at a time.

use std::cell::Cell;
use std::future::Future;
use std::ops::{Deref, DerefMut};
use std::pin::Pin;
use std::rc::Rc;
use std::task::{Context, Poll, Waker};

/// The place of a request's state. It moves out of the stream when the first hook that waits acquires it.
pub(crate) enum StateSlot<S> {
    Owned(S),
    Shared(Rc<StateCell<S>>),
}

/// The shared place of a state, empty while a hook has it.
pub(crate) struct StateCell<S> {
    state: Cell<Option<S>>,
    waiter: Cell<Option<Waker>>,
}

impl<S: Default> StateSlot<S> {
    /// A future that acquires the state, for a hook that waits.
    pub(crate) fn acquire(&mut self) -> AcquireState<S> {
        let cell = match self {
            StateSlot::Shared(cell) => cell.clone(),
            StateSlot::Owned(state) => {
                let cell = Rc::new(StateCell {
                    state: Cell::new(Some(std::mem::take(state))),
                    waiter: Cell::new(None),
                });
                *self = StateSlot::Shared(cell.clone());
                cell
            }
        };
        AcquireState(cell)
    }

    /// Runs a hook that does not wait. `None` while another hook has the state.
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

/// The future of [`StateSlot::acquire`]: it waits until the state is free.
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

/// The state while a hook has it. It is returned when the hook ends or is cancelled.
pub struct StateGuard<S> {
    cell: Rc<StateCell<S>>,
    /// `Some` until the guard is dropped.
    state: Option<S>,
}

impl<S> Deref for StateGuard<S> {
    type Target = S;
    fn deref(&self) -> &S {
        self.state.as_ref().expect("a guard has its state until it is dropped")
    }
}

impl<S> DerefMut for StateGuard<S> {
    fn deref_mut(&mut self) -> &mut S {
        self.state.as_mut().expect("a guard has its state until it is dropped")
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
