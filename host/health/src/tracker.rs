//! [`Tracker`]: what the results of an endpoint's probes mean. Pure: no clock, no sockets.

use std::num::NonZeroU32;

use lockgate_upstream::Health;

/// Number of probes in a row that change an endpoint's health.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Thresholds {
    /// Passed ones, of an unhealthy endpoint.
    pub healthy: NonZeroU32,
    /// Failed ones, of a healthy endpoint.
    pub unhealthy: NonZeroU32,
}

/// An endpoint's health, and how many probes in a row speak against it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Tracker {
    health: Health,
    contrary: u32,
}

impl Tracker {
    /// An endpoint of this health, before any further probe.
    pub fn new(health: Health) -> Self {
        Self { health, contrary: 0 }
    }

    /// What is known of the endpoint.
    pub fn health(&self) -> Health {
        self.health
    }

    /// The number of probes in a row that speak against its health.
    pub fn contrary(&self) -> u32 {
        self.contrary
    }

    /// Counts the result of a probe; gives the new health if it changes. The first probe decides alone.
    pub fn record(&mut self, has_passed: bool, thresholds: Thresholds) -> Option<Health> {
        let found = if has_passed { Health::Healthy } else { Health::Unhealthy };
        if found == self.health {
            self.contrary = 0;
            return None;
        }
        self.contrary = self.contrary.saturating_add(1);
        let needed = match self.health {
            Health::Unknown => 1,
            Health::Healthy => thresholds.unhealthy.get(),
            Health::Unhealthy => thresholds.healthy.get(),
        };
        if self.contrary < needed {
            return None;
        }
        *self = Self::new(found);
        Some(found)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const THRESHOLDS: Thresholds = Thresholds {
        healthy: NonZeroU32::new(2).unwrap(),
        unhealthy: NonZeroU32::new(3).unwrap(),
    };

    /// The health after each result: `+` passed, `-` failed.
    fn run(start: Health, results: &str) -> Vec<Health> {
        let mut tracker = Tracker::new(start);
        let after = results.chars().map(|result| {
            let changed = tracker.record(result == '+', THRESHOLDS);
            assert!(changed.is_none_or(|health| health == tracker.health()));
            tracker.health()
        });
        after.collect()
    }

    #[test]
    fn the_first_probe_decides_alone() {
        assert_eq!(run(Health::Unknown, "+"), [Health::Healthy]);
        assert_eq!(run(Health::Unknown, "-"), [Health::Unhealthy]);
    }

    #[test]
    fn only_failures_in_a_row_make_an_endpoint_unhealthy() {
        assert_eq!(run(Health::Healthy, "--+--+--"), [Health::Healthy; 8]);
        assert_eq!(run(Health::Healthy, "+---").last(), Some(&Health::Unhealthy));
    }

    #[test]
    fn only_successes_in_a_row_make_it_healthy_again() {
        assert_eq!(run(Health::Unhealthy, "+-+-+-"), [Health::Unhealthy; 6]);
        assert_eq!(run(Health::Unhealthy, "-++").last(), Some(&Health::Healthy));
    }

    #[test]
    fn a_change_is_reported_once() {
        let mut tracker = Tracker::new(Health::Healthy);
        let changes = (0..6).filter_map(|_| tracker.record(false, THRESHOLDS));
        assert_eq!(changes.collect::<Vec<_>>(), [Health::Unhealthy]);
    }
}
