//! [`Breaker`]: keeps requests from an upstream that fails, is slow, or has had enough of them.
//!
//! Closed, it lets all pass and counts. Open, it lets none pass. After a while it is half-open: a few probe requests pass, and close it if
//! all of them succeed. It is shared by all workers and outlives reloads; its settings come with each call.

use std::sync::atomic::{AtomicU8, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use crate::policy::window::Window;
use crate::settings::{BreakerMode, BreakerSettings};

/// What a breaker does with requests.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum BreakerState {
    /// All pass.
    Closed,
    /// None passes.
    Open,
    /// A few pass, as probes.
    HalfOpen,
}

impl BreakerState {
    /// Every state, in the order of a breaker's life.
    pub const ALL: [Self; 3] = [Self::Closed, Self::Open, Self::HalfOpen];

    /// Its name in metrics, logs and the admin API.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Closed => "closed",
            Self::Open => "open",
            Self::HalfOpen => "half_open",
        }
    }
}

/// A change of state, and why.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct BreakerChange {
    pub(crate) to: BreakerState,
    pub(crate) why: Arc<str>,
}

/// What a breaker says of a request.
#[derive(Debug)]
pub(crate) struct Admission {
    /// The state that decided.
    pub(crate) state: BreakerState,
    /// Whether the request passes.
    pub(crate) verdict: Result<BreakerTicket, Refused>,
    /// A change that the request has brought about.
    pub(crate) change: Option<BreakerChange>,
}

/// A request that does not pass.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Refused {
    /// The time after which another may pass.
    pub(crate) retry_after: Duration,
    /// Why the breaker has opened.
    pub(crate) why: Arc<str>,
}

/// A request that passes. Its outcome is reported, or that it has none.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[must_use]
pub(crate) struct BreakerTicket {
    generation: u64,
}

/// How a request ended that passed.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Outcome {
    /// No response, or one of a failed server.
    pub(crate) is_failure: bool,
    /// From the request to the headers of the response, or to the failure.
    pub(crate) latency: Duration,
}

/// A circuit breaker.
#[derive(Debug)]
pub(crate) struct Breaker {
    /// What an operator has set: 0 for nothing, else one more than the place in [`BreakerState::ALL`].
    forced: AtomicU8,
    inner: Mutex<Inner>,
}

#[derive(Debug)]
struct Inner {
    state: State,
    /// Counts the changes of state: a request that passed before the last one says nothing about the present.
    generation: u64,
    /// Why it has opened last.
    why: Arc<str>,
    window: Window<Counts>,
}

#[derive(Clone, Copy, Debug)]
enum State {
    Closed,
    Open { until: Instant },
    HalfOpen { probes: u32, succeeded: u32 },
}

#[derive(Clone, Copy, Debug, Default)]
struct Counts {
    calls: u64,
    failed: u64,
    slow: u64,
}

impl std::ops::AddAssign for Counts {
    fn add_assign(&mut self, other: Self) {
        self.calls += other.calls;
        self.failed += other.failed;
        self.slow += other.slow;
    }
}

impl Breaker {
    /// A closed breaker.
    pub(crate) fn new(now: Instant) -> Self {
        Self {
            forced: AtomicU8::new(0),
            inner: Mutex::new(Inner {
                state: State::Closed,
                generation: 0,
                why: "".into(),
                window: Window::new(now),
            }),
        }
    }

    fn inner(&self) -> MutexGuard<'_, Inner> {
        self.inner.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The state that the next request meets.
    pub(crate) fn state(&self, now: Instant) -> BreakerState {
        if let Some(forced) = self.forced() {
            return forced;
        }
        match self.inner().state {
            State::Closed => BreakerState::Closed,
            State::Open { until } if now < until => BreakerState::Open,
            State::Open { .. } | State::HalfOpen { .. } => BreakerState::HalfOpen,
        }
    }

    /// Keeps it open or closed, whatever it counts; `None` lets it decide again.
    pub(crate) fn force(&self, state: Option<BreakerState>) {
        let place = state.and_then(|state| BreakerState::ALL.iter().position(|known| *known == state));
        self.forced
            .store(place.map_or(0, |place| place as u8 + 1), Ordering::Relaxed);
    }

    /// The state that an operator has set.
    pub(crate) fn forced(&self) -> Option<BreakerState> {
        let place = self.forced.load(Ordering::Relaxed).checked_sub(1)?;
        BreakerState::ALL.get(usize::from(place)).copied()
    }

    /// Decides whether a request passes.
    pub(crate) fn admit(&self, settings: &BreakerSettings, now: Instant) -> Admission {
        let mut inner = self.inner();
        match self.forced() {
            Some(BreakerState::Closed) => return inner.passed(BreakerState::Closed, None),
            Some(state) => {
                inner.why = "an operator holds it open".into();
                return inner.refused(state, settings.open.duration(), None);
            }
            None => {}
        }
        let mut change = None;
        if let State::Open { until } = inner.state {
            if now < until {
                return inner.refused(BreakerState::Open, until - now, None);
            }
            inner.enter(State::HalfOpen {
                probes: 0,
                succeeded: 0,
            });
            change = Some(BreakerChange {
                to: BreakerState::HalfOpen,
                why: format!("it was open for {}", settings.open).into(),
            });
        }
        if let State::HalfOpen { probes, succeeded } = inner.state {
            if probes >= settings.half_open.get() {
                // Its probes are under way; the next request may find it closed.
                return inner.refused(BreakerState::HalfOpen, Duration::from_secs(1), change);
            }
            inner.state = State::HalfOpen {
                probes: probes + 1,
                succeeded,
            };
            return inner.passed(BreakerState::HalfOpen, change);
        }
        if settings.mode == BreakerMode::Volume {
            let window = settings.window.duration();
            inner.window.now(window, now).calls += 1;
            let calls = inner.window.sum(window, now).calls;
            if calls as f64 > settings.threshold.number() {
                let why = format!("{calls} calls in {} are over the threshold", settings.window);
                let change = inner.open(settings, why, now);
                return inner.refused(BreakerState::Open, settings.open.duration(), Some(change));
            }
        }
        inner.passed(BreakerState::Closed, change)
    }

    /// Notes how a request ended that passed.
    pub(crate) fn record(
        &self,
        settings: &BreakerSettings,
        ticket: BreakerTicket,
        outcome: Outcome,
        now: Instant,
    ) -> Option<BreakerChange> {
        let is_slow = settings.mode == BreakerMode::Latency && outcome.latency > settings.threshold.duration();
        let mut inner = self.inner();
        if ticket.generation != inner.generation {
            return None;
        }
        match inner.state {
            State::Open { .. } => None,
            State::HalfOpen { probes, succeeded } => {
                let is_bad = match settings.mode {
                    BreakerMode::Volume => false,
                    BreakerMode::ErrorRatio => outcome.is_failure,
                    BreakerMode::Latency => is_slow,
                };
                if is_bad {
                    let what = if is_slow { "was too slow" } else { "failed" };
                    return Some(inner.open(settings, format!("a probe request {what}"), now));
                }
                let succeeded = succeeded + 1;
                inner.state = State::HalfOpen { probes, succeeded };
                (succeeded >= settings.half_open.get()).then(|| {
                    inner.enter(State::Closed);
                    inner.window.clear();
                    BreakerChange {
                        to: BreakerState::Closed,
                        why: format!("{succeeded} probe requests succeeded").into(),
                    }
                })
            }
            State::Closed if settings.mode == BreakerMode::Volume => None,
            State::Closed => {
                let window = settings.window.duration();
                *inner.window.now(window, now) += Counts {
                    calls: 1,
                    failed: u64::from(outcome.is_failure),
                    slow: u64::from(is_slow),
                };
                // Only what counts against it can open it.
                if !outcome.is_failure && !is_slow {
                    return None;
                }
                let sum = inner.window.sum(window, now);
                let why = exceeds(settings, sum)?;
                Some(inner.open(settings, why, now))
            }
        }
    }

    /// Notes that a request has no outcome: its client left, say. A probe is free again.
    pub(crate) fn release(&self, ticket: BreakerTicket) {
        let mut inner = self.inner();
        if let State::HalfOpen { probes, succeeded } = inner.state
            && ticket.generation == inner.generation
        {
            inner.state = State::HalfOpen {
                probes: probes.saturating_sub(1),
                succeeded,
            };
        }
    }
}

impl Inner {
    fn enter(&mut self, state: State) {
        self.state = state;
        self.generation += 1;
    }

    fn open(&mut self, settings: &BreakerSettings, why: String, now: Instant) -> BreakerChange {
        let until = now + settings.open.duration();
        self.enter(State::Open { until });
        self.window.clear();
        self.why = why.into();
        BreakerChange {
            to: BreakerState::Open,
            why: Arc::clone(&self.why),
        }
    }

    fn passed(&self, state: BreakerState, change: Option<BreakerChange>) -> Admission {
        let ticket = BreakerTicket {
            generation: self.generation,
        };
        Admission {
            state,
            verdict: Ok(ticket),
            change,
        }
    }

    fn refused(&self, state: BreakerState, retry_after: Duration, change: Option<BreakerChange>) -> Admission {
        Admission {
            state,
            verdict: Err(Refused {
                retry_after,
                why: Arc::clone(&self.why),
            }),
            change,
        }
    }
}

/// Why these counts open a breaker; `None` if they do not.
fn exceeds(settings: &BreakerSettings, sum: Counts) -> Option<String> {
    if sum.calls < u64::from(settings.min_requests) {
        return None;
    }
    let (bad, limit) = match settings.mode {
        BreakerMode::Volume => return None,
        BreakerMode::ErrorRatio => (sum.failed, settings.threshold.number()),
        BreakerMode::Latency => (sum.slow, settings.slow_ratio.0),
    };
    if (bad as f64) < limit * sum.calls as f64 {
        return None;
    }
    let (calls, window) = (sum.calls, settings.window);
    Some(match settings.mode {
        BreakerMode::Latency => format!(
            "{bad} of {calls} requests in {window} took longer than {}",
            settings.threshold
        ),
        _ => format!("{bad} of {calls} requests in {window} failed"),
    })
}

#[cfg(test)]
mod tests;
