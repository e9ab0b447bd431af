//! [`Endpoints`]: the servers of an upstream and the order in which they are picked.

use std::sync::atomic::{AtomicUsize, Ordering};

use http::HeaderValue;
use lockgate_client::Target;

use crate::balance;
use crate::settings::{Balance, EndpointSettings};

/// The servers of an upstream and the order in which they are picked.
#[derive(Debug)]
pub(crate) struct Endpoints {
    list: Vec<Endpoint>,
    balance: Balance,
    /// Indexes of the list, in the order of balancing.
    cycle: Box<[u32]>,
    /// The next position in the cycle. Shared, so that the order is exact across workers.
    next: AtomicUsize,
}

/// One server of an upstream.
#[derive(Debug)]
pub(crate) struct Endpoint {
    /// What connections to it lead to.
    pub(crate) target: Target,
    /// Its address as a `Host` value, for [`HostPolicy::Endpoint`](crate::HostPolicy::Endpoint).
    pub(crate) host: HeaderValue,
}

impl Endpoints {
    /// The endpoints that these settings describe, in the same order.
    pub(crate) fn new(settings: &[EndpointSettings], balance: Balance) -> Self {
        let weights: Vec<u16> = settings.iter().map(|endpoint| endpoint.weight.value()).collect();
        Self {
            list: settings.iter().map(Endpoint::new).collect(),
            balance,
            cycle: balance::cycle(&weights),
            next: AtomicUsize::new(0),
        }
    }

    /// The endpoint at `index`, which [`Endpoints::first`] or [`Endpoints::after`] gave.
    pub(crate) fn at(&self, index: usize) -> &Endpoint {
        &self.list[index]
    }

    /// How many there are, those without weight among them.
    pub(crate) fn count(&self) -> usize {
        self.list.len()
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
        let count = self.list.len();
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
            host,
        }
    }
}

#[cfg(test)]
mod tests {
    use lockgate_client::Address;

    use super::*;
    use crate::settings::Weight;

    fn endpoints(weights: &[u16], balance: Balance) -> Endpoints {
        let settings = |(weight, port): (&u16, u16)| EndpointSettings {
            weight: Weight::new(*weight).expect("weight in range"),
            ..EndpointSettings::at(Address::Socket(([127, 0, 0, 1], port).into()))
        };
        let settings: Vec<EndpointSettings> = weights.iter().zip(1..).map(settings).collect();
        Endpoints::new(&settings, balance)
    }

    #[test]
    fn round_robin_is_exact_over_every_cycle() {
        let endpoints = endpoints(&[3, 0, 1], Balance::RoundRobin);
        for _ in 0..100 {
            let mut counts = [0; 3];
            for _ in 0..4 {
                counts[endpoints
                    .first(|| unreachable!("round robin is not random"))
                    .expect("there is weight")] += 1;
            }
            assert_eq!(counts, [3, 0, 1]);
        }
    }

    #[test]
    fn round_robin_is_exact_across_threads() {
        let endpoints = endpoints(&[2, 1], Balance::RoundRobin);
        let firsts: usize = std::thread::scope(|scope| {
            let threads: Vec<_> = (0..4)
                .map(|_| scope.spawn(|| (0..3000).filter(|_| endpoints.first(|| 0) == Some(0)).count()))
                .collect();
            threads.into_iter().map(|thread| thread.join().expect("no panic")).sum()
        });
        assert_eq!(firsts, 8000);
    }

    #[test]
    fn random_honours_weights() {
        let endpoints = endpoints(&[3, 1], Balance::Random);
        let firsts = (0..4).filter(|&place| endpoints.first(|| place) == Some(0)).count();
        assert_eq!(firsts, 3);
    }

    #[test]
    fn an_unreachable_endpoint_is_followed_by_one_that_has_weight() {
        let endpoints = endpoints(&[1, 0, 1], Balance::RoundRobin);
        assert_eq!(endpoints.after(0), 2);
        assert_eq!(endpoints.after(2), 0);
    }

    #[test]
    fn without_weight_there_is_no_endpoint() {
        assert_eq!(endpoints(&[0], Balance::RoundRobin).first(|| 0), None);
        assert_eq!(endpoints(&[], Balance::Random).first(|| 0), None);
    }
}
