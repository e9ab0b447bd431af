//! The series of what is no longer configured: they stay for a while, so that the last values are scraped and a rename that is taken back
//! costs nothing, and then go.

use std::collections::HashSet;
use std::sync::Arc;
use std::time::{Duration, Instant};

/// Time for which series stay after a reload has removed their listener, route, upstream or plugin. Prometheus forgets a series after as long.
pub const RETENTION: Duration = Duration::from_secs(300);

/// Names in the live configuration.
#[derive(Debug, Default)]
pub struct LiveNames {
    /// Of listeners.
    pub listeners: HashSet<Arc<str>>,
    /// Of routes.
    pub routes: HashSet<Arc<str>>,
    /// Of upstreams.
    pub upstreams: HashSet<Arc<str>>,
    /// Of plugins.
    pub plugins: HashSet<Arc<str>>,
}

/// Since when a series belongs to nothing that is configured.
#[derive(Debug, Default)]
pub(super) struct Absence(Option<Instant>);

impl Absence {
    /// Whether the series is over. `is_used`: it belongs to something, or somebody counts in it.
    pub(super) fn is_over(&mut self, is_used: bool, now: Instant) -> bool {
        if is_used {
            self.0 = None;
            return false;
        }
        let since = *self.0.get_or_insert(now);
        now.saturating_duration_since(since) >= RETENTION
    }
}
