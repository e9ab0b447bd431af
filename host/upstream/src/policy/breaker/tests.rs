//! The circuit breaker in its three modes, in held time.

use serde_json::json;

use super::*;

fn settings(value: serde_json::Value) -> BreakerSettings {
    serde_json::from_value(value).expect("settings")
}

fn ratio() -> BreakerSettings {
    settings(
        json!({ "mode": "error_ratio", "threshold": 0.5, "min_requests": 4, "window": "10s", "open": "5s", "half_open": 2 }),
    )
}

struct Held {
    breaker: Breaker,
    settings: BreakerSettings,
    now: Instant,
}

impl Held {
    fn new(settings: BreakerSettings) -> Self {
        let now = Instant::now();
        Self {
            breaker: Breaker::new(now),
            settings,
            now,
        }
    }

    fn pass(&mut self, seconds: u64) {
        self.now += Duration::from_secs(seconds);
    }

    fn admit(&self) -> Admission {
        self.breaker.admit(&self.settings, self.now)
    }

    /// A whole request, if it passes.
    fn request(&self, is_failure: bool, millis: u64) -> Result<Option<BreakerChange>, Duration> {
        let ticket = self.admit().verdict.map_err(|refused| refused.retry_after)?;
        let outcome = Outcome {
            is_failure,
            latency: Duration::from_millis(millis),
        };
        Ok(self.breaker.record(&self.settings, ticket, outcome, self.now))
    }

    fn state(&self) -> BreakerState {
        self.breaker.state(self.now)
    }
}

#[test]
fn errors_open_it_and_probes_close_it() {
    let mut held = Held::new(ratio());
    for is_failure in [false, true, false] {
        assert_eq!(held.request(is_failure, 1), Ok(None));
    }
    let change = held
        .request(true, 1)
        .expect("it is closed")
        .expect("half of four failed");
    assert_eq!(change.to, BreakerState::Open);
    assert_eq!(&*change.why, "2 of 4 requests in 10s failed");
    held.pass(2);
    assert_eq!(held.request(false, 1), Err(Duration::from_secs(3)));
    held.pass(3);
    assert_eq!(held.state(), BreakerState::HalfOpen);
    let (first, second) = (held.admit(), held.admit());
    assert_eq!(first.change.expect("a change").to, BreakerState::HalfOpen);
    assert!(held.admit().verdict.is_err(), "two probes, no third");
    let outcome = Outcome {
        is_failure: false,
        latency: Duration::ZERO,
    };
    let record = |admission: Admission| {
        let ticket = admission.verdict.expect("a probe");
        held.breaker.record(&held.settings, ticket, outcome, held.now)
    };
    assert_eq!(record(Admission { change: None, ..first }), None);
    assert_eq!(record(second).expect("a change").to, BreakerState::Closed);
    assert_eq!(held.state(), BreakerState::Closed);
    assert_eq!(held.request(true, 1), Ok(None), "what was counted before is forgotten");
}

#[test]
fn a_probe_that_fails_opens_it_again() {
    let mut held = Held::new(ratio());
    for _ in 0..4 {
        let _ = held.request(true, 1);
    }
    held.pass(5);
    let change = held.request(true, 1).expect("a probe").expect("a change");
    assert_eq!(
        (change.to, &*change.why),
        (BreakerState::Open, "a probe request failed")
    );
    assert_eq!(held.request(false, 1), Err(Duration::from_secs(5)));
}

#[test]
fn a_probe_whose_client_left_makes_room_for_another() {
    let mut held = Held::new(ratio());
    for _ in 0..4 {
        let _ = held.request(true, 1);
    }
    held.pass(5);
    let probes = [held.admit(), held.admit()];
    assert!(held.admit().verdict.is_err());
    for probe in probes {
        held.breaker.release(probe.verdict.expect("a probe"));
    }
    assert!(held.admit().verdict.is_ok());
}

#[test]
fn a_request_from_before_a_change_says_nothing_about_the_present() {
    let mut held = Held::new(ratio());
    let late = held.admit().verdict.expect("it is closed");
    for _ in 0..4 {
        let _ = held.request(true, 1);
    }
    held.pass(5);
    let _probe = held.admit();
    let outcome = Outcome {
        is_failure: true,
        latency: Duration::ZERO,
    };
    assert_eq!(held.breaker.record(&held.settings, late, outcome, held.now), None);
    assert_eq!(held.state(), BreakerState::HalfOpen);
}

#[test]
fn too_few_requests_say_nothing() {
    let held = Held::new(ratio());
    for _ in 0..3 {
        assert_eq!(held.request(true, 1), Ok(None));
    }
    assert_eq!(held.state(), BreakerState::Closed);
}

#[test]
fn errors_that_are_spread_out_do_not_add_up() {
    let mut held = Held::new(ratio());
    for _ in 0..100 {
        assert_eq!(held.request(true, 1), Ok(None));
        held.pass(4);
    }
}

#[test]
fn the_call_over_the_volume_is_the_first_that_is_refused() {
    let mut held = Held::new(settings(
        json!({ "mode": "volume", "threshold": 3, "window": "10s", "open": "5s", "half_open": 1 }),
    ));
    for _ in 0..3 {
        assert_eq!(held.request(true, 1), Ok(None));
    }
    let over = held.admit();
    assert_eq!(over.state, BreakerState::Open);
    assert_eq!(
        &*over.change.expect("a change").why,
        "4 calls in 10s are over the threshold"
    );
    assert!(over.verdict.is_err());
    held.pass(5);
    let closed = held.request(true, 1).expect("a probe").expect("a change");
    assert_eq!(closed.to, BreakerState::Closed, "volume does not ask how calls end");
    for _ in 0..3 {
        assert!(held.request(false, 1).is_ok());
    }
    assert!(held.request(false, 1).is_err());
}

#[test]
fn slow_requests_open_it() {
    let mut held = Held::new(settings(
        json!({ "mode": "latency", "threshold": "100ms", "min_requests": 4, "window": "10s", "open": "5s", "half_open": 1 }),
    ));
    for millis in [100, 100, 101] {
        assert_eq!(held.request(true, millis), Ok(None));
    }
    let change = held.request(false, 101).expect("closed").expect("a change");
    assert_eq!(&*change.why, "2 of 4 requests in 10s took longer than 100ms");
    held.pass(5);
    let change = held.request(false, 200).expect("a probe").expect("a change");
    assert_eq!(&*change.why, "a probe request was too slow");
    held.pass(5);
    assert_eq!(
        held.request(true, 99).expect("a probe").expect("a change").to,
        BreakerState::Closed
    );
}

#[test]
fn an_operator_can_hold_it() {
    let held = Held::new(ratio());
    held.breaker.force(Some(BreakerState::Open));
    assert_eq!(held.state(), BreakerState::Open);
    assert!(held.admit().verdict.is_err());
    held.breaker.force(Some(BreakerState::Closed));
    for _ in 0..100 {
        assert!(held.admit().verdict.is_ok());
    }
    held.breaker.force(None);
    assert_eq!(held.state(), BreakerState::Closed);
}

/// Whatever happens, no more than `half_open` requests pass between two changes of state while it is half-open, and none while it is open.
#[test]
fn at_random_no_more_pass_than_may() {
    let mut random = 7u64;
    let mut next = move |bound: u64| {
        random = random
            .wrapping_mul(6_364_136_223_846_793_005)
            .wrapping_add(1_442_695_040_888_963_407);
        (random >> 33) % bound
    };
    let mut held = Held::new(ratio());
    let mut in_flight: Vec<(u64, BreakerTicket)> = Vec::new();
    for _ in 0..100_000 {
        match next(10) {
            0 => held.now += Duration::from_millis(next(3000)),
            1..5 => {
                let admission = held.admit();
                match (admission.state, admission.verdict) {
                    (BreakerState::Open, verdict) => assert!(verdict.is_err()),
                    (_, Ok(ticket)) => in_flight.push((ticket.generation, ticket)),
                    (state, Err(_)) => assert_eq!(state, BreakerState::HalfOpen),
                }
                let generation = held.breaker.inner().generation;
                let probes = in_flight.iter().filter(|(of, _)| *of == generation).count();
                if held.state() == BreakerState::HalfOpen {
                    assert!(probes <= 2, "{probes} probes");
                }
            }
            _ if !in_flight.is_empty() => {
                let at = next(in_flight.len() as u64) as usize;
                let (_, ticket) = in_flight.swap_remove(at);
                if next(5) == 0 {
                    held.breaker.release(ticket);
                } else {
                    let outcome = Outcome {
                        is_failure: next(3) == 0,
                        latency: Duration::ZERO,
                    };
                    let _ = held.breaker.record(&held.settings, ticket, outcome, held.now);
                }
            }
            _ => {}
        }
    }
}
