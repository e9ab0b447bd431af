//! Poison requests: requests that make one VM after another trap. After the second trap a request is blocked from the plugin for
//! a while, so that it cannot take the plugin away from all other requests.
//!
//! A request is identified by a fingerprint of its method, authority, path with query, and headers. Well-formed identifiers of
//! requests and traces, and forwarded addresses, count by their form, because they differ between attempts ([`volatile`]). The
//! body is left out: it has not arrived when the decision is made. So a trap counts only if the guest has seen no body, and not if
//! memory ran out, which many requests fill together. When a request passes the plugin without a trap, its fingerprint is cleared.
//!
//! There is no cost before the first trap, nor ten minutes after the last one.

use std::collections::hash_map::RandomState;
use std::hash::{BuildHasher, Hash, Hasher};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

use lockgate_exchange::RequestHead;
use rustc_hash::FxHashMap;

use super::volatile;

/// Fingerprints of one plugin. The oldest entry is replaced.
const MAX_ENTRIES: usize = 1024;
/// Traps of a request before it is blocked.
const MAX_TRAPS: u32 = 2;
/// How long it is blocked. After that it may try once more.
const BLOCK_TIME: Duration = Duration::from_secs(5 * 60);
/// How long requests are fingerprinted after a trap.
const WATCH_TIME: Duration = Duration::from_secs(10 * 60);

/// Identifies a request. The hash has a random key, so that nobody can craft a request with another one's fingerprint.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) struct Fingerprint(u64);

/// The poison requests of one plugin, shared by its VMs on all workers. A changed plugin starts with none.
pub(crate) struct PoisonRequests {
    /// Whether there was a trap within [`WATCH_TIME`].
    watching: AtomicBool,
    hash_key: RandomState,
    table: Mutex<Table>,
}

#[derive(Default)]
struct Table {
    until: Option<Instant>,
    entries: FxHashMap<Fingerprint, Entry>,
}

struct Entry {
    /// Traps since it last passed without one.
    traps: u32,
    /// The time of its last trap.
    at: Instant,
}

impl PoisonRequests {
    pub(crate) fn new() -> Self {
        Self {
            watching: AtomicBool::new(false),
            hash_key: RandomState::new(),
            table: Mutex::default(),
        }
    }

    /// Whether requests have to be fingerprinted.
    pub(crate) fn is_watching(&self) -> bool {
        self.watching.load(Ordering::Relaxed)
    }

    /// The fingerprint of a request.
    pub(crate) fn fingerprint(&self, request: &RequestHead) -> Fingerprint {
        let one = |hash: &dyn Fn(&mut dyn Hasher)| {
            let mut hasher = self.hash_key.build_hasher();
            hash(&mut hasher);
            hasher.finish()
        };
        // A sum does not depend on the order of headers.
        let headers = request.headers.iter().fold(0u64, |sum, (name, value)| {
            let value = volatile::identity(name.as_str(), value.as_bytes());
            sum.wrapping_add(one(&|mut hasher| {
                name.as_str().hash(&mut hasher);
                value.hash(&mut hasher);
            }))
        });
        Fingerprint(one(&|mut hasher| {
            request.method.as_str().hash(&mut hasher);
            request.authority.as_bytes().hash(&mut hasher);
            request.path.as_str().hash(&mut hasher);
            headers.hash(&mut hasher);
        }))
    }

    /// Records that a request has made a VM trap. True if it is blocked from now on.
    pub(crate) fn record_trap(&self, fingerprint: Fingerprint, now: Instant) -> bool {
        let mut table = self.table.lock().unwrap_or_else(PoisonError::into_inner);
        table.until = Some(now + WATCH_TIME);
        self.watching.store(true, Ordering::Relaxed);
        if table.entries.len() >= MAX_ENTRIES && !table.entries.contains_key(&fingerprint) {
            let oldest = table.entries.iter().min_by_key(|(_, entry)| entry.at);
            let oldest = oldest.map(|(fingerprint, _)| *fingerprint);
            oldest.map(|fingerprint| table.entries.remove(&fingerprint));
        }
        let entry = table.entries.entry(fingerprint).or_insert(Entry { traps: 0, at: now });
        entry.traps = entry.traps.saturating_add(1);
        entry.at = now;
        entry.traps >= MAX_TRAPS
    }

    /// Whether a request is blocked now.
    pub(crate) fn blocks(&self, fingerprint: Fingerprint, now: Instant) -> bool {
        let mut table = self.table.lock().unwrap_or_else(PoisonError::into_inner);
        if table.until.is_none_or(|until| now >= until) {
            *table = Table::default();
            self.watching.store(false, Ordering::Relaxed);
            return false;
        }
        table
            .entries
            .get(&fingerprint)
            .is_some_and(|entry| entry.traps >= MAX_TRAPS && now < entry.at + BLOCK_TIME)
    }

    /// Clears a request that has passed the plugin without a trap.
    pub(crate) fn clear(&self, fingerprint: Fingerprint) {
        let mut table = self.table.lock().unwrap_or_else(PoisonError::into_inner);
        table.entries.remove(&fingerprint);
    }
}

#[cfg(test)]
mod tests {
    use http::{HeaderMap, HeaderValue, Method};

    use super::*;
    use lockgate_exchange::Scheme;

    fn request(headers: &[(&'static str, &'static str)]) -> RequestHead {
        let mut map = HeaderMap::new();
        for (name, value) in headers {
            map.append(*name, HeaderValue::from_static(value));
        }
        RequestHead {
            method: Method::GET,
            path: "/a?b".parse().unwrap(),
            authority: HeaderValue::from_static("example.com"),
            scheme: Scheme::Http,
            headers: map,
            is_upgrade: false,
        }
    }

    #[test]
    fn a_fingerprint_identifies_a_request_whatever_its_volatile_headers() {
        let poison_requests = PoisonRequests::new();
        let fingerprint = |headers: &[(&'static str, &'static str)]| poison_requests.fingerprint(&request(headers));
        let (one, other) = ("0123456789abcdef", "fedcba9876543210");
        let known = fingerprint(&[("a", "1"), ("b", "2"), ("x-request-id", one)]);
        assert_eq!(known, fingerprint(&[("b", "2"), ("x-request-id", other), ("a", "1")]));
        for deadly in [
            "x-request-id",
            "traceparent",
            "x-b3-spanid",
            "date",
            "via",
            "forwarded",
            "x-forwarded-for",
        ] {
            let headers = [("a", "1"), ("b", "2"), ("x-request-id", one), (deadly, "x")];
            assert_ne!(known, fingerprint(&headers), "{deadly}");
        }
        assert_ne!(known, fingerprint(&[("a", "1"), ("b", "3")]));
        assert_ne!(known, fingerprint(&[("a", "1")]));
        let mut other = request(&[("a", "1"), ("b", "2"), ("x-request-id", one)]);
        other.path = "/a?c".parse().unwrap();
        assert_ne!(known, poison_requests.fingerprint(&other));
    }

    #[test]
    fn a_request_is_blocked_for_a_while_after_its_second_trap() {
        let (poison_requests, now) = (PoisonRequests::new(), Instant::now());
        let fingerprint = poison_requests.fingerprint(&request(&[]));
        assert!(!poison_requests.is_watching());
        assert!(
            !poison_requests.record_trap(fingerprint, now)
                && poison_requests.is_watching()
                && !poison_requests.blocks(fingerprint, now)
        );
        assert!(poison_requests.record_trap(fingerprint, now) && poison_requests.blocks(fingerprint, now));
        assert!(
            !poison_requests.blocks(fingerprint, now + BLOCK_TIME),
            "it may try once more"
        );
        assert!(
            poison_requests.record_trap(fingerprint, now + BLOCK_TIME)
                && poison_requests.blocks(fingerprint, now + BLOCK_TIME)
        );
        assert!(!poison_requests.blocks(fingerprint, now + BLOCK_TIME + WATCH_TIME) && !poison_requests.is_watching());
    }

    #[test]
    fn a_request_that_passes_is_cleared_and_the_table_is_bounded() {
        let (poison_requests, now) = (PoisonRequests::new(), Instant::now());
        let fingerprint = poison_requests.fingerprint(&request(&[]));
        poison_requests.record_trap(fingerprint, now);
        poison_requests.clear(fingerprint);
        assert!(!poison_requests.record_trap(fingerprint, now), "it starts over");
        for other in 0..5000 {
            poison_requests.record_trap(Fingerprint(other), now + Duration::from_secs(1));
        }
        assert_eq!(poison_requests.table.lock().unwrap().entries.len(), MAX_ENTRIES);
    }
}
