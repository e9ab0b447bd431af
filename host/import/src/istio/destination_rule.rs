//! DestinationRule: the policy for a host and its subsets.

use std::collections::BTreeMap;

use super::hosts;
use super::resources::Identity;
use super::traffic_policy::{self, TrafficPolicy};
use crate::fields::{Field, Section};
use crate::losses::Spot;

/// The policy for a host, or for all hosts of a pattern.
#[derive(Debug, Clone)]
pub(super) struct DestinationRule {
    /// Canonical name or pattern.
    pub(super) host: String,
    pub(super) policy: TrafficPolicy,
    pub(super) subsets: Vec<Subset>,
    pub(super) spot: Spot,
}

/// A subset of a host's endpoints.
#[derive(Debug, Clone)]
pub(super) struct Subset {
    pub(super) name: String,
    pub(super) labels: BTreeMap<String, String>,
    pub(super) policy: TrafficPolicy,
    pub(super) spot: Spot,
}

/// Reads one. None: it cannot be used.
pub(super) fn read(spec: &Section<'_>, identity: &Identity) -> Option<DestinationRule> {
    let why = "the gateway has no namespaces: the policy holds for every route";
    spec.lost("exportTo", why, "");
    if let Some(selector) = spec.get("workloadSelector") {
        spec.skip_all();
        let why = "this rule is for the sidecars of chosen workloads, and is left out as a whole";
        selector.lost(why, "remove workloadSelector, if the gateway should obey the rule");
        return None;
    }
    let host = spec.text("host")?;
    Some(DestinationRule {
        host: hosts::canonical(host, identity.namespace.as_deref()),
        policy: traffic_policy::read_in(spec),
        subsets: spec.sections("subsets").iter().filter_map(subset).collect(),
        spot: spec.field().spot(),
    })
}

fn subset(section: &Section<'_>) -> Option<Subset> {
    let labels = section.section("labels").map(|labels| labels.all()).unwrap_or_default();
    let label = |(name, field): (&str, Field<'_>)| Some((name.to_owned(), field.text()?.to_owned()));
    Some(Subset {
        name: section.text("name")?.to_owned(),
        labels: labels.into_iter().filter_map(label).collect(),
        policy: traffic_policy::read_in(section),
        spot: section.field().spot(),
    })
}
