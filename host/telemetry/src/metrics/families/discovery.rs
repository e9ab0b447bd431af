//! Families of discovery and of the resolver.

use super::{Family, Label, UPSTREAM, Value, Values};

const SOURCE: Label = Label {
    name: "source",
    values: Values::Open("type of the source: `discovery.type`"),
};

/// A lookup that gave addresses, as a value of `result`.
pub(in crate::metrics) const FOUND: &str = "success";
/// A lookup that gave none, as a value of `result`.
pub(in crate::metrics) const FAILED: &str = "failure";

pub(in crate::metrics) const LIST_AGE: Family = Family {
    unit: "seconds",
    ..Family::gauge(
        "lockgate_discovery_list_age_seconds",
        &[UPSTREAM, SOURCE],
        "Time since the source has confirmed the list of endpoints in force. No sample: there is no list.",
    )
};

pub(in crate::metrics) const UPDATES: Family = Family::counter(
    "lockgate_discovery_updates_total",
    &[UPSTREAM, SOURCE],
    "Lists of endpoints that differed from the one before.",
);

pub(in crate::metrics) const FAILURES: Family = Family::counter(
    "lockgate_discovery_failures_total",
    &[UPSTREAM, SOURCE],
    "Failures of a source to give a list of endpoints. The last list stays in force.",
);

pub(in crate::metrics) const RESOLVER_NAMES: Family =
    Family::gauge("lockgate_resolver_names", &[], "Host names that are kept current.");

pub(in crate::metrics) const RESOLVER_LOOKUPS: Family = Family::counter(
    "lockgate_resolver_lookups_total",
    &[Label {
        name: "result",
        values: Values::OneOf(&[
            Value {
                name: FOUND,
                meaning: "The name has addresses.",
            },
            Value {
                name: FAILED,
                meaning: "No server answered, or the name has no address. The last addresses stay in use.",
            },
        ]),
    }],
    "Lookups of host names, by result.",
);
