//! [`Single`]: a value that is fetched once for all who want it: a token, a key set, a document.

use std::cell::{Cell, RefCell};
use std::future::poll_fn;
use std::task::{Poll, Waker};
use std::time::{Duration, SystemTime};

use crate::error::Result;
use crate::services::clock::now;

/// A value with an end, kept in a plugin. Requests that find it missing or too old wait while one of them fetches it.
/// If that request ends meanwhile, another one takes over; if it fails, each of them is told, and the next tries again.
///
/// ```
/// # use lockgate_sdk::{Upstream, prelude::*};
/// # use lockgate_sdk::single::Single;
/// # use std::time::Duration;
/// # struct Plugin { tokens: Upstream, token: Single<String> }
/// # impl Plugin { async fn hook(&self, request: &mut Request) -> Result<Flow> {
/// let token = self.token.get(async || {
///     let answer = self.tokens.post("/token").await?.successful()?;
///     Ok((answer.text()?.to_owned(), Duration::from_secs(300)))
/// });
/// request.set_header("authorization", format!("Bearer {}", token.await?))?;
/// # Ok(Flow::Continue) } }
/// ```
#[derive(Debug)]
pub struct Single<T> {
    value: RefCell<Option<(T, SystemTime)>>,
    fetching: Cell<bool>,
    waiters: RefCell<Vec<Waker>>,
}

impl<T> Default for Single<T> {
    fn default() -> Single<T> {
        Single {
            value: RefCell::new(None),
            fetching: Cell::new(false),
            waiters: RefCell::new(Vec::new()),
        }
    }
}

impl<T: Clone> Single<T> {
    /// The value, fetched by `fetch` when there is none that still holds. `fetch` yields it with how long it holds.
    ///
    /// # Errors
    /// Those of `fetch`, and of the host's clock.
    pub async fn get(&self, fetch: impl AsyncFnOnce() -> Result<(T, Duration)>) -> Result<T> {
        loop {
            if let Some(value) = self.held()? {
                return Ok(value);
            }
            if !self.fetching.replace(true) {
                break;
            }
            self.wait_for_fetch().await;
        }
        // Those who wait are let go on also when this future is dropped.
        let _fetching = FetchGuard(self);
        let (value, holds) = fetch().await?;
        let until = now()?.checked_add(holds).unwrap_or(SystemTime::UNIX_EPOCH);
        *self.value.borrow_mut() = Some((value.clone(), until));
        Ok(value)
    }

    /// The value that is at hand and still holds.
    pub fn held(&self) -> Result<Option<T>> {
        match &*self.value.borrow() {
            Some((value, until)) if now()? < *until => Ok(Some(value.clone())),
            _ => Ok(None),
        }
    }

    /// Forgets the value: when it was refused, for example.
    pub fn forget(&self) {
        self.value.borrow_mut().take();
    }

    async fn wait_for_fetch(&self) {
        let mut waited = false;
        poll_fn(|cx| {
            if std::mem::replace(&mut waited, true) && !self.fetching.get() {
                return Poll::Ready(());
            }
            self.waiters.borrow_mut().push(cx.waker().clone());
            Poll::Pending
        })
        .await;
    }
}

struct FetchGuard<'a, T>(&'a Single<T>);

impl<T> Drop for FetchGuard<'_, T> {
    fn drop(&mut self) {
        self.0.fetching.set(false);
        for waiter in self.0.waiters.take() {
            waiter.wake();
        }
    }
}
