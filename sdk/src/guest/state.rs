//! The state of one request, lent to the hooks that take it, one at a time.

use std::cell::Cell;
use std::future::Future;
use std::ops::{Deref, DerefMut};
use std::pin::Pin;
use std::rc::Rc;
use std::task::{Context, Poll, Waker};

/// Where the state of a request is. It moves out of its stream when the first waiting hook takes it.
pub(crate) enum Kept<S> {
    Here(S),
    Lent(Rc<Home<S>>),
}

/// Where lent state comes back to.
pub(crate) struct Home<S> {
    state: Cell<Option<S>>,
    waiter: Cell<Option<Waker>>,
}

impl<S: Default> Kept<S> {
    /// Has it lent, to a hook that waits.
    pub(crate) fn lend(&mut self) -> Borrow<S> {
        if let Kept::Here(state) = self {
            let state = Cell::new(Some(std::mem::take(state)));
            let waiter = Cell::new(None);
            *self = Kept::Lent(Rc::new(Home { state, waiter }));
        }
        match self {
            Kept::Lent(home) => Borrow(home.clone()),
            Kept::Here(_) => unreachable!("it has just moved out"),
        }
    }

    /// Runs a hook that does not wait; `None` while another one holds the state.
    pub(crate) fn with<T>(&mut self, run: impl FnOnce(&mut S) -> T) -> Option<T> {
        match self {
            Kept::Here(state) => Some(run(state)),
            Kept::Lent(home) => {
                let mut state = home.state.take()?;
                let result = run(&mut state);
                home.state.set(Some(state));
                Some(result)
            }
        }
    }
}

/// Waits until the state is free.
pub struct Borrow<S>(Rc<Home<S>>);

impl<S> Future for Borrow<S> {
    type Output = Lease<S>;

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Lease<S>> {
        match self.0.state.take() {
            Some(state) => Poll::Ready(Lease {
                home: self.0.clone(),
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
pub struct Lease<S> {
    home: Rc<Home<S>>,
    /// There until the lease is dropped.
    state: Option<S>,
}

impl<S> Deref for Lease<S> {
    type Target = S;
    fn deref(&self) -> &S {
        self.state.as_ref().expect("a lease has its state until it is dropped")
    }
}

impl<S> DerefMut for Lease<S> {
    fn deref_mut(&mut self) -> &mut S {
        self.state.as_mut().expect("a lease has its state until it is dropped")
    }
}

impl<S> Drop for Lease<S> {
    fn drop(&mut self) {
        self.home.state.set(self.state.take());
        if let Some(waiter) = self.home.waiter.take() {
            waiter.wake();
        }
    }
}
