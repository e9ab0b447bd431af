//! Queries of death: requests that end one fresh VM after the other. After the second time such a request is remembered for a
//! while and kept from the plugin, so that it cannot hold the VM down for all others.
//!
//! A request is known by a fingerprint of its method, authority, path with query, and headers with values, less those that differ
//! from one try to the next whoever sends it (request id, trace, date, addresses of the way). Its body is not looked at: it
//! has not come yet when the decision is due. Two requests that are alike but for their bodies are told apart as soon as one of
//! them passes the plugin unharmed, which clears both.
//!
//! Nothing of this costs anything before the first trap, and ten minutes after the last one.

use std::collections::hash_map::RandomState;
use std::hash::{BuildHasher, Hash, Hasher};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

use lockgate_exchange::RequestHead;
use rustc_hash::FxHashMap;

/// Fingerprints that one plugin's suspects take at most.
const MOST: usize = 1024;
/// VMs that a request may end before it is kept away.
const PATIENCE: u32 = 2;
/// How long it is kept away; then it may try once more.
const SHUNNED: Duration = Duration::from_secs(5 * 60);
/// How long requests are watched after a trap.
const WATCH: Duration = Duration::from_secs(10 * 60);

/// Headers that say nothing about what a request does to a plugin.
const FLEETING: &[&str] = &[
    "x-request-id",
    "x-correlation-id",
    "traceparent",
    "tracestate",
    "x-b3-traceid",
    "x-b3-spanid",
    "x-b3-parentspanid",
    "b3",
    "date",
    "via",
    "forwarded",
    "x-forwarded-for",
    "x-real-ip",
];

/// What a request is known by. Keyed by chance, so that nobody can make another's request look like theirs.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) struct Fingerprint(u64);

/// The suspects of one plugin, shared by its VMs on all workers; forgotten when the plugin changes.
pub(crate) struct PoisonRequests {
    /// Whether there was a trap at all of late.
    watching: AtomicBool,
    chance: RandomState,
    known: Mutex<Known>,
}

#[derive(Default)]
struct Known {
    until: Option<Instant>,
    by_print: FxHashMap<Fingerprint, Suspect>,
}

struct Suspect {
    /// VMs that it has ended since it last passed unharmed.
    ended: u32,
    /// When it last did.
    at: Instant,
}

impl PoisonRequests {
    pub(crate) fn new() -> Self {
        Self {
            watching: AtomicBool::new(false),
            chance: RandomState::new(),
            known: Mutex::default(),
        }
    }

    /// Whether requests have to be looked at.
    pub(crate) fn is_watching(&self) -> bool {
        self.watching.load(Ordering::Relaxed)
    }

    /// What a request is known by.
    pub(crate) fn fingerprint(&self, request: &RequestHead) -> Fingerprint {
        let one = |hash: &dyn Fn(&mut dyn Hasher)| {
            let mut hasher = self.chance.build_hasher();
            hash(&mut hasher);
            hasher.finish()
        };
        // Headers are added up, so that their order does not count.
        let headers = request
            .headers
            .iter()
            .filter(|(name, _)| !FLEETING.contains(&name.as_str()));
        let headers = headers.fold(0u64, |sum, (name, value)| {
            sum.wrapping_add(one(&|mut hasher| {
                name.as_str().hash(&mut hasher);
                value.as_bytes().hash(&mut hasher);
            }))
        });
        Fingerprint(one(&|mut hasher| {
            request.method.as_str().hash(&mut hasher);
            request.authority.as_bytes().hash(&mut hasher);
            request.path.as_str().hash(&mut hasher);
            headers.hash(&mut hasher);
        }))
    }

    /// A request has ended a VM. True if that was once too often: from now on it is kept away.
    pub(crate) fn record_trap(&self, fingerprint: Fingerprint, now: Instant) -> bool {
        let mut known = self.known.lock().unwrap_or_else(PoisonError::into_inner);
        known.until = Some(now + WATCH);
        self.watching.store(true, Ordering::Relaxed);
        if known.by_print.len() >= MOST && !known.by_print.contains_key(&fingerprint) {
            let oldest = known.by_print.iter().min_by_key(|(_, suspect)| suspect.at);
            let oldest = oldest.map(|(fingerprint, _)| *fingerprint);
            oldest.map(|fingerprint| known.by_print.remove(&fingerprint));
        }
        let suspect = known
            .by_print
            .entry(fingerprint)
            .or_insert(Suspect { ended: 0, at: now });
        suspect.ended = suspect.ended.saturating_add(1);
        suspect.at = now;
        suspect.ended >= PATIENCE
    }

    /// Whether a request is kept away now.
    pub(crate) fn blocks(&self, fingerprint: Fingerprint, now: Instant) -> bool {
        let mut known = self.known.lock().unwrap_or_else(PoisonError::into_inner);
        if known.until.is_none_or(|until| now >= until) {
            *known = Known::default();
            self.watching.store(false, Ordering::Relaxed);
            return false;
        }
        known
            .by_print
            .get(&fingerprint)
            .is_some_and(|suspect| suspect.ended >= PATIENCE && now < suspect.at + SHUNNED)
    }

    /// A request that was looked at has passed the plugin unharmed.
    pub(crate) fn clear(&self, fingerprint: Fingerprint) {
        let mut known = self.known.lock().unwrap_or_else(PoisonError::into_inner);
        known.by_print.remove(&fingerprint);
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
        }
    }

    #[test]
    fn a_fingerprint_tells_requests_apart_and_knows_them_again() {
        let poison_requests = PoisonRequests::new();
        let fingerprint = |headers: &[(&'static str, &'static str)]| poison_requests.fingerprint(&request(headers));
        let known = fingerprint(&[("a", "1"), ("b", "2"), ("x-request-id", "7")]);
        assert_eq!(known, fingerprint(&[("b", "2"), ("x-request-id", "8"), ("a", "1")]));
        assert_ne!(known, fingerprint(&[("a", "1"), ("b", "3")]));
        assert_ne!(known, fingerprint(&[("a", "1")]));
        let mut other = request(&[("a", "1"), ("b", "2")]);
        other.path = "/a?c".parse().unwrap();
        assert_ne!(known, poison_requests.fingerprint(&other));
    }

    #[test]
    fn the_second_vm_that_a_request_ends_is_the_last_for_a_while() {
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
            !poison_requests.blocks(fingerprint, now + SHUNNED),
            "it may try once more"
        );
        assert!(
            poison_requests.record_trap(fingerprint, now + SHUNNED)
                && poison_requests.blocks(fingerprint, now + SHUNNED)
        );
        assert!(!poison_requests.blocks(fingerprint, now + SHUNNED + WATCH) && !poison_requests.is_watching());
    }

    #[test]
    fn who_passes_unharmed_is_acquitted_and_the_list_has_an_end() {
        let (poison_requests, now) = (PoisonRequests::new(), Instant::now());
        let fingerprint = poison_requests.fingerprint(&request(&[]));
        poison_requests.record_trap(fingerprint, now);
        poison_requests.clear(fingerprint);
        assert!(!poison_requests.record_trap(fingerprint, now), "it starts over");
        for other in 0..5000 {
            poison_requests.record_trap(Fingerprint(other), now + Duration::from_secs(1));
        }
        assert_eq!(poison_requests.known.lock().unwrap().by_print.len(), MOST);
    }
}
