//! [`Upstream`]: a named group of endpoints, frozen, shared by all workers.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use http::HeaderValue;
use lockgate_client::{Address, KeepAlive, PoolSettings, Protocol, Target};

use crate::balance;
use crate::settings::{Balance, EndpointSettings, HostPolicy, UpstreamSettings};

/// A named group of endpoints and how to talk to them.
#[derive(Debug)]
pub struct Upstream {
    name: Arc<str>,
    endpoints: Vec<Endpoint>,
    balance: Balance,
    cycle: Box<[u32]>,
    /// The next position in the cycle. Shared, so that the order is exact across workers.
    next: AtomicUsize,
    pub(crate) host: HostPolicy,
    protocol: Protocol,
    pub(crate) pool: PoolSettings,
}

/// One server of an upstream.
#[derive(Debug)]
pub struct Endpoint {
    target: Target,
    labels: BTreeMap<String, String>,
    /// The address as a `Host` value, for [`HostPolicy::Endpoint`].
    pub(crate) host: HeaderValue,
}

impl Upstream {
    /// The upstream that these settings describe.
    pub fn new(name: impl Into<Arc<str>>, settings: &UpstreamSettings) -> Self {
        let weights: Vec<u16> = settings
            .endpoints
            .iter()
            .map(|endpoint| endpoint.weight.value())
            .collect();
        Self {
            name: name.into(),
            endpoints: settings.endpoints.iter().map(Endpoint::new).collect(),
            balance: settings.balance,
            cycle: balance::cycle(&weights),
            next: AtomicUsize::new(0),
            host: settings.host.clone(),
            protocol: settings.protocol,
            pool: PoolSettings {
                connect_timeout: settings.connect_timeout.duration(),
                max_streams: settings.max_streams.get(),
                keep_alive: KeepAlive {
                    idle_timeout: settings.idle_timeout.duration(),
                    max_idle: settings.max_idle,
                },
            },
        }
    }

    /// Its name in the configuration.
    pub fn name(&self) -> &Arc<str> {
        &self.name
    }

    /// The protocol towards its endpoints.
    pub fn protocol(&self) -> Protocol {
        self.protocol
    }

    /// Its endpoints, in the order of the configuration.
    pub fn endpoints(&self) -> &[Endpoint] {
        &self.endpoints
    }

    /// The index of the endpoint for a first attempt; `None` when no endpoint has any weight. `random` is called only when the
    /// balance needs it.
    pub(crate) fn first(&self, random: impl FnOnce() -> usize) -> Option<usize> {
        let position = match self.cycle.len() {
            0 => return None,
            1 => 0,
            length => match self.balance {
                Balance::RoundRobin => self.next.fetch_add(1, Ordering::Relaxed) % length,
                Balance::Random => random() % length,
            },
        };
        Some(self.cycle[position] as usize)
    }

    /// The index of the endpoint behind the one at `failed` that takes part in balancing.
    pub(crate) fn after(&self, failed: usize) -> usize {
        let count = self.endpoints.len();
        (1..count)
            .map(|step| (failed + step) % count)
            .find(|&index| self.cycle.contains(&(index as u32)))
            .unwrap_or(failed)
    }
}

impl Endpoint {
    fn new(settings: &EndpointSettings) -> Self {
        let host = HeaderValue::from_str(&settings.address.to_string())
            .expect("an address consists of a checked host name or an IP address, and digits");
        Self {
            target: Target::clear_text(settings.address.clone()),
            labels: settings.labels.clone(),
            host,
        }
    }

    /// The address that it listens on.
    pub fn address(&self) -> &Address {
        &self.target.address
    }

    /// What connections to it lead to.
    pub(crate) fn target(&self) -> &Target {
        &self.target
    }

    /// Its labels.
    pub fn labels(&self) -> &BTreeMap<String, String> {
        &self.labels
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::settings::Weight;

    fn upstream(weights: &[u16], balance: Balance) -> Upstream {
        let mut settings = UpstreamSettings::of(
            (0..weights.len()).map(|port| format!("127.0.0.1:{}", port + 1).parse().expect("a literal address")),
        );
        for (endpoint, &weight) in settings.endpoints.iter_mut().zip(weights) {
            endpoint.weight = Weight::new(weight).expect("weight in range");
        }
        settings.balance = balance;
        Upstream::new("test", &settings)
    }

    #[test]
    fn round_robin_is_exact_over_every_cycle() {
        let upstream = upstream(&[3, 0, 1], Balance::RoundRobin);
        for _ in 0..100 {
            let mut counts = [0; 3];
            for _ in 0..4 {
                counts[upstream
                    .first(|| unreachable!("round robin is not random"))
                    .expect("there is weight")] += 1;
            }
            assert_eq!(counts, [3, 0, 1]);
        }
    }

    #[test]
    fn round_robin_is_exact_across_threads() {
        let upstream = upstream(&[2, 1], Balance::RoundRobin);
        let firsts: usize = std::thread::scope(|scope| {
            let threads: Vec<_> = (0..4)
                .map(|_| scope.spawn(|| (0..3000).filter(|_| upstream.first(|| 0) == Some(0)).count()))
                .collect();
            threads.into_iter().map(|thread| thread.join().expect("no panic")).sum()
        });
        assert_eq!(firsts, 8000);
    }

    #[test]
    fn random_honours_weights() {
        let upstream = upstream(&[3, 1], Balance::Random);
        let firsts = (0..4).filter(|&place| upstream.first(|| place) == Some(0)).count();
        assert_eq!(firsts, 3);
    }

    #[test]
    fn an_unreachable_endpoint_is_followed_by_one_that_has_weight() {
        let upstream = upstream(&[1, 0, 1], Balance::RoundRobin);
        assert_eq!(upstream.after(0), 2);
        assert_eq!(upstream.after(2), 0);
    }

    #[test]
    fn without_weight_there_is_no_endpoint() {
        assert_eq!(upstream(&[0], Balance::RoundRobin).first(|| 0), None);
        assert_eq!(upstream(&[], Balance::Random).first(|| 0), None);
    }
}
