//! Three endpoints that serve one request at a time, one of them four times slower than the others; time is simulated.

use std::cell::Cell;
use std::collections::VecDeque;
use std::sync::Arc;
use std::sync::atomic::AtomicUsize;

use lockgate_client::{Address, Security};

use crate::endpoint::Endpoint;
use crate::endpoints::Endpoints;
use crate::rng::Rng;
use crate::settings::{Balance, EndpointSettings, Weight};
use crate::standing::Standing;

fn endpoints(weights: &[u16], balance: Balance) -> Endpoints {
    let endpoint = |(&weight, port): (&u16, u16)| {
        let settings = EndpointSettings::at(Address::Socket(([127, 0, 0, 1], port).into()));
        let weight = Weight::new(weight).expect("in range");
        Arc::new(Endpoint::new(
            &settings,
            weight,
            Arc::new(Standing::new(None)),
            &Security::ClearText,
        ))
    };
    Endpoints::new(weights.iter().zip(1..).map(endpoint).collect(), balance)
}

/// The 99th percentile of latencies, in milliseconds: 20,000 requests, one every 2.5 ms.
fn p99(balance: Balance) -> u64 {
    const SERVICE: [u64; 3] = [5_000, 5_000, 20_000];
    let (endpoints, next, random) = (endpoints(&[1; 3], balance), AtomicUsize::new(0), Rng::from_seed(7));
    let (mut free_at, mut active) = ([0u64; 3], [const { VecDeque::<(u64, u64)>::new() }; 3]);
    let mut latencies = Vec::new();
    for now in (0..20_000u64).map(|request| request * 2_500) {
        for (endpoint, active) in endpoints.list().iter().zip(&mut active) {
            while let Some((begun, ended)) = active.pop_front_if(|(_, ended)| *ended <= now) {
                endpoint.standing().latency().note(ended - begun, false, ended);
                endpoint.standing().end();
            }
        }
        let picked = endpoints.first(&next, || random.next(), || now).expect("there is one");
        let index = endpoints.list().iter().position(|known| Arc::ptr_eq(known, picked));
        let index = index.expect("it is in the list");
        free_at[index] = free_at[index].max(now) + SERVICE[index];
        picked.standing().begin();
        active[index].push_back((now, free_at[index]));
        latencies.push(free_at[index] - now);
    }
    latencies.sort_unstable();
    latencies[latencies.len() * 99 / 100] / 1000
}

#[test]
fn both_beat_the_p99_of_round_robin_with_one_slow_endpoint() {
    let (round_robin, least_request, peak_ewma) = (
        p99(Balance::RoundRobin),
        p99(Balance::LeastRequest),
        p99(Balance::PeakEwma),
    );
    println!("p99: round robin {round_robin} ms, least request {least_request} ms, peak EWMA {peak_ewma} ms");
    assert!(least_request * 10 < round_robin, "{least_request} ms, {round_robin} ms");
    assert!(peak_ewma * 10 < round_robin, "{peak_ewma} ms, {round_robin} ms");
}

/// The shares of 100,000 picks of idle endpoints, in thousandths; the one at `ejected` is unavailable.
fn shares(weights: &[u16], balance: Balance, ejected: Option<usize>) -> Vec<f64> {
    let all = endpoints(weights, balance);
    if let Some(ejected) = ejected {
        let until = std::time::Instant::now() + std::time::Duration::from_secs(60);
        let why = "test".into();
        all.list()[ejected]
            .standing()
            .eject(crate::standing::Ejection { until, why });
    }
    let endpoints = Endpoints::new(all.list().into(), balance);
    let (next, random, counts) = (AtomicUsize::new(0), Rng::from_seed(11), Cell::new([0u32; 4]));
    for _ in 0..100_000 {
        let picked = endpoints.first(&next, || random.next(), || 0).expect("there is one");
        let index = endpoints.list().iter().position(|known| Arc::ptr_eq(known, picked));
        let mut counted = counts.get();
        counted[index.expect("it is in the list")] += 1;
        counts.set(counted);
    }
    let counts = counts.get();
    counts[..weights.len()]
        .iter()
        .map(|&count| f64::from(count) / 100_000.0)
        .collect()
}

#[test]
fn shares_are_within_two_percent_of_the_weights() {
    use Balance::{LeastRequest, PeakEwma, Random, RoundRobin};
    for balance in [RoundRobin, Random, LeastRequest, PeakEwma] {
        for (weights, ejected, expected) in [
            (&[1, 1, 1, 1], None, [0.25; 4]),
            (&[4, 3, 2, 1], None, [0.4, 0.3, 0.2, 0.1]),
            (&[4, 3, 2, 1], Some(1), [4.0 / 7.0, 0.0, 2.0 / 7.0, 1.0 / 7.0]),
        ] {
            for (share, expected) in shares(weights, balance, ejected).into_iter().zip(expected) {
                assert!(
                    (share - expected).abs() < 0.02 * expected.max(0.1),
                    "{balance:?} {weights:?}: {share}, not {expected}"
                );
            }
        }
    }
}
