//! The time that an exchange may take: in all, if its route says so, and without a byte in either direction.

use std::future::{Future, poll_fn};
use std::pin::{Pin, pin};
use std::rc::Rc;
use std::task::{Context, Poll, ready};
use std::time::{Duration, Instant};

use lockgate_exchange::clock;
use lockgate_http::problem::{Problem, Timeout};
use tokio::time::Sleep;

use crate::body::source::ByteCounter;
use crate::chain::Stop;
use crate::context::idle_monitor::SWEEP;
use crate::context::timers::{Timer, Timers};

/// Timeouts of this length or more use coarse timers, up to a sweep too late; shorter ones use exact timers.
const COARSE: Duration = Duration::from_secs(4);

/// The time at which an exchange is given up. No timer runs before something has to wait.
pub(crate) struct Deadline {
    /// The end of all of it.
    total: Option<Instant>,
    silence: Silence,
    is_answered: bool,
    received: ByteCounter,
    timers: Rc<Timers>,
    armed: Option<Armed>,
}

/// How long an exchange may wait without a byte, in milliseconds. Zero: without a limit.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Silence {
    client: u32,
    first_byte: u32,
    idle: u32,
}

/// Why an exchange is given up.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Overdue {
    /// It has taken longer than its route allows.
    Total,
    /// Nothing has moved for too long.
    Silence,
}

struct Armed {
    at: Instant,
    why: Overdue,
    seen: Progress,
    watch: Option<Watch>,
}

/// What an exchange had come to at the last look.
#[derive(Clone, Copy, PartialEq, Eq)]
struct Progress {
    bytes: u64,
    waits_for_client: bool,
}

enum Watch {
    Coarse(Instant, Timer),
    Exact(Instant, Pin<Box<Sleep>>),
}

impl Silence {
    /// The longest wait for a client's body, for a response, and within a response. Zero: without a limit.
    pub(crate) fn new(client: Duration, first_byte: Duration, idle: Duration) -> Self {
        let millis = |limit: Duration| {
            let millis = limit
                .as_secs()
                .saturating_mul(1000)
                .saturating_add(limit.subsec_millis().into());
            u32::try_from(millis).unwrap_or(u32::MAX)
        };
        Self {
            client: millis(client),
            first_byte: millis(first_byte),
            idle: millis(idle),
        }
    }

    fn limit(self, is_answered: bool, waits_for_client: bool) -> Option<Duration> {
        let limit = match (is_answered, waits_for_client) {
            // Both sides may rest while a response is open, as in a dialogue.
            (true, _) => self.idle,
            (false, true) => self.client,
            (false, false) => self.first_byte,
        };
        (limit > 0).then(|| Duration::from_millis(limit.into()))
    }
}

impl Deadline {
    /// For an exchange that ends at `total`, if that is given, and whose client's body is counted by `received`.
    pub(crate) fn new(total: Option<Instant>, silence: Silence, received: ByteCounter, timers: &Rc<Timers>) -> Self {
        Self {
            total,
            silence,
            is_answered: false,
            received,
            timers: timers.clone(),
            armed: None,
        }
    }

    /// The end of the whole exchange.
    pub(crate) fn total(&self) -> Option<Instant> {
        self.total
    }

    /// Another end of the whole exchange.
    pub(crate) fn set_total(&mut self, total: Option<Instant>) {
        (self.total, self.armed) = (total, None);
    }

    /// Other limits from now on.
    pub(crate) fn set_silence(&mut self, silence: Silence) {
        (self.silence, self.armed) = (silence, None);
    }

    /// The response has come.
    pub(crate) fn answered(&mut self) {
        (self.is_answered, self.armed) = (true, None);
    }

    /// Ready when it has passed; else the task is woken when it has. `sent` counts the bytes that the client was sent.
    pub(crate) fn poll_passed(&mut self, cx: &mut Context<'_>, sent: u64) -> Poll<Overdue> {
        let seen = Progress {
            bytes: self.received.bytes() + sent,
            waits_for_client: self.received.waits_for_client(),
        };
        if self.armed.as_ref().is_none_or(|armed| armed.seen != seen) {
            self.arm(seen);
        }
        let Some(armed) = &mut self.armed else {
            return Poll::Pending;
        };
        loop {
            let watch = armed
                .watch
                .get_or_insert_with(|| Watch::set(armed.at, &self.timers, cx));
            ready!(watch.poll(&self.timers, cx));
            // Set when less had moved, it may be early.
            if watch.at() >= armed.at {
                return Poll::Ready(armed.why);
            }
            armed.watch = None;
        }
    }

    /// Notes what is seen, and when it is over unless more moves. A watch that is set already may only be early.
    fn arm(&mut self, seen: Progress) {
        let silent = self
            .silence
            .limit(self.is_answered, seen.waits_for_client)
            .map(|limit| {
                let now = match limit >= COARSE {
                    true => self.timers.now() + SWEEP,
                    false => clock::now(),
                };
                (now + limit, Overdue::Silence)
            });
        let total = self.total.map(|at| (at, Overdue::Total));
        let first = match (silent, total) {
            (Some(silent), Some(total)) if total.0 < silent.0 => Some(total),
            (Some(silent), _) => Some(silent),
            (None, total) => total,
        };
        let watch = self.armed.take().and_then(|armed| armed.watch);
        self.armed = first.map(|(at, why)| Armed {
            at,
            why,
            seen,
            watch: watch.filter(|watch| watch.at() <= at),
        });
    }

    /// The problem that an exchange without a response is to its client, when it is given up.
    pub(crate) fn problem(&self, overdue: Overdue) -> Problem {
        match (self.received.waits_for_client(), overdue) {
            (true, _) => Problem::RequestTimeout,
            (false, Overdue::Total) => Problem::UpstreamTimeout(Timeout::Route),
            (false, Overdue::Silence) => Problem::UpstreamTimeout(Timeout::FirstByte),
        }
    }

    /// The result of `step`, or a timeout.
    pub(crate) async fn bound<T>(&mut self, step: impl Future<Output = Result<T, Stop>>) -> Result<T, Stop> {
        let mut step = pin!(step);
        poll_fn(|cx| match step.as_mut().poll(cx) {
            Poll::Ready(outcome) => Poll::Ready(outcome),
            Poll::Pending => self
                .poll_passed(cx, 0)
                .map(|overdue| Err(Stop::Problem(self.problem(overdue)))),
        })
        .await
    }
}

impl Watch {
    fn set(at: Instant, timers: &Rc<Timers>, cx: &Context<'_>) -> Self {
        if at.saturating_duration_since(timers.now()) >= COARSE {
            Self::Coarse(at, timers.set(at, cx.waker()))
        } else {
            Self::Exact(at, Box::pin(tokio::time::sleep_until(at.into())))
        }
    }

    fn at(&self) -> Instant {
        let (Self::Coarse(at, _) | Self::Exact(at, _)) = self;
        *at
    }

    fn poll(&mut self, timers: &Timers, cx: &mut Context<'_>) -> Poll<()> {
        match self {
            Self::Coarse(at, _) if timers.now() >= *at => Poll::Ready(()),
            Self::Coarse(_, timer) => {
                timer.follow(cx.waker());
                Poll::Pending
            }
            Self::Exact(_, sleep) => sleep.as_mut().poll(cx),
        }
    }
}

impl Overdue {
    /// The value of the access log's field `abort_reason`.
    pub(crate) fn abort_reason(self) -> &'static str {
        match self {
            Self::Total => "route_timeout",
            Self::Silence => "idle_timeout",
        }
    }
}
