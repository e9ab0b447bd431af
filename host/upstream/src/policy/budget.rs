//! [`RetryBudget`]: how many retries an upstream's requests may cause, so that retries do not become a load of their own.
//!
//! As in Gateway API's GEP-3388: retries may be a share of the requests in a window. A minimum per second is always allowed, for upstreams
//! with few requests. It is shared by all workers.

use std::ops::AddAssign;
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

use crate::policy::window::Window;
use crate::settings::BudgetSettings;

const SECOND: Duration = Duration::from_secs(1);

/// The budget of an upstream.
#[derive(Debug)]
pub(crate) struct RetryBudget(Mutex<Inner>);

#[derive(Debug)]
struct Inner {
    window: Window<Counts>,
    /// Retries of the last second.
    second: Window<u64>,
}

#[derive(Clone, Copy, Debug, Default)]
struct Counts {
    requests: u64,
    retries: u64,
}

impl AddAssign for Counts {
    fn add_assign(&mut self, other: Self) {
        self.requests += other.requests;
        self.retries += other.retries;
    }
}

impl RetryBudget {
    /// A budget of which nothing is spent.
    pub(crate) fn new(now: Instant) -> Self {
        Self(Mutex::new(Inner {
            window: Window::new(now),
            second: Window::new(now),
        }))
    }

    /// Counts a request.
    pub(crate) fn request(&self, settings: &BudgetSettings, now: Instant) {
        let mut inner = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        inner.window.now(settings.window.duration(), now).requests += 1;
    }

    /// Whether there may be a retry now, which is then counted.
    pub(crate) fn take(&self, settings: &BudgetSettings, now: Instant) -> bool {
        let window = settings.window.duration();
        let mut inner = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let sum = inner.window.sum(window, now);
        let is_within_share = (sum.retries + 1) * 100 <= sum.requests * u64::from(settings.percent);
        let is_within_minimum = inner.second.sum(SECOND, now) < u64::from(settings.min_per_second);
        if !is_within_share && !is_within_minimum {
            return false;
        }
        inner.window.now(window, now).retries += 1;
        *inner.second.now(SECOND, now) += 1;
        true
    }
}

#[cfg(test)]
mod tests {
    use lockgate_units::Period;

    use super::*;

    fn settings(percent: u8, min_per_second: u32) -> BudgetSettings {
        BudgetSettings {
            percent,
            window: Period::seconds(10),
            min_per_second,
        }
    }

    /// The retries that are allowed of as many as are asked for, with this many requests a second, in so many seconds.
    fn retries(settings: &BudgetSettings, per_second: u32, seconds: u32) -> u32 {
        let start = Instant::now();
        let budget = RetryBudget::new(start);
        let mut allowed = 0;
        for request in 0..per_second * seconds {
            let now = start + SECOND * request / per_second;
            budget.request(settings, now);
            allowed += u32::from(budget.take(settings, now));
        }
        allowed
    }

    #[test]
    fn retries_are_a_share_of_the_requests() {
        for percent in [0, 20, 50, 100] {
            let allowed = retries(&settings(percent, 0), 100, 60);
            let share = 60 * u32::from(percent);
            assert!(allowed <= share, "{percent}: {allowed}");
            assert!(allowed * 100 >= share * 98, "{percent}: {allowed}");
        }
    }

    #[test]
    fn few_requests_have_their_minimum() {
        assert_eq!(retries(&settings(0, 10), 5, 60), 5 * 60);
        let allowed = retries(&settings(0, 10), 1000, 60);
        assert!((600..=670).contains(&allowed), "{allowed}");
    }

    #[test]
    fn share_and_minimum_do_not_add_up() {
        let allowed = retries(&settings(20, 10), 100, 60);
        assert!((1180..=1230).contains(&allowed), "{allowed}");
    }

    #[test]
    fn what_was_spent_comes_back_with_time() {
        let start = Instant::now();
        let budget = RetryBudget::new(start);
        let settings = settings(20, 2);
        let taken = |now| (0..100).filter(|_| budget.take(&settings, now)).count();
        assert_eq!(taken(start), 2);
        assert_eq!(taken(start + SECOND / 2), 0);
        assert_eq!(taken(start + SECOND), 2);
    }
}
