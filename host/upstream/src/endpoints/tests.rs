//! The order of picks, and who is left out.

use lockgate_client::{Address, Security};

use super::*;
use crate::settings::{EndpointSettings, Weight};
use crate::standing::Health;

fn endpoints(weights: &[u16], balance: Balance) -> Endpoints {
    let endpoint = |(&weight, port): (&u16, u16)| {
        let weight = Weight::new(weight).expect("weight in range");
        let settings = EndpointSettings::at(Address::Socket(([127, 0, 0, 1], port).into()));
        Arc::new(Endpoint::new(
            &settings,
            weight,
            Arc::new(Standing::new(None)),
            &Security::ClearText,
        ))
    };
    Endpoints::new(weights.iter().zip(1..).map(endpoint).collect(), balance)
}

/// The same endpoints, picked as they are available now.
fn again(endpoints: &Endpoints) -> Endpoints {
    Endpoints::new(endpoints.list().into(), endpoints.balance)
}

fn first(endpoints: &Endpoints, next: &AtomicUsize, random: impl Fn() -> usize) -> Option<usize> {
    let picked = endpoints.first(next, random, || 0)?;
    endpoints
        .list()
        .iter()
        .position(|endpoint| Arc::ptr_eq(endpoint, picked))
}

fn fail(endpoints: &Endpoints, index: usize) {
    let standing = endpoints.list()[index].standing();
    standing.set_health(Health::Unhealthy, None, std::time::Instant::now());
}

fn after(endpoints: &Endpoints, failed: usize) -> Option<usize> {
    let next = endpoints.after(endpoints.list()[failed].standing())?;
    endpoints.list().iter().position(|endpoint| Arc::ptr_eq(endpoint, next))
}

fn counts(endpoints: &Endpoints, picks: usize) -> Vec<usize> {
    let (next, mut counts) = (AtomicUsize::new(0), vec![0; endpoints.list().len()]);
    for _ in 0..picks {
        counts[first(endpoints, &next, || unreachable!("not random")).expect("there is weight")] += 1;
    }
    counts
}

#[test]
fn round_robin_is_exact_over_every_cycle() {
    let endpoints = endpoints(&[3, 0, 1], Balance::RoundRobin);
    assert_eq!(counts(&endpoints, 4), [3, 0, 1]);
    assert_eq!(counts(&endpoints, 400), [300, 0, 100]);
}

#[test]
fn round_robin_is_exact_across_threads() {
    let (endpoints, next) = (endpoints(&[2, 1], Balance::RoundRobin), AtomicUsize::new(0));
    let firsts: usize = std::thread::scope(|scope| {
        let picked = || (0..3000).filter(|_| first(&endpoints, &next, || 0) == Some(0)).count();
        let threads: Vec<_> = (0..4).map(|_| scope.spawn(picked)).collect();
        threads.into_iter().map(|thread| thread.join().expect("no panic")).sum()
    });
    assert_eq!(firsts, 8000);
}

#[test]
fn random_honours_weights() {
    let (endpoints, next) = (endpoints(&[3, 1], Balance::Random), AtomicUsize::new(0));
    let firsts = (0..4).filter(|&place| first(&endpoints, &next, || place) == Some(0));
    assert_eq!(firsts.count(), 3);
}

#[test]
fn an_unreachable_endpoint_is_followed_by_one_that_has_weight() {
    let endpoints = endpoints(&[1, 0, 1], Balance::RoundRobin);
    assert_eq!(after(&endpoints, 0), Some(2));
    assert_eq!(after(&endpoints, 2), Some(0));
}

#[test]
fn without_weight_there_is_no_endpoint() {
    for weights in [&[0][..], &[]] {
        let endpoints = endpoints(weights, Balance::RoundRobin);
        assert_eq!(first(&endpoints, &AtomicUsize::new(0), || 0), None);
    }
}

#[test]
fn an_unhealthy_endpoint_gives_its_share_to_all_others() {
    let before = endpoints(&[1, 1, 1, 1], Balance::RoundRobin);
    fail(&before, 1);
    // Until the cycle is made again, the neighbour takes them.
    assert_eq!(counts(&before, 400), [100, 0, 200, 100]);
    assert_eq!(counts(&again(&before), 300), [100, 0, 100, 100]);
}

#[test]
fn below_half_all_take_requests_but_those_that_drain() {
    let before = endpoints(&[1, 1, 1, 1], Balance::RoundRobin);
    fail(&before, 0);
    fail(&before, 1);
    assert_eq!(counts(&again(&before), 200), [0, 0, 100, 100]);
    fail(&before, 2);
    assert_eq!(counts(&again(&before), 400), [100; 4]);
    before.list()[3]
        .standing()
        .set_draining(true, std::time::Instant::now());
    assert_eq!(counts(&again(&before), 300), [100, 100, 100, 0]);
}
