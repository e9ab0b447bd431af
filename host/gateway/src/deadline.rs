//! The time that a route gives a request, from its head to the last byte of its answer.

use std::future::{Future, poll_fn};
use std::pin::{Pin, pin};
use std::task::{Context, Poll};

use lockgate_units::Period;
use tokio::time::{Instant, Sleep};

use crate::chain::Stop;
use crate::problem::Problem;

/// A moment after which an exchange is given up. No timer runs before something has to wait.
pub(crate) struct Deadline {
    at: Option<Instant>,
    sleep: Option<Pin<Box<Sleep>>>,
}

impl Deadline {
    /// `timeout` from now; never, without one.
    pub(crate) fn new(timeout: Option<Period>) -> Self {
        Self { at: timeout.map(|timeout| Instant::now() + timeout.0), sleep: None }
    }

    /// One that never passes.
    pub(crate) fn none() -> Self {
        Self { at: None, sleep: None }
    }

    /// Ready when it has passed; else the task is woken when it has.
    pub(crate) fn poll_passed(&mut self, cx: &mut Context<'_>) -> Poll<()> {
        let Some(at) = self.at else { return Poll::Pending };
        self.sleep.get_or_insert_with(|| Box::pin(tokio::time::sleep_until(at))).as_mut().poll(cx)
    }

    /// What `step` comes to, or a timeout.
    pub(crate) async fn bound<T>(&mut self, step: impl Future<Output = Result<T, Stop>>) -> Result<T, Stop> {
        let mut step = pin!(step);
        poll_fn(|cx| match step.as_mut().poll(cx) {
            Poll::Ready(outcome) => Poll::Ready(outcome),
            Poll::Pending => self.poll_passed(cx).map(|()| Err(Stop::Problem(Problem::UpstreamTimeout))),
        })
        .await
    }
}
