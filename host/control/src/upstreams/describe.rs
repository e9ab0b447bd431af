//! From living groups to the reports of `/api/upstreams`.

use std::collections::HashSet;
use std::sync::Arc;
use std::time::Instant;

use lockgate_discovery::SourceStatus;
use lockgate_upstream::{BreakerState, Endpoint, EndpointState, Group, Source, Upstream};

use super::report::{DiscoveryReport, EndpointReport, UpstreamReport};
use super::state::State;

/// An upstream as it is now, with the status of its source of discovery.
pub(super) fn upstream(state: &State, live: &Upstream, source: Option<&SourceStatus>, now: Instant) -> UpstreamReport {
    let group = live.group();
    let of = |source| -> HashSet<String> {
        let endpoints = group.source(source);
        endpoints.iter().map(|endpoint| endpoint.address.to_string()).collect()
    };
    let (configured, discovered) = (of(Source::Configured), of(Source::Discovered));
    let overlay = state.overlay().1.upstreams.get(&**group.name());
    let breaker = live.policy_report().and_then(|report| report.breaker);
    let breaker_override = overlay.and_then(|overlay| overlay.breaker);
    let endpoint = |endpoint: Arc<Endpoint>| {
        let address = endpoint.address().to_string();
        let source = match (configured.contains(&address), discovered.contains(&address)) {
            (true, _) => "configuration",
            (false, true) => "discovery",
            (false, false) => "registration",
        };
        describe(state, group, &endpoint, source, now)
    };
    UpstreamReport {
        name: group.name().to_string(),
        breaker: breaker.unwrap_or(BreakerState::Closed).as_str(),
        breaker_override,
        discovery: source.map(|source| DiscoveryReport {
            source: source.source,
            age_seconds: source.age().map(|age| age.as_secs_f64()),
            last_error: source.last_error.clone(),
        }),
        endpoints: group.endpoints().into_iter().map(endpoint).collect(),
    }
}

fn describe(state: &State, group: &Group, endpoint: &Endpoint, source: &'static str, now: Instant) -> EndpointReport {
    let (name, address) = (group.name(), endpoint.address());
    let standing = endpoint.standing();
    let condition = standing.state();
    let is_leaving = state.is_leaving(&(name.clone(), address.clone()));
    let why = match condition {
        EndpointState::Healthy => None,
        EndpointState::Draining if is_leaving => Some("removed by the admin API".to_owned()),
        EndpointState::Draining => Some("drained by the admin API".to_owned()),
        EndpointState::Unhealthy | EndpointState::Ejected => standing.why().map(|why| why.to_string()),
    };
    let end = state.registration_end(name, address);
    let overlay = state.overlay().1.endpoint(name, address);
    EndpointReport {
        address: address.to_string(),
        weight: endpoint.weight(),
        labels: endpoint.labels().clone(),
        state: condition.as_str(),
        why,
        active: standing.active().into(),
        requests: standing.requests(),
        failures: standing.failures(),
        source,
        expires_in_seconds: end.map(|end| end.saturating_duration_since(now).as_secs_f64()),
        turned: is_leaving || overlay.is_some_and(|overlay| overlay.is_turned()),
    }
}
