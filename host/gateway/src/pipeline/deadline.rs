//! A route's timeout: the time from a request's head to the last byte of its response.

use std::future::{Future, poll_fn};
use std::pin::{Pin, pin};
use std::rc::Rc;
use std::task::{Context, Poll, ready};
use std::time::{Duration, Instant};

use lockgate_http::problem::Problem;
use tokio::time::Sleep;

use crate::chain::Stop;
use crate::context::timers::{Timer, Timers};

/// Timeouts of this length or more use coarse timers, up to a sweep too late; shorter ones use exact timers.
const COARSE: Duration = Duration::from_secs(4);

/// The time at which an exchange is given up. No timer runs before something has to wait.
pub(crate) struct Deadline(Option<Pending>);

struct Pending {
    at: Instant,
    watch: Watch,
}

enum Watch {
    Coarse(Rc<Timers>, Option<Timer>),
    Exact(Option<Pin<Box<Sleep>>>),
}

impl Deadline {
    /// `timeout` from `started`; never, without one.
    pub(crate) fn new(started: Instant, timeout: Option<Duration>, timers: &Rc<Timers>) -> Self {
        Self(timeout.map(|timeout| Pending {
            at: started + timeout,
            watch: if timeout >= COARSE {
                Watch::Coarse(timers.clone(), None)
            } else {
                Watch::Exact(None)
            },
        }))
    }

    /// One that never passes.
    pub(crate) fn none() -> Self {
        Self(None)
    }

    /// Ready when it has passed; else the task is woken when it has.
    pub(crate) fn poll_passed(&mut self, cx: &mut Context<'_>) -> Poll<()> {
        let Some(Pending { at, watch }) = &mut self.0 else {
            return Poll::Pending;
        };
        match watch {
            Watch::Coarse(timers, _) if timers.now() >= *at => Poll::Ready(()),
            Watch::Coarse(timers, timer) => {
                match timer {
                    Some(timer) => timer.follow(cx.waker()),
                    none => *none = Some(timers.set(*at, cx.waker())),
                }
                Poll::Pending
            }
            Watch::Exact(sleep) => {
                let at = *at;
                ready!(
                    sleep
                        .get_or_insert_with(|| Box::pin(tokio::time::sleep_until(at.into())))
                        .as_mut()
                        .poll(cx)
                );
                Poll::Ready(())
            }
        }
    }

    /// The result of `step`, or a timeout.
    pub(crate) async fn bound<T>(&mut self, step: impl Future<Output = Result<T, Stop>>) -> Result<T, Stop> {
        let mut step = pin!(step);
        poll_fn(|cx| match step.as_mut().poll(cx) {
            Poll::Ready(outcome) => Poll::Ready(outcome),
            Poll::Pending => self
                .poll_passed(cx)
                .map(|()| Err(Stop::Problem(Problem::UpstreamTimeout))),
        })
        .await
    }
}
