//! [`Standing`]: how an endpoint is doing, shared by all workers and kept for as long as the endpoint stays in its group.
//!
//! What a pick asks for is one atomic. Reasons and times are behind a lock that only changes and reports take.

use std::sync::atomic::{AtomicU8, AtomicU32, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Instant;

use crate::peak_latency::PeakLatency;
use crate::policy::outlier::OutlierRecord;

/// What health checks say of an endpoint.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Health {
    /// Nothing yet. Such an endpoint takes requests.
    #[default]
    Unknown,
    /// It takes requests.
    Healthy,
    /// It takes no requests while others can.
    Unhealthy,
}

/// The state of an endpoint, as metrics and the admin API name it. The first that applies counts: draining, unhealthy, ejected.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum EndpointState {
    /// It takes requests.
    Healthy,
    /// Health checks failed.
    Unhealthy,
    /// Outlier detection has taken it out for a time.
    Ejected,
    /// An operator lets its requests end; it takes no new ones.
    Draining,
}

impl EndpointState {
    /// All of them.
    pub const ALL: [Self; 4] = [Self::Healthy, Self::Unhealthy, Self::Ejected, Self::Draining];

    /// Its name.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Healthy => "healthy",
            Self::Unhealthy => "unhealthy",
            Self::Ejected => "ejected",
            Self::Draining => "draining",
        }
    }
}

/// Why and until when an endpoint is ejected.
#[derive(Clone, Debug)]
pub struct Ejection {
    /// The time at which it comes back.
    pub until: Instant,
    /// Why, for logs and reports.
    pub why: Arc<str>,
}

/// Bits of [`Standing::flags`].
pub(crate) mod flags {
    pub(crate) const UNHEALTHY: u8 = 1;
    pub(crate) const EJECTED: u8 = 2;
    pub(crate) const DRAINING: u8 = 4;
    /// A health check has succeeded or failed.
    pub(crate) const CHECKED: u8 = 8;
    /// What keeps requests away.
    pub(crate) const UNAVAILABLE: u8 = UNHEALTHY | EJECTED | DRAINING;
}

/// How an endpoint is doing.
#[derive(Debug)]
pub struct Standing {
    flags: AtomicU8,
    ejections: AtomicU32,
    active: AtomicU32,
    requests: AtomicU64,
    failures: AtomicU64,
    /// What outlier detection knows.
    pub(crate) outlier: OutlierRecord,
    latency: PeakLatency,
    details: Mutex<Details>,
}

#[derive(Debug, Default)]
struct Details {
    health: Option<Arc<str>>,
    ejection: Option<Ejection>,
    /// When it began to take requests, for the first time or again.
    available_since: Option<Instant>,
}

impl Standing {
    /// The standing of an endpoint of which nothing is known. `since` is the time at which it was added to a group that serves.
    pub(crate) fn new(since: Option<Instant>) -> Self {
        Self {
            flags: AtomicU8::new(0),
            ejections: AtomicU32::new(0),
            active: AtomicU32::new(0),
            requests: AtomicU64::new(0),
            failures: AtomicU64::new(0),
            outlier: OutlierRecord::default(),
            latency: PeakLatency::default(),
            details: Mutex::new(Details {
                available_since: since,
                ..Details::default()
            }),
        }
    }

    /// What health checks say.
    pub fn health(&self) -> Health {
        match self.flags() & (flags::UNHEALTHY | flags::CHECKED) {
            0 => Health::Unknown,
            flags::CHECKED => Health::Healthy,
            _ => Health::Unhealthy,
        }
    }

    /// Whether new requests may go to it.
    pub fn is_available(&self) -> bool {
        self.flags() & flags::UNAVAILABLE == 0
    }

    /// Its state.
    pub fn state(&self) -> EndpointState {
        let flags = self.flags();
        if flags & flags::DRAINING != 0 {
            EndpointState::Draining
        } else if flags & flags::UNHEALTHY != 0 {
            EndpointState::Unhealthy
        } else if flags & flags::EJECTED != 0 {
            EndpointState::Ejected
        } else {
            EndpointState::Healthy
        }
    }

    /// Why it is in its state; `None` where there is nothing to say.
    pub fn why(&self) -> Option<Arc<str>> {
        match self.state() {
            EndpointState::Healthy | EndpointState::Unhealthy => self.details().health.clone(),
            EndpointState::Ejected => self.details().ejection.as_ref().map(|ejection| ejection.why.clone()),
            EndpointState::Draining => None,
        }
    }

    /// The ejection that it is under.
    pub fn ejection(&self) -> Option<Ejection> {
        self.details().ejection.clone()
    }

    pub(crate) fn ejected_until(&self) -> Option<Instant> {
        match self.flags() & flags::EJECTED {
            0 => None,
            _ => self.details().ejection.as_ref().map(|ejection| ejection.until),
        }
    }

    /// The number of times that it was ejected, as outlier detection counts them: it may lower the number.
    pub fn ejections(&self) -> u32 {
        self.ejections.load(Ordering::Relaxed)
    }

    /// Sets the number of ejections, by which the next one is prolonged.
    pub fn set_ejections(&self, count: u32) {
        self.ejections.store(count, Ordering::Relaxed);
    }

    /// The number of its requests and TCP connections whose response has not ended. Those of an upstream with a single endpoint and without
    /// policies are not counted.
    pub fn active(&self) -> u32 {
        self.active.load(Ordering::Relaxed)
    }

    /// The number of attempts at it that have an outcome; see [`Standing::active`].
    pub fn requests(&self) -> u64 {
        self.requests.load(Ordering::Relaxed)
    }

    /// The number of those that failed: no connection, a reset, or a status from 500 on.
    pub fn failures(&self) -> u64 {
        self.failures.load(Ordering::Relaxed)
    }

    /// When it began to take requests, for the first time or again; `None` if it has been there from the start of its group.
    pub fn available_since(&self) -> Option<Instant> {
        self.details().available_since
    }

    /// The peak of recent latencies; noted where something asks for how long attempts take.
    pub(crate) fn latency(&self) -> &PeakLatency {
        &self.latency
    }

    pub(crate) fn flags(&self) -> u8 {
        self.flags.load(Ordering::Relaxed)
    }

    pub(crate) fn begin(&self) {
        self.active.fetch_add(1, Ordering::Relaxed);
    }

    pub(crate) fn end(&self) {
        self.active.fetch_sub(1, Ordering::Relaxed);
    }

    pub(crate) fn count(&self, failed: bool) {
        self.requests.fetch_add(1, Ordering::Relaxed);
        if failed {
            self.failures.fetch_add(1, Ordering::Relaxed);
        }
    }

    /// Notes what a health check found. True if its state has changed.
    pub(crate) fn set_health(&self, health: Health, why: Option<Arc<str>>, now: Instant) -> bool {
        self.details().health = why;
        match health {
            Health::Unknown => self.change(flags::UNHEALTHY | flags::CHECKED, 0, now),
            Health::Healthy => self.change(flags::UNHEALTHY, flags::CHECKED, now),
            Health::Unhealthy => self.change(0, flags::UNHEALTHY | flags::CHECKED, now),
        }
    }

    /// Begins an ejection, or prolongs one. True if its state has changed.
    pub(crate) fn eject(&self, ejection: Ejection) -> bool {
        let now = ejection.until;
        self.details().ejection = Some(ejection);
        self.change(0, flags::EJECTED, now)
    }

    /// Ends an ejection. True if its state has changed.
    pub(crate) fn readmit(&self, now: Instant) -> bool {
        self.details().ejection = None;
        self.change(flags::EJECTED, 0, now)
    }

    pub(crate) fn set_draining(&self, draining: bool, now: Instant) -> bool {
        match draining {
            true => self.change(0, flags::DRAINING, now),
            false => self.change(flags::DRAINING, 0, now),
        }
    }

    /// True if it may take requests now and could not before, or the other way round.
    fn change(&self, clear: u8, set: u8, now: Instant) -> bool {
        let update = |flags: u8| Some(flags & !clear | set);
        let before = self.flags.fetch_update(Ordering::Relaxed, Ordering::Relaxed, update);
        let before = before.unwrap_or_else(|flags| flags);
        let (before, after) = (
            before & flags::UNAVAILABLE,
            (before & !clear | set) & flags::UNAVAILABLE,
        );
        if before != 0 && after == 0 {
            self.details().available_since = Some(now);
        }
        before != after
    }

    /// A poisoned lock has whole data: nothing panics while it is held.
    fn details(&self) -> MutexGuard<'_, Details> {
        self.details.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
