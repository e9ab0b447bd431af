//! Host names: who resolves them ([`Resolve`]), and the addresses of one ([`HostRecord`]).
//!
//! Nothing is looked up here. A process has one resolver, which all workers share; it keeps the addresses of a name current while connections
//! are made to it.

use std::future::Future;
use std::io;
use std::net::IpAddr;
use std::pin::Pin;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use arc_swap::ArcSwap;
use tokio::time::Instant;

/// Time for which an address that could not be connected to is tried last.
const PENALTY: Duration = Duration::from_secs(30);

/// Resolves host names, for all connections of the process.
pub trait Resolve: Send + Sync {
    /// The record of `host`, once it has an address. A record that has addresses is given at once, also while its next lookup fails.
    fn resolve(&self, host: &Arc<str>) -> Resolving;
}

/// A name that is being resolved.
///
/// # Errors
/// The name has no address, or the lookup failed, and no address was known before.
pub type Resolving = Pin<Box<dyn Future<Output = io::Result<Arc<HostRecord>>> + Send>>;

/// The addresses of a host name, as they are now.
#[derive(Debug, Default)]
pub struct HostRecord {
    /// Of both families in turn.
    addresses: ArcSwap<Vec<IpAddr>>,
    /// Connections so far. Each starts with another address.
    connections: AtomicUsize,
    /// Addresses that could not be connected to, and until when they are tried last.
    failed: Mutex<Vec<(IpAddr, Instant)>>,
}

impl HostRecord {
    /// Replaces the addresses. Families alternate, whatever their order here.
    pub fn set(&self, addresses: impl IntoIterator<Item = IpAddr>) {
        let (v6, v4): (Vec<_>, Vec<_>) = addresses.into_iter().partition(IpAddr::is_ipv6);
        let (mut v6, mut v4) = (v6.into_iter(), v4.into_iter());
        let mut all = Vec::with_capacity(v6.len() + v4.len());
        while v6.len() + v4.len() > 0 {
            all.extend(v6.next());
            all.extend(v4.next());
        }
        self.addresses.store(Arc::new(all));
    }

    /// The addresses of the last lookup that gave some.
    pub fn addresses(&self) -> Arc<Vec<IpAddr>> {
        self.addresses.load_full()
    }

    /// Whether the name has this address now.
    pub fn contains(&self, address: IpAddr) -> bool {
        self.addresses.load().contains(&address)
    }

    /// The addresses in the order in which the next connection tries them: each connection starts with another one, and those that could
    /// not be connected to lately come last.
    pub(crate) fn order(&self) -> Vec<IpAddr> {
        let addresses = self.addresses.load();
        let mut order = addresses.to_vec();
        if order.len() > 1 {
            let start = self.connections.fetch_add(1, Ordering::Relaxed) % order.len();
            order.rotate_left(start);
            let now = Instant::now();
            let mut failed = self.failed.lock().unwrap_or_else(PoisonError::into_inner);
            failed.retain(|(_, until)| *until > now);
            order.sort_by_key(|address| failed.iter().any(|(failed, _)| failed == address));
        }
        order
    }

    /// Notes whether an address could be connected to.
    pub(crate) fn note(&self, address: IpAddr, is_connected: bool) {
        let mut failed = self.failed.lock().unwrap_or_else(PoisonError::into_inner);
        failed.retain(|(known, _)| *known != address);
        if !is_connected {
            failed.push((address, Instant::now() + PENALTY));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn ip(text: &str) -> IpAddr {
        text.parse().expect("an address")
    }

    #[test]
    fn every_address_is_the_first_in_its_turn_and_families_alternate() {
        let record = HostRecord::default();
        record.set(["10.0.0.1", "10.0.0.2", "::1"].map(ip));
        assert_eq!(record.order(), ["::1", "10.0.0.1", "10.0.0.2"].map(ip));
        assert_eq!(record.order(), ["10.0.0.1", "10.0.0.2", "::1"].map(ip));
        assert_eq!(record.order(), ["10.0.0.2", "::1", "10.0.0.1"].map(ip));
        assert_eq!(record.order()[0], ip("::1"));
    }

    #[tokio::test(start_paused = true)]
    async fn an_address_that_failed_comes_last_for_a_while() {
        let record = HostRecord::default();
        record.set(["10.0.0.1", "10.0.0.2"].map(ip));
        record.note(ip("10.0.0.1"), false);
        for _ in 0..4 {
            assert_eq!(record.order(), ["10.0.0.2", "10.0.0.1"].map(ip));
        }
        record.note(ip("10.0.0.1"), true);
        assert_ne!(record.order()[0], record.order()[0]);
        record.note(ip("10.0.0.2"), false);
        tokio::time::advance(PENALTY).await;
        assert_ne!(record.order()[0], record.order()[0]);
    }
}
