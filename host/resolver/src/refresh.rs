//! The task of a name: looks it up, keeps its record, and sleeps until the next lookup is due.

use std::net::IpAddr;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use tokio::time::Instant;

use crate::entry::Entry;
use crate::error::LookupError;
use crate::lookup::{self, Family, Found};
use crate::shared::Shared;

/// First delay after a failed lookup; doubled with every further one.
const MIN_DELAY: Duration = Duration::from_secs(1);
/// Maximum delay by doubling.
const MAX_DELAY: Duration = Duration::from_secs(10);
/// The log repeats that a name cannot be looked up after this time.
const REMINDER: Duration = Duration::from_secs(300);

/// Keeps a name current until nobody uses it.
pub(crate) async fn run(shared: Arc<Shared>, entry: Arc<Entry>) {
    let mut name = Name::default();
    loop {
        entry.is_looked_up.store(true, Ordering::Release);
        let found = {
            let _permit = shared.permits.acquire().await;
            lookup::addresses(&shared.dns, &entry.name).await
        };
        let delay = name.apply(&entry, found, &shared);
        entry.is_looked_up.store(false, Ordering::Release);
        wait(&entry, delay).await;
        if shared.forget(&entry) {
            return;
        }
    }
}

/// Waits until the next lookup is due: after `delay`, or sooner if a new watch wants that, or somebody waits for a first address.
async fn wait(entry: &Entry, delay: Duration) {
    let began = Instant::now();
    loop {
        let is_due = entry.is_due.swap(false, Ordering::AcqRel);
        let delay = entry.refresh().map_or(delay, |refresh| refresh.min(delay));
        if is_due || began.elapsed() >= delay {
            return;
        }
        tokio::select! {
            () = tokio::time::sleep_until(began + delay) => return,
            () = entry.wake.notified() => {}
        }
    }
}

/// What the task remembers of its name.
#[derive(Default)]
struct Name {
    v4: Vec<IpAddr>,
    v6: Vec<IpAddr>,
    failures: u32,
    reported: Option<Instant>,
}

impl Name {
    /// Takes over what a lookup has found, and returns the time to the next one.
    fn apply(&mut self, entry: &Entry, found: Found, shared: &Shared) -> Duration {
        let settings = shared.dns.settings();
        let outcome = self.merge(found);
        shared.count(outcome.is_ok());
        let delay = match &outcome {
            Ok(ttl) => {
                self.set(entry);
                let floor = settings.min_ttl.duration();
                (*ttl).clamp(floor, settings.max_ttl.duration().max(floor))
            }
            Err(_) => (MIN_DELAY * 2_u32.saturating_pow(self.failures)).min(MAX_DELAY),
        };
        self.report(entry, outcome.as_ref().err());
        let now = Instant::now();
        entry.state.send_modify(|state| {
            state.lookups += 1;
            state.ended = Some(now);
            match &outcome {
                Ok(_) => (state.succeeded, state.error) = (Some(now), None),
                Err(error) => state.error = Some(error.to_string().into()),
            }
        });
        self.failures = if outcome.is_ok() { 0 } else { self.failures + 1 };
        delay
    }

    /// The TTL of what was found. A family that failed keeps its last addresses, and so do both if neither has any now.
    fn merge(&mut self, found: Found) -> Result<Duration, LookupError> {
        let mut ttl = None;
        let mut merge = |last: &mut Vec<IpAddr>, family: Family, other_has_any: bool| match family {
            Ok(records) => {
                ttl = Some(ttl.map_or(records.ttl, |ttl: Duration| ttl.min(records.ttl)));
                *last = records.list;
                None
            }
            Err(error) => {
                if other_has_any && error.is_negative() {
                    last.clear();
                }
                Some(error)
            }
        };
        let (has_v4, has_v6) = (found.v4.is_ok(), found.v6.is_ok());
        let errors = [
            merge(&mut self.v4, found.v4, has_v6),
            merge(&mut self.v6, found.v6, has_v4),
        ];
        let error = || {
            let mut errors = errors.into_iter().flatten();
            let (first, second) = (errors.next(), errors.next());
            // That a server failed says more than that it has no record of one family; that there is no name, more than both.
            match (first, second) {
                (Some(first), Some(second)) if first.is_negative() && !second.is_negative() => second,
                (Some(first), _) => first,
                (None, _) => LookupError::NoRecord,
            }
        };
        ttl.ok_or_else(error)
    }

    fn set(&self, entry: &Entry) {
        let mut new: Vec<IpAddr> = self.v6.iter().chain(&self.v4).copied().collect();
        // Servers rotate their answers; that is no change.
        new.sort_unstable();
        new.dedup();
        let old = entry.record.addresses();
        let mut sorted = old.to_vec();
        sorted.sort_unstable();
        if sorted != new {
            tracing::debug!(name = &*entry.name, addresses = ?new, "addresses of a host name changed");
            entry.record.set(new);
        }
    }

    /// Logs that lookups fail, once at first and then rarely; and that they succeed again.
    fn report(&mut self, entry: &Entry, error: Option<&LookupError>) {
        let name = &*entry.name;
        match error {
            None => {
                if self.reported.take().is_some() {
                    tracing::info!(name, "host name resolves again");
                }
            }
            Some(error) if self.reported.is_none_or(|reported| reported.elapsed() >= REMINDER) => {
                self.reported = Some(Instant::now());
                let addresses = entry.record.addresses();
                if addresses.is_empty() {
                    tracing::warn!(name, %error, "host name cannot be resolved");
                } else {
                    tracing::warn!(name, %error, ?addresses, "host name cannot be resolved, its last addresses stay in use");
                }
            }
            Some(_) => {}
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::message::Records;

    fn of(addresses: &[&str], ttl: u64) -> Family {
        let list = addresses.iter().map(|text| text.parse().unwrap()).collect();
        let ttl = Duration::from_secs(ttl);
        Ok(Records { list, ttl })
    }

    fn lists(name: &Name) -> (usize, usize) {
        (name.v4.len(), name.v6.len())
    }

    #[test]
    fn a_family_that_fails_keeps_its_addresses_and_one_without_records_loses_them() {
        let mut name = Name::default();
        let merged = name.merge(Found {
            v4: of(&["10.0.0.1"], 30),
            v6: of(&["::1", "::2"], 5),
        });
        assert_eq!((merged.unwrap(), lists(&name)), (Duration::from_secs(5), (1, 2)));
        let merged = name.merge(Found {
            v4: of(&["10.0.0.1"], 30),
            v6: Err(LookupError::Late),
        });
        assert_eq!((merged.unwrap(), lists(&name)), (Duration::from_secs(30), (1, 2)));
        let merged = name.merge(Found {
            v4: of(&["10.0.0.1"], 30),
            v6: Err(LookupError::NoRecord),
        });
        assert_eq!((merged.unwrap(), lists(&name)), (Duration::from_secs(30), (1, 0)));
    }

    #[test]
    fn an_empty_answer_is_a_failure_that_keeps_the_addresses() {
        let mut name = Name::default();
        let merged = name.merge(Found {
            v4: of(&["10.0.0.1"], 30),
            v6: Err(LookupError::NoRecord),
        });
        merged.unwrap();
        for (v4, v6) in [
            (LookupError::NoSuchName, LookupError::NoSuchName),
            (LookupError::NoRecord, LookupError::Late),
        ] {
            let is_late = matches!(v6, LookupError::Late);
            let merged = name.merge(Found {
                v4: Err(v4),
                v6: Err(v6),
            });
            let error = merged.expect_err("nothing was found");
            assert_eq!(matches!(error, LookupError::Late), is_late);
            assert_eq!(lists(&name), (1, 0));
        }
    }
}
