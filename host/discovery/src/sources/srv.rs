//! Endpoints from SRV records (RFC 2782): every address of every target of the lowest priority number that has any, with the record's port and
//! weight. An empty answer is a failure.

use std::collections::{BTreeMap, BTreeSet};
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::{Duration, Instant};

use lockgate_client::Address;
use lockgate_resolver::{HostWatch, Resolver, Service, Services};
use lockgate_upstream::{EndpointSettings, SrvDiscovery};

use crate::backoff::Backoff;
use crate::error::SourceError;
use crate::publisher::Publisher;
use crate::weights;

/// Maximum number of targets.
const MAX_TARGETS: usize = 256;
/// Time between two looks at the targets' addresses, which the resolver keeps current.
const INTERVAL: Duration = Duration::from_millis(250);
/// Time that a target may take for its first lookup before the others are used without it.
const TARGET_DELAY: Duration = Duration::from_secs(3);

pub(super) async fn run(settings: SrvDiscovery, mut publisher: Publisher, resolver: Resolver) {
    let refresh = settings.refresh.map(|refresh| refresh.duration());
    let mut targets = Targets {
        resolver,
        refresh,
        watches: BTreeMap::new(),
    };
    let mut backoff = Backoff::default();
    loop {
        let services = match targets.resolver.services(&settings.name).await {
            Ok(services) => services,
            Err(source) => {
                let name = settings.name.clone();
                publisher.failed(&SourceError::Lookup { name, source });
                tokio::time::sleep(
                    refresh
                        .map_or(Duration::MAX, |refresh| refresh.max(INTERVAL))
                        .min(backoff.next()),
                )
                .await;
                continue;
            }
        };
        backoff.clear();
        targets.follow(&services).await;
        let end = Instant::now() + services.ttl.min(refresh.unwrap_or(Duration::MAX));
        // Addresses of targets change on their own.
        loop {
            match targets.endpoints(&services.list) {
                Ok(list) => publisher.list(list).await,
                Err(error) => publisher.failed(&error),
            }
            let left = end.saturating_duration_since(Instant::now());
            if left.is_zero() {
                break;
            }
            tokio::time::sleep(left.min(INTERVAL)).await;
        }
    }
}

/// The hosts of the records.
struct Targets {
    resolver: Resolver,
    refresh: Option<Duration>,
    watches: BTreeMap<String, HostWatch>,
}

impl Targets {
    /// Watches the targets of these records and no others, and waits for their first addresses.
    async fn follow(&mut self, services: &Services) {
        let names: BTreeSet<&String> = services
            .list
            .iter()
            .take(MAX_TARGETS)
            .map(|service| &service.target)
            .collect();
        self.watches.retain(|name, _| names.contains(name));
        let mut new = Vec::new();
        for name in names {
            if !self.watches.contains_key(name)
                && let Ok(watch) = self.resolver.watch(&Arc::from(name.to_ascii_lowercase()), self.refresh)
            {
                self.watches.insert(name.clone(), watch);
                new.push(name);
            }
        }
        let looked_up = async {
            for (_, watch) in self.watches.iter_mut().filter(|(name, _)| new.contains(name)) {
                watch.looked_up().await;
            }
        };
        // Those that take longer come later.
        let _ = tokio::time::timeout(TARGET_DELAY, looked_up).await;
    }

    /// The endpoints of the lowest priority number of which a target has addresses.
    fn endpoints(&self, services: &[Service]) -> Result<Vec<EndpointSettings>, SourceError> {
        let priorities: BTreeSet<u16> = services.iter().map(|service| service.priority).collect();
        for priority in priorities {
            let services = services.iter().filter(|service| service.priority == priority);
            let mut endpoints = Vec::new();
            for service in services.filter(|service| service.port != 0) {
                let addresses = self
                    .watches
                    .get(&service.target)
                    .map(HostWatch::addresses)
                    .unwrap_or_default();
                // A target's weight is that of all its addresses together.
                let weight = f64::from(service.weight) / addresses.len().max(1) as f64;
                let at = |ip: &_| Address::Socket(SocketAddr::new(*ip, service.port));
                endpoints.extend(addresses.iter().map(|ip| (at(ip), weight, &service.target)));
            }
            if !endpoints.is_empty() {
                return Ok(weighted(&endpoints));
            }
        }
        Err(SourceError::Addresses(
            "no target of the records has an address".to_owned(),
        ))
    }
}

fn weighted(endpoints: &[(Address, f64, &String)]) -> Vec<EndpointSettings> {
    let has_weights = endpoints.iter().any(|(_, weight, _)| *weight > 0.0);
    // Weight 0 beside others means "very seldom" (RFC 2782), and "equal" where all have it.
    let floor = if has_weights { f64::MIN_POSITIVE } else { 1.0 };
    let weights: Vec<f64> = endpoints.iter().map(|(_, weight, _)| weight.max(floor)).collect();
    let scaled = weights::scaled(&weights);
    let endpoint = |((address, _, target), weight): (&(Address, f64, &String), _)| EndpointSettings {
        weight,
        labels: [("target".to_owned(), target.trim_end_matches('.').to_owned())].into(),
        ..EndpointSettings::at(address.clone())
    };
    endpoints.iter().zip(scaled).map(endpoint).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn weights_of_records_become_weights_of_endpoints() {
        let target = "a.test.".to_owned();
        let weights = |weights: &[f64]| -> Vec<u16> {
            let endpoints = weights.iter().zip(1..).map(|(weight, last)| {
                let address: Address = format!("10.0.0.{last}:80").parse().unwrap();
                (address, *weight, &target)
            });
            let list = weighted(&endpoints.collect::<Vec<_>>());
            assert_eq!(list[0].labels["target"], "a.test");
            list.iter().map(|endpoint| endpoint.weight.value()).collect()
        };
        assert_eq!(weights(&[3.0, 1.0]), [3, 1]);
        assert_eq!(weights(&[0.0, 0.0]), [1, 1]);
        assert_eq!(weights(&[0.0, 100.0])[0], 1);
        assert_eq!(weights(&[0.5, 0.5, 1.0]), [50, 50, 100]);
    }
}
