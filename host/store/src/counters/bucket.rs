//! [`Bucket`]: a token bucket in exact integers.
//!
//! As in GCRA, its state is the used amount and the time of that amount; the refill since then is computed. The unit is a token divided
//! by the nanoseconds of the window: a token is `window` units, and `limit` units are refilled per nanosecond. So no rate needs rounding.

use std::time::Duration;

/// The parameters of a bucket: `limit` tokens are refilled per `window`, up to `burst`.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Shape {
    pub(crate) limit: u64,
    /// Nanoseconds.
    pub(crate) window: u64,
    pub(crate) burst: u64,
}

impl Shape {
    fn units(self, tokens: u64) -> u128 {
        u128::from(tokens) * u128::from(self.window)
    }

    /// How long until `units` have come back, rounded up.
    fn time_for(self, units: u128) -> Duration {
        let nanos = units.div_ceil(u128::from(self.limit));
        Duration::from_nanos(u64::try_from(nanos).unwrap_or(u64::MAX))
    }
}

/// What is used up of one bucket.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Bucket {
    used: u128,
    /// When; nanoseconds since the store's beginning.
    at: u64,
    /// How much comes back per nanosecond; remembered for telling when the bucket will be full.
    limit: u64,
}

impl Bucket {
    /// Lets come back what has come back until `now`. A `now` before the last one counts as the last one: workers read
    /// their clocks at their own times.
    fn advance(&mut self, shape: Shape, now: u64) {
        let elapsed = now.saturating_sub(self.at);
        let back = u128::from(elapsed) * u128::from(shape.limit);
        // A bucket that was larger before a reload is at most empty now.
        self.used = self.used.saturating_sub(back).min(shape.units(shape.burst));
        self.at = self.at.max(now);
        self.limit = shape.limit;
    }

    /// Takes `cost` tokens if there are so many; says whether.
    pub(crate) fn take(&mut self, shape: Shape, cost: u64, now: u64) -> bool {
        self.advance(shape, now);
        let wanted = self.used + shape.units(cost);
        let allowed = wanted <= shape.units(shape.burst);
        if allowed {
            self.used = wanted;
        }
        allowed
    }

    /// Whole tokens that are left, as of the last call.
    pub(crate) fn remaining(&self, shape: Shape) -> u64 {
        let left = shape.units(shape.burst).saturating_sub(self.used) / u128::from(shape.window);
        u64::try_from(left).unwrap_or(u64::MAX)
    }

    /// How long until the bucket is full.
    pub(crate) fn full_in(&self, shape: Shape) -> Duration {
        shape.time_for(self.used)
    }

    /// How long until `cost` tokens are there. A cost above the burst never is: then, until the bucket is full.
    pub(crate) fn enough_in(&self, shape: Shape, cost: u64) -> Duration {
        let wanted = self.used + shape.units(cost.min(shape.burst));
        shape.time_for(wanted.saturating_sub(shape.units(shape.burst)))
    }

    /// When the bucket is full again, if nothing more is taken; nanoseconds since the store's beginning. From then on it
    /// says nothing that a new one would not.
    pub(crate) fn full_at(&self) -> u64 {
        let wait = self.used.div_ceil(u128::from(self.limit.max(1)));
        self.at.saturating_add(u64::try_from(wait).unwrap_or(u64::MAX))
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    /// A bucket as one would draw it: fractions of tokens, refilled nanosecond by nanosecond (in exact fractions of
    /// 1/window).
    struct Naive {
        tokens: u128,
        at: u64,
    }

    impl Naive {
        fn take(&mut self, shape: Shape, cost: u64, now: u64) -> bool {
            let full = u128::from(shape.burst) * u128::from(shape.window);
            for _ in self.at..now {
                self.tokens = (self.tokens + u128::from(shape.limit)).min(full);
            }
            self.at = self.at.max(now);
            let price = u128::from(cost) * u128::from(shape.window);
            let allowed = self.tokens >= price;
            self.tokens -= if allowed { price } else { 0 };
            allowed
        }
    }

    proptest! {
        #[test]
        fn a_bucket_agrees_with_the_naive_one(
            limit in 1u64..20, window in 1u64..300, burst in 1u64..20,
            steps in prop::collection::vec((0u64..100, 0u64..8), 1..80),
        ) {
            let shape = Shape { limit, window, burst };
            let mut bucket = Bucket::default();
            let mut naive = Naive { tokens: u128::from(burst) * u128::from(window), at: 0 };
            let mut now = 0;
            for (pause, cost) in steps {
                now += pause;
                prop_assert_eq!(bucket.take(shape, cost, now), naive.take(shape, cost, now));
                prop_assert_eq!(u128::from(bucket.remaining(shape)), naive.tokens / u128::from(window));
            }
        }

        /// Over any stretch of time no more than the burst and what came back is given out.
        #[test]
        fn no_more_is_given_out_than_limit_and_burst_allow(
            limit in 1u64..1000, burst in 1u64..1000, pauses in prop::collection::vec(0u64..50_000_000, 1..200),
        ) {
            let shape = Shape { limit, window: 1_000_000_000, burst };
            let mut bucket = Bucket::default();
            let (mut now, mut given) = (0, 0u128);
            for pause in pauses {
                now += pause;
                given += u128::from(bucket.take(shape, 1, now));
            }
            prop_assert!(given <= u128::from(burst) + u128::from(now) * u128::from(limit) / 1_000_000_000 + 1);
        }

        /// After waiting as long as was said, the tokens are there; a nanosecond before, they are not.
        #[test]
        fn waiting_as_long_as_told_is_enough_and_no_less_is(
            limit in 1u64..1000, window in 1u64..10_000_000_000, burst in 1u64..1000, cost in 1u64..1000, used in 0u64..1000,
        ) {
            let shape = Shape { limit, window, burst };
            let mut bucket = Bucket::default();
            bucket.take(shape, used.min(burst), 0);
            prop_assume!(cost <= burst && !bucket.take(shape, cost, 0));
            let wait = bucket.enough_in(shape, cost).as_nanos() as u64;
            prop_assert!(!bucket.clone().take(shape, cost, wait - 1));
            prop_assert!(bucket.take(shape, cost, wait));
        }
    }

    #[test]
    fn a_bucket_that_shrinks_in_a_reload_is_at_most_empty() {
        let mut bucket = Bucket::default();
        assert!(bucket.take(
            Shape {
                limit: 1000,
                window: 1000,
                burst: 1000
            },
            1000,
            0
        ));
        let small = Shape {
            limit: 10,
            window: 1000,
            burst: 10,
        };
        assert!(!bucket.take(small, 1, 0));
        assert_eq!(bucket.full_in(small), Duration::from_nanos(1000));
    }

    #[test]
    fn extreme_rates_do_not_overflow() {
        let shape = Shape {
            limit: u64::MAX >> 24,
            window: u64::MAX >> 9,
            burst: u64::MAX >> 24,
        };
        let mut bucket = Bucket::default();
        assert!(bucket.take(shape, shape.burst, 0));
        assert!(!bucket.take(shape, 1, 0));
        assert!(bucket.take(shape, shape.burst, u64::MAX));
    }
}
