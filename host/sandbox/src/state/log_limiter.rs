//! [`LogLimiter`]: the limit on log lines. Pure bookkeeping: the time is passed in.

use std::time::{Duration, Instant};

/// Limits log lines per second, and counts the dropped ones.
#[derive(Debug)]
pub(crate) struct LogLimiter {
    per_second: u32,
    bytes_per_second: u64,
    second: Option<Instant>,
    passed: u32,
    bytes: u64,
    dropped: u64,
}

/// What happens to a line.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Verdict {
    /// It is written. `dropped` lines were dropped since the last one that was written.
    Pass { dropped: u64 },
    /// It is dropped.
    Drop,
}

impl LogLimiter {
    pub(crate) fn new(per_second: u32, bytes_per_second: u64) -> Self {
        Self {
            per_second,
            bytes_per_second,
            second: None,
            passed: 0,
            bytes: 0,
            dropped: 0,
        }
    }

    pub(crate) fn line(&mut self, now: Instant, bytes: usize) -> Verdict {
        let same = self
            .second
            .is_some_and(|begun| now.saturating_duration_since(begun) < Duration::from_secs(1));
        if !same {
            self.second = Some(now);
            (self.passed, self.bytes) = (0, 0);
        }
        let bytes = self.bytes.saturating_add(bytes as u64);
        if self.passed >= self.per_second || bytes > self.bytes_per_second {
            self.dropped += 1;
            return Verdict::Drop;
        }
        (self.passed, self.bytes) = (self.passed + 1, bytes);
        Verdict::Pass {
            dropped: std::mem::take(&mut self.dropped),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_beyond_the_rate_are_dropped_and_their_number_is_reported_later() {
        let now = Instant::now();
        let mut limiter = LogLimiter::new(2, 100);
        assert_eq!(
            [limiter.line(now, 10), limiter.line(now, 10)],
            [Verdict::Pass { dropped: 0 }; 2]
        );
        assert_eq!(
            [limiter.line(now, 10), limiter.line(now, 10), limiter.line(now, 10)],
            [Verdict::Drop; 3]
        );
        assert_eq!(
            limiter.line(now + Duration::from_secs(1), 10),
            Verdict::Pass { dropped: 3 }
        );
        assert_eq!(
            limiter.line(now + Duration::from_secs(1), 10),
            Verdict::Pass { dropped: 0 }
        );
        let later = now + Duration::from_secs(3);
        assert_eq!(limiter.line(later, 101), Verdict::Drop, "one line can be too much");
        assert_eq!(limiter.line(later, 100), Verdict::Pass { dropped: 1 });
    }
}
