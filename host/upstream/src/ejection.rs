//! Outlier detection at work: what attempts come to is counted for their endpoints, and changes are logged.

use std::sync::Arc;
use std::time::Duration;

use crate::endpoint::Endpoint;
use crate::group::Group;
use crate::policy::clock;
use crate::policy::outlier::{EndpointChange, Verdict};
use crate::settings::OutlierSettings;
use crate::standing::Ejection;

/// An ejection has no end of its own: a probe request ends it.
const NO_END: Duration = Duration::from_secs(10 * 365 * 86_400);

/// Notes what an attempt at `endpoint` came to.
pub(crate) fn note(group: &Group, settings: &OutlierSettings, endpoint: &Endpoint, verdict: Verdict) {
    let record = &endpoint.standing().outlier;
    let Some(cause) = record.count(settings, verdict) else {
        return;
    };
    let endpoints = group.endpoints();
    let records = endpoints.iter().map(|endpoint| &endpoint.standing().outlier);
    let detector = &group.policies.detector;
    let change = detector.eject(settings, record, records, cause, clock::now());
    announce(group, endpoint, Some(verdict), change);
}

/// Notes what the probe of `endpoint` came to; `None` if nothing.
pub(crate) fn note_probe(group: &Group, settings: &OutlierSettings, endpoint: &Endpoint, verdict: Option<Verdict>) {
    let endpoints = group.endpoints();
    let records = endpoints.iter().map(|endpoint| &endpoint.standing().outlier);
    let detector = &group.policies.detector;
    let change = detector.probed(settings, &endpoint.standing().outlier, records, verdict, clock::now());
    announce(group, endpoint, verdict, change);
}

/// An ejected endpoint that this request has to try, if there is one.
pub(crate) fn probe(group: &Group, settings: &OutlierSettings, is_repeatable: bool) -> Option<Arc<Endpoint>> {
    let now = clock::now();
    let detector = &group.policies.detector;
    if !detector.is_probe_due(now) {
        return None;
    }
    let endpoints = group.endpoints();
    let records = endpoints.iter().map(|endpoint| &endpoint.standing().outlier);
    let place = detector.probe(settings, records, is_repeatable, now)?;
    endpoints.get(place).cloned()
}

/// Ends all ejections: the upstream has no outlier detection any more.
pub(crate) fn end_all(group: &Group) {
    let endpoints = group.endpoints();
    let records = endpoints.iter().map(|endpoint| &endpoint.standing().outlier);
    group.policies.detector.clear(records);
    for endpoint in endpoints
        .iter()
        .filter(|endpoint| endpoint.standing().ejection().is_some())
    {
        group.readmit(endpoint);
    }
}

fn announce(group: &Group, endpoint: &Endpoint, verdict: Option<Verdict>, change: Option<EndpointChange>) {
    match change {
        None => {}
        Some(EndpointChange::Ejected { cause, time, times }) => {
            group.policies.counts.ejection(cause);
            endpoint.standing().set_ejections(times);
            let why = format!("{} for {} s", cause.as_str(), time.as_secs_f64());
            group.eject(
                endpoint,
                Ejection {
                    until: clock::now() + NO_END,
                    why: why.into(),
                },
            );
            tracing::warn!(
                upstream = %group.name(),
                endpoint = %endpoint.address(),
                cause = cause.as_str(),
                last = verdict.map(tracing::field::display),
                seconds = time.as_secs_f64(),
                times,
                "endpoint ejected"
            );
        }
        Some(EndpointChange::Returned) => {
            group.readmit(endpoint);
            tracing::info!(
                upstream = %group.name(),
                endpoint = %endpoint.address(),
                "endpoint back: its probe request succeeded"
            );
        }
    }
}
