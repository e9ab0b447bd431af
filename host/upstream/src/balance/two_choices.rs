//! The load of an endpoint, by which the less loaded one of two is picked.

use crate::endpoint::Endpoint;

/// Active requests, relative to the weight.
pub(crate) fn active(endpoint: &Endpoint) -> f32 {
    endpoint.standing().active() as f32 / f32::from(endpoint.weight().value())
}

/// How long a response will take if latencies stay what they are, in microseconds. `now` is the time of the group's clock.
pub(crate) fn expected(endpoint: &Endpoint, now: u64) -> f32 {
    let standing = endpoint.standing();
    standing.latency().decayed(now) * (standing.active() + 1) as f32
}
