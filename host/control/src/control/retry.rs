//! When a refused reload is tried again. Its reason may pass without a change of any file: a port is given free, a file becomes readable,
//! the machine has room again.

use std::time::Duration;

use tokio::time::Instant;

/// First delay; doubled with every attempt.
const MIN_DELAY: Duration = Duration::from_secs(1);
/// Maximum delay by doubling.
const MAX_DELAY: Duration = Duration::from_secs(60);
/// Attempts take at most this part of the time: one twentieth.
const IDLE_SHARE: u32 = 20;

/// The next attempt.
#[derive(Debug, Default)]
pub(super) struct Retry {
    at: Option<Instant>,
    delay: Duration,
}

impl Retry {
    /// Plans the attempt after a reload that took this time: none, if it refused nothing.
    pub(super) fn schedule(&mut self, refused: bool, was_retry: bool, took: Duration) {
        if !refused {
            *self = Self::default();
            return;
        }
        self.delay = if was_retry {
            (self.delay * 2).min(MAX_DELAY)
        } else {
            MIN_DELAY
        };
        self.at = Some(Instant::now() + self.delay.max(took * IDLE_SHARE));
    }

    /// The planned attempt is being made.
    pub(super) fn clear(&mut self) {
        self.at = None;
    }

    /// Waits for the planned attempt; for ever if there is none. Cancel-safe.
    pub(super) async fn due(&self) {
        match self.at {
            Some(at) => tokio::time::sleep_until(at).await,
            None => std::future::pending().await,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn attempts_come_ever_more_rarely_and_end_with_success() {
        let mut retry = Retry::default();
        let mut delay = |refused, was_retry, took| {
            retry.schedule(refused, was_retry, Duration::from_millis(took));
            retry.at.map(|at| (at - Instant::now()).as_secs_f64().round())
        };
        assert_eq!(delay(true, false, 1), Some(1.0));
        assert_eq!(delay(true, true, 1), Some(2.0));
        assert_eq!(delay(true, true, 1_000), Some(20.0), "a long one is a rare one");
        assert_eq!(delay(false, true, 1), None);
        assert_eq!(delay(true, false, 1), Some(1.0));
        for _ in 0..20 {
            delay(true, true, 1);
        }
        assert_eq!(delay(true, true, 1), Some(60.0));
        assert_eq!(delay(true, false, 1), Some(1.0), "a change begins anew");
    }
}
