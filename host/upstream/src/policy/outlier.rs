//! [`OutlierDetector`]: ejects endpoints that fail several times in a row, and tries them again later.
//!
//! Counting takes atomic steps on the endpoint alone. Only an ejection, and the end of one, take the group's lock: the share of ejected
//! endpoints must hold whichever worker ejects. An ejection that is over does not bring an endpoint back; one probe request does.

use std::fmt;
use std::sync::atomic::{AtomicU32, AtomicU64, Ordering};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use crate::settings::OutlierSettings;

/// What an attempt at an endpoint came to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Verdict {
    /// A response with this status, whole or still coming.
    Status(u16),
    /// No connection was made.
    ConnectFailure,
    /// No connection, or no response, in time.
    Timeout,
    /// The connection broke.
    Reset,
}

impl fmt::Display for Verdict {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Status(status) => write!(formatter, "status {status}"),
            Self::ConnectFailure => formatter.write_str("connect failure"),
            Self::Timeout => formatter.write_str("timeout"),
            Self::Reset => formatter.write_str("reset"),
        }
    }
}

/// Why an endpoint was ejected.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum EjectionCause {
    /// `consecutive_5xx` was reached.
    Consecutive5xx,
    /// `consecutive_gateway_errors` was reached.
    ConsecutiveGatewayErrors,
    /// `consecutive_local_origin_failures` was reached.
    ConsecutiveLocalOriginFailures,
    /// The probe request failed.
    ProbeFailed,
}

impl EjectionCause {
    /// Every cause.
    pub(crate) const ALL: [Self; 4] = [
        Self::Consecutive5xx,
        Self::ConsecutiveGatewayErrors,
        Self::ConsecutiveLocalOriginFailures,
        Self::ProbeFailed,
    ];

    /// Its name in metrics and logs: the setting's, where there is one.
    pub(crate) const fn as_str(self) -> &'static str {
        match self {
            Self::Consecutive5xx => "consecutive_5xx",
            Self::ConsecutiveGatewayErrors => "consecutive_gateway_errors",
            Self::ConsecutiveLocalOriginFailures => "consecutive_local_origin_failures",
            Self::ProbeFailed => "probe_failed",
        }
    }
}

/// A change of an endpoint's standing.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum EndpointChange {
    /// It gets no requests for this time; for the n-th time in a row.
    Ejected {
        cause: EjectionCause,
        time: Duration,
        times: u32,
    },
    /// It gets requests again.
    Returned,
}

/// What is known of one endpoint. It lives as long as the endpoint is in its group.
#[derive(Debug, Default)]
pub(crate) struct OutlierRecord {
    failures_5xx: AtomicU32,
    failures_gateway: AtomicU32,
    failures_local: AtomicU32,
    ejection: Mutex<Ejection>,
}

#[derive(Clone, Copy, Debug, Default)]
struct Ejection {
    state: State,
    /// Ejections in a row.
    times: u32,
    /// The end of the last ejection.
    returned: Option<Instant>,
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
enum State {
    #[default]
    In,
    Ejected {
        until: Instant,
    },
    /// A request is trying it, or was meant to: one whose response takes longer than an interval is not waited for.
    Probing {
        since: Instant,
    },
}

impl OutlierRecord {
    fn ejection(&self) -> MutexGuard<'_, Ejection> {
        self.ejection.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Whether it gets no requests but a probe.
    pub(crate) fn is_ejected(&self) -> bool {
        self.ejection().state != State::In
    }

    fn reset(&self) {
        for count in [&self.failures_5xx, &self.failures_gateway, &self.failures_local] {
            // Written only if there is something to forget: the endpoint's other readers keep their cache lines.
            if count.load(Ordering::Relaxed) != 0 {
                count.store(0, Ordering::Relaxed);
            }
        }
    }

    /// Counts what an attempt came to; the cause of an ejection, if that is one failure too many.
    pub(crate) fn count(&self, settings: &OutlierSettings, verdict: Verdict) -> Option<EjectionCause> {
        let is_over = |count: &AtomicU32, limit: u32| {
            let failures = count.fetch_add(1, Ordering::Relaxed).saturating_add(1);
            limit > 0 && failures >= limit
        };
        let status = match verdict {
            Verdict::Status(status) => status,
            _ if settings.consecutive_local_origin_failures > 0 => {
                return is_over(&self.failures_local, settings.consecutive_local_origin_failures)
                    .then_some(EjectionCause::ConsecutiveLocalOriginFailures);
            }
            _ => 503,
        };
        if status < 500 {
            self.reset();
            return None;
        }
        self.failures_local.store(0, Ordering::Relaxed);
        let is_gateway_error = (502..=504).contains(&status);
        if !is_gateway_error {
            self.failures_gateway.store(0, Ordering::Relaxed);
        }
        let gateway = is_gateway_error && is_over(&self.failures_gateway, settings.consecutive_gateway_errors);
        let server = is_over(&self.failures_5xx, settings.consecutive_5xx);
        match (server, gateway) {
            (true, _) => Some(EjectionCause::Consecutive5xx),
            (_, true) => Some(EjectionCause::ConsecutiveGatewayErrors),
            _ => None,
        }
    }
}

/// The outlier detection of a group.
#[derive(Debug)]
pub(crate) struct OutlierDetector {
    epoch: Instant,
    /// When the first ejection is over, in nanoseconds since the epoch: what every pick looks at.
    next_probe: AtomicU64,
    /// Taken for whatever changes the number of ejected endpoints.
    changes: Mutex<()>,
}

impl OutlierDetector {
    /// Without an ejected endpoint.
    pub(crate) fn new(now: Instant) -> Self {
        Self {
            epoch: now,
            next_probe: AtomicU64::new(u64::MAX),
            changes: Mutex::new(()),
        }
    }

    fn nanos(&self, at: Instant) -> u64 {
        let since = at.saturating_duration_since(self.epoch).as_nanos();
        u64::try_from(since).unwrap_or(u64::MAX - 1)
    }

    fn changes(&self) -> MutexGuard<'_, ()> {
        self.changes.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Whether an ejection is over, so that [`OutlierDetector::probe`] may find an endpoint.
    pub(crate) fn is_probe_due(&self, now: Instant) -> bool {
        let next = self.next_probe.load(Ordering::Relaxed);
        next != u64::MAX && self.nanos(now) >= next
    }

    /// The place of the endpoint that a request has to try, if there is one; nobody else tries it meanwhile. A request that cannot be
    /// repeated leaves it to others for an `interval`.
    pub(crate) fn probe<'a>(
        &self,
        settings: &OutlierSettings,
        records: impl Iterator<Item = &'a OutlierRecord> + Clone,
        is_repeatable: bool,
        now: Instant,
    ) -> Option<usize> {
        let _changes = self.changes();
        let delay = if is_repeatable {
            Duration::ZERO
        } else {
            settings.interval.duration()
        };
        let found = records.clone().position(|record| {
            let mut ejection = record.ejection();
            let is_due = match ejection.state {
                State::In => false,
                State::Ejected { until } => now >= until + delay,
                State::Probing { since } => now >= since + settings.interval.duration() + delay,
            };
            if is_due {
                ejection.state = State::Probing { since: now };
            }
            is_due
        });
        self.set_next_probe(settings, records);
        found
    }

    fn set_next_probe<'a>(&self, settings: &OutlierSettings, records: impl Iterator<Item = &'a OutlierRecord>) {
        let ends = records.filter_map(|record| match record.ejection().state {
            State::Ejected { until } => Some(self.nanos(until)),
            State::Probing { since } => Some(self.nanos(since + settings.interval.duration())),
            State::In => None,
        });
        self.next_probe.store(ends.min().unwrap_or(u64::MAX), Ordering::Relaxed);
    }

    /// Ejects the endpoint of `record`, which is one of `records`, if as many may be ejected.
    pub(crate) fn eject<'a>(
        &self,
        settings: &OutlierSettings,
        record: &OutlierRecord,
        records: impl Iterator<Item = &'a OutlierRecord> + Clone,
        cause: EjectionCause,
        now: Instant,
    ) -> Option<EndpointChange> {
        let _changes = self.changes();
        let mut ejection = record.ejection();
        if ejection.state != State::In {
            // Sent before the ejection.
            return None;
        }
        drop(ejection);
        let ejected = records.clone().filter(|record| record.is_ejected()).count();
        if ejected >= max_ejected(records.clone().count(), settings.max_ejection_percent) {
            return None;
        }
        ejection = record.ejection();
        let forgiven = ejection
            .returned
            .map_or(0, |returned| intervals(settings, now - returned));
        ejection.times = ejection.times.saturating_sub(forgiven) + 1;
        let change = ejection.begin(settings, cause, now);
        drop(ejection);
        record.reset();
        self.set_next_probe(settings, records);
        Some(change)
    }

    /// Notes what the probe of an endpoint came to; `None` if nothing: its client left, say.
    pub(crate) fn probed<'a>(
        &self,
        settings: &OutlierSettings,
        record: &OutlierRecord,
        records: impl Iterator<Item = &'a OutlierRecord>,
        verdict: Option<Verdict>,
        now: Instant,
    ) -> Option<EndpointChange> {
        let _changes = self.changes();
        let mut ejection = record.ejection();
        if !matches!(ejection.state, State::Probing { .. }) {
            return None;
        }
        let change = match verdict {
            None => {
                ejection.state = State::Ejected { until: now };
                None
            }
            Some(verdict) if is_failure(settings, verdict) => {
                ejection.times = ejection.times.saturating_add(1);
                Some(ejection.begin(settings, EjectionCause::ProbeFailed, now))
            }
            Some(_) => {
                ejection.state = State::In;
                ejection.returned = Some(now);
                Some(EndpointChange::Returned)
            }
        };
        drop(ejection);
        record.reset();
        self.set_next_probe(settings, records);
        change
    }

    /// Ends every ejection, as when outlier detection is switched off.
    pub(crate) fn clear<'a>(&self, records: impl Iterator<Item = &'a OutlierRecord>) {
        if self.next_probe.load(Ordering::Relaxed) == u64::MAX {
            return;
        }
        let _changes = self.changes();
        for record in records {
            *record.ejection() = Ejection::default();
            record.reset();
        }
        self.next_probe.store(u64::MAX, Ordering::Relaxed);
    }
}

impl Ejection {
    fn begin(&mut self, settings: &OutlierSettings, cause: EjectionCause, now: Instant) -> EndpointChange {
        let base = settings.base_ejection_time.duration();
        let max = settings.max_ejection_time.duration().max(base);
        let time = base.saturating_mul(self.times).min(max);
        self.state = State::Ejected { until: now + time };
        EndpointChange::Ejected {
            cause,
            time,
            times: self.times,
        }
    }
}

/// The number of intervals in this time.
fn intervals(settings: &OutlierSettings, time: Duration) -> u32 {
    let interval = settings.interval.duration().as_nanos().max(1);
    u32::try_from(time.as_nanos() / interval).unwrap_or(u32::MAX)
}

/// Whether an endpoint that was tried has failed.
pub(crate) fn is_failure(settings: &OutlierSettings, verdict: Verdict) -> bool {
    match verdict {
        Verdict::Status(status) if settings.consecutive_5xx > 0 => status >= 500,
        Verdict::Status(status) => settings.consecutive_gateway_errors > 0 && (502..=504).contains(&status),
        Verdict::ConnectFailure | Verdict::Timeout | Verdict::Reset => true,
    }
}

/// Maximum number of endpoints that are ejected at a time, of this many.
fn max_ejected(endpoints: usize, percent: u8) -> usize {
    match percent {
        0 => 0,
        100.. => endpoints,
        _ => (endpoints * usize::from(percent) / 100)
            .max(1)
            .min(endpoints.saturating_sub(1)),
    }
}

#[cfg(test)]
mod tests;
