//! [`Single`]: a value that is fetched once for all requests, like a token, a key set or a document.

use std::cell::{Cell, RefCell};
use std::future::poll_fn;
use std::task::{Poll, Waker};
use std::time::{Duration, SystemTime};

use crate::error::Result;
use crate::services::clock::now;

/// A cached value with an expiry, as a field of the plugin. When it is missing or expired, one request fetches it while
/// the others wait. If that request ends before, another one takes over. If the fetch fails, that request gets the
/// error and the next one fetches again.
///
/// ```
/// # use lockgate_sdk::{Upstream, prelude::*};
/// # use lockgate_sdk::single::Single;
/// # use std::time::Duration;
/// # struct Plugin { tokens: Upstream, token: Single<String> }
/// # impl Plugin { async fn hook(&self, request: &mut Request) -> Result<Flow> {
/// let token = self.token.get(async || {
///     let response = self.tokens.post("/token").await?.successful()?;
///     Ok((response.text()?.to_owned(), Duration::from_secs(300)))
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
    /// The value; `fetch` fetches it if it is missing or expired, and returns it with its time to live.
    ///
    /// # Errors
    /// Those of `fetch`, and of the host's clock.
    pub async fn get(&self, fetch: impl AsyncFnOnce() -> Result<(T, Duration)>) -> Result<T> {
        loop {
            if let Some(value) = self.cached()? {
                return Ok(value);
            }
            if !self.fetching.replace(true) {
                break;
            }
            self.wait_for_fetch().await;
        }
        // The guard wakes the waiting requests, also when this future is dropped.
        let _fetching = FetchGuard(self);
        let (value, holds) = fetch().await?;
        let until = now()?.checked_add(holds).unwrap_or(SystemTime::UNIX_EPOCH);
        *self.value.borrow_mut() = Some((value.clone(), until));
        Ok(value)
    }

    /// The cached value; `None` if it is missing or expired. It is not fetched.
    ///
    /// # Errors
    /// Those of the host's clock.
    pub fn cached(&self) -> Result<Option<T>> {
        match &*self.value.borrow() {
            Some((value, until)) if now()? < *until => Ok(Some(value.clone())),
            _ => Ok(None),
        }
    }

    /// Removes the cached value, for example when an upstream has refused it.
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
