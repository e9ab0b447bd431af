//! [`Single`]: a value that is fetched once for all requests, like a token, a key set or a document.

use std::cell::{Cell, RefCell};
use std::future::poll_fn;
use std::rc::Rc;
use std::task::{Poll, Waker};
use std::time::{Duration, SystemTime};

use crate::error::{Error, Result};
use crate::services::clock::now;

/// A cached value with an expiry, as a field of the plugin: one for each worker. When it is missing or expired, one
/// request fetches it while the others wait. If the fetch fails, all that wait get the error, and the next request
/// fetches again. If the request that fetches ends before, another one takes over. For values by key, and for all
/// workers, see [`Cache`](crate::Cache).
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
    fetch: RefCell<Option<Rc<Fetch<T>>>>,
}

/// A fetch in progress.
#[derive(Debug)]
struct Fetch<T> {
    has_ended: Cell<bool>,
    /// What those get who wait; `None` if it was cancelled.
    outcome: RefCell<Option<Result<T>>>,
    waiters: RefCell<Vec<Waker>>,
}

impl<T> Default for Single<T> {
    fn default() -> Single<T> {
        Single {
            value: RefCell::new(None),
            fetch: RefCell::new(None),
        }
    }
}

impl<T: Clone> Single<T> {
    /// The value; `fetch` fetches it if it is missing or expired, and returns it with its time to live.
    ///
    /// # Errors
    /// Those of `fetch`, also of another request's, and of the host's clock.
    pub async fn get(&self, fetch: impl AsyncFnOnce() -> Result<(T, Duration)>) -> Result<T> {
        let current = loop {
            if let Some(value) = self.cached()? {
                return Ok(value);
            }
            let running = self.fetch.borrow().clone();
            let Some(running) = running else {
                let new = Rc::new(Fetch {
                    has_ended: Cell::new(false),
                    outcome: RefCell::new(None),
                    waiters: RefCell::new(Vec::new()),
                });
                self.fetch.replace(Some(new.clone()));
                break new;
            };
            if let Some(outcome) = running.ended().await {
                return outcome;
            }
        };
        // The guard wakes the waiting requests, also when this future is dropped.
        let _guard = FetchGuard(self, current.clone());
        let fetched = fetch().await;
        let outcome = fetched.and_then(|(value, holds)| {
            let until = now()?.checked_add(holds).unwrap_or(SystemTime::UNIX_EPOCH);
            *self.value.borrow_mut() = Some((value.clone(), until));
            Ok(value)
        });
        current.outcome.replace(Some(outcome.clone()));
        outcome
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
}

impl<T: Clone> Fetch<T> {
    /// Waits for the end, and returns the outcome; `None` if the fetch was cancelled.
    async fn ended(&self) -> Option<Result<T, Error>> {
        poll_fn(|cx| {
            if self.has_ended.get() {
                return Poll::Ready(());
            }
            self.waiters.borrow_mut().push(cx.waker().clone());
            Poll::Pending
        })
        .await;
        self.outcome.borrow().clone()
    }
}

struct FetchGuard<'a, T>(&'a Single<T>, Rc<Fetch<T>>);

impl<T> Drop for FetchGuard<'_, T> {
    fn drop(&mut self) {
        self.0.fetch.take();
        self.1.has_ended.set(true);
        for waiter in self.1.waiters.take() {
            waiter.wake();
        }
    }
}
