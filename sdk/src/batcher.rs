//! [`Batcher`]: records that are collected and sent together.

use std::cell::{Cell, RefCell};
use std::collections::VecDeque;
use std::future::{Future, poll_fn};
use std::pin::Pin;
use std::rc::Rc;
use std::task::{Poll, Waker};
use std::time::Duration;

use crate::error::{Error, Result};
use crate::futures::timer::{sleep, timeout};
use crate::guest::task::spawn;

/// Batches of which the records are kept while none can be sent.
const MAX_BATCHES: usize = 100;
/// Tries of [`Batcher::flush`] for one batch.
const FLUSH_TRIES: u32 = 3;

/// Collects records of requests, like audit records, and sends them in batches: when `size` have come together, and
/// otherwise when `every` has passed since the first.
///
/// A batch that could not be sent is tried again with the next one. At most 100 batches wait; then [`Batcher::push`] is
/// [`Error::Full`]. Records are kept by the VM of one worker. So that none is lost at a reload or at the end of the
/// gateway, `on_done` flushes:
///
/// ```
/// # use lockgate_sdk::prelude::*;
/// struct Audit { records: Batcher<String> }
///
/// #[plugin]
/// impl Plugin for Audit {
///     fn new(_: NoConfig) -> Result<Self, ConfigError> {
///         let sink = Upstream::new("audit");
///         let send = async move |records: &[String]| {
///             sink.post("/records").json(records).await?.successful()?;
///             Ok(())
///         };
///         Ok(Audit { records: Batcher::new(50, Duration::from_secs(5), send) })
///     }
///
///     fn on_log(&self, request: &Request) -> Result<()> {
///         self.records.push(request.path()?)
///     }
///
///     async fn on_done(&self) -> Result<()> {
///         self.records.flush().await
///     }
/// }
/// # fn main() {}
/// ```
///
/// A VM that traps loses its records.
pub struct Batcher<T>(Rc<Shared<T>>);

struct Shared<T> {
    records: RefCell<VecDeque<T>>,
    send: Box<dyn Sender<T>>,
    size: usize,
    every: Duration,
    /// Whether the task that sends is running.
    is_running: Cell<bool>,
    /// Whether a batch is being sent.
    is_sending: Cell<bool>,
    waiters: RefCell<Vec<Waker>>,
}

/// A function that sends records, as an object.
trait Sender<T> {
    fn send<'a>(&'a self, records: &'a [T]) -> Pin<Box<dyn Future<Output = Result<()>> + 'a>>;
}

impl<T, F: AsyncFn(&[T]) -> Result<()>> Sender<T> for F {
    fn send<'a>(&'a self, records: &'a [T]) -> Pin<Box<dyn Future<Output = Result<()>> + 'a>> {
        Box::pin(self(records))
    }
}

impl<T: 'static> Batcher<T> {
    /// A batcher for batches of `size` records at most.
    pub fn new(size: usize, every: Duration, send: impl AsyncFn(&[T]) -> Result<()> + 'static) -> Batcher<T> {
        Batcher(Rc::new(Shared {
            records: RefCell::default(),
            send: Box::new(send),
            size: size.max(1),
            every,
            is_running: Cell::new(false),
            is_sending: Cell::new(false),
            waiters: RefCell::default(),
        }))
    }

    /// Adds a record. It is sent in the background.
    ///
    /// # Errors
    /// [`Error::Full`] if 100 batches wait already; the record is dropped.
    pub fn push(&self, record: T) -> Result<()> {
        let length = self.0.records.borrow().len();
        if length >= self.0.size * MAX_BATCHES {
            return Err(Error::Full("the batcher"));
        }
        self.0.records.borrow_mut().push_back(record);
        if !self.0.is_running.replace(true) {
            spawn(run(self.0.clone()));
        } else if length + 1 >= self.0.size {
            self.0.wake();
        }
        Ok(())
    }

    /// Sends all records, each batch up to three times.
    ///
    /// # Errors
    /// Those of the last try; the records stay.
    pub async fn flush(&self) -> Result<()> {
        let mut failures = 0;
        while !self.is_empty() || self.0.is_sending.get() {
            match self.0.send_batch().await {
                Ok(()) => failures = 0,
                Err(error) => {
                    failures += 1;
                    if failures == FLUSH_TRIES {
                        return Err(error);
                    }
                    sleep(self.0.every.min(Duration::from_secs(1))).await?;
                }
            }
        }
        Ok(())
    }

    /// The number of records that wait.
    pub fn len(&self) -> usize {
        self.0.records.borrow().len()
    }

    /// Whether no record waits.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }
}

impl<T> Shared<T> {
    /// Sends the next batch. Its records stay until they are sent. One batch is sent at a time.
    async fn send_batch(&self) -> Result<()> {
        while self.is_sending.get() {
            self.woken().await;
        }
        let length = self.records.borrow().len().min(self.size);
        if length == 0 {
            return Ok(());
        }
        let batch: Vec<T> = self.records.borrow_mut().drain(..length).collect();
        let mut batch = InFlight { shared: self, batch };
        self.is_sending.set(true);
        self.send.send(&batch.batch).await?;
        batch.batch.clear();
        Ok(())
    }

    fn wake(&self) {
        self.waiters.take().into_iter().for_each(Waker::wake);
    }

    /// Waits for the next [`wake`](Self::wake).
    async fn woken(&self) {
        let mut waited = false;
        poll_fn(|cx| {
            if std::mem::replace(&mut waited, true) {
                return Poll::Ready(());
            }
            self.waiters.borrow_mut().push(cx.waker().clone());
            Poll::Pending
        })
        .await;
    }
}

/// A batch that is being sent. Dropped with records, it puts them back: the send has failed, or was cancelled.
struct InFlight<'a, T> {
    shared: &'a Shared<T>,
    batch: Vec<T>,
}

impl<T> Drop for InFlight<'_, T> {
    fn drop(&mut self) {
        let mut records = self.shared.records.borrow_mut();
        for record in self.batch.drain(..).rev() {
            records.push_front(record);
        }
        drop(records);
        self.shared.is_sending.set(false);
        self.shared.wake();
    }
}

/// Sends until no record waits.
async fn run<T>(shared: Rc<Shared<T>>) {
    let _running = Running(&shared);
    let mut has_failed = false;
    while !shared.records.borrow().is_empty() {
        // After a failure, a full batch waits as well.
        let is_full = || shared.records.borrow().len() >= shared.size && !has_failed;
        let full = async {
            while !is_full() {
                shared.woken().await;
            }
        };
        if let Err(error) = timeout(shared.every, full).await {
            log::error!("a batch waits for the next record: {error}");
            return;
        }
        has_failed = match shared.send_batch().await {
            Ok(()) => false,
            Err(error) => {
                log::warn!("a batch was not sent and is tried again: {error}");
                true
            }
        };
    }
}

struct Running<'a, T>(&'a Shared<T>);

impl<T> Drop for Running<'_, T> {
    fn drop(&mut self) {
        self.0.is_running.set(false);
    }
}
