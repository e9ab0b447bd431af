//! Families about the endpoints of upstreams.

use super::{Family, Label, UPSTREAM, Value, Values};

pub(in crate::metrics) const UPSTREAM_ENDPOINTS: Family = Family::gauge(
    "lockgate_upstream_endpoints",
    &[
        UPSTREAM,
        Label {
            name: "state",
            values: Values::OneOf(&[
                Value {
                    name: "healthy",
                    meaning: "It gets requests.",
                },
                Value {
                    name: "unhealthy",
                    meaning: "Health checks failed, or it waits for its first one.",
                },
                Value {
                    name: "ejected",
                    meaning: "Outlier detection has taken it out for a time.",
                },
                Value {
                    name: "draining",
                    meaning: "The admin API has set it to drain, or is removing it.",
                },
            ]),
        },
    ],
    "Endpoints of an upstream, by state.",
);

pub(in crate::metrics) const UPSTREAM_HEALTH_CHECKS: Family = Family::counter(
    "lockgate_upstream_health_checks_total",
    &[
        UPSTREAM,
        Label {
            name: "result",
            values: Values::OneOf(&[
                Value {
                    name: "pass",
                    meaning: "The probe passed.",
                },
                Value {
                    name: "connect",
                    meaning: "No connection was made.",
                },
                Value {
                    name: "timeout",
                    meaning: "The probe took longer than `health_check.timeout`.",
                },
                Value {
                    name: "broken",
                    meaning: "The connection broke, or what came is not a response.",
                },
                Value {
                    name: "response",
                    meaning: "The response has another status, or says that the service does not serve.",
                },
            ]),
        },
    ],
    "Health checks of an upstream's endpoints, by result.",
);
