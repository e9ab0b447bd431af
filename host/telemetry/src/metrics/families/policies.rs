//! Families about the policies of upstreams.

use super::{Family, Label, UPSTREAM, Value, Values};

/// A value without more to say than its name.
const fn value(name: &'static str, meaning: &'static str) -> Value {
    Value { name, meaning }
}

pub(in crate::metrics) const BREAKER_STATE: Family = Family::gauge(
    "lockgate_upstream_breaker_state",
    &[
        UPSTREAM,
        Label {
            name: "state",
            values: Values::OneOf(&[
                value("closed", "Requests pass."),
                value("open", "No request passes."),
                value("half_open", "A few requests pass, as probes."),
            ]),
        },
    ],
    "State of an upstream's circuit breaker: 1 for the state that it is in, 0 for the others.",
);

pub(in crate::metrics) const RETRIES: Family = Family::counter(
    "lockgate_upstream_retries_total",
    &[
        UPSTREAM,
        Label {
            name: "reason",
            values: Values::OneOf(&[
                value("connect", "No connection was made."),
                value("reset", "The connection broke before a response."),
                value(
                    "refused_stream",
                    "The upstream said that it had not processed the request.",
                ),
                value(
                    "timeout",
                    "There was no response within `timeouts.try` or `timeouts.first_byte`.",
                ),
                value("status", "The status of the response is one that is retried."),
                value("probe", "The attempt had tried an ejected endpoint."),
            ]),
        },
    ],
    "Further attempts that `retry` or outlier detection has made, by the reason of the first one's failure.",
);

pub(in crate::metrics) const RETRY_BUDGET_EXHAUSTED: Family = Family::counter(
    "lockgate_upstream_retry_budget_exhausted_total",
    &[UPSTREAM],
    "Retries and hedged attempts that were not made, because the budget of retries was exhausted.",
);

pub(in crate::metrics) const HEDGES: Family = Family::counter(
    "lockgate_upstream_hedges_total",
    &[
        UPSTREAM,
        Label {
            name: "result",
            values: Values::OneOf(&[
                value("won", "The second attempt was answered first."),
                value("lost", "The first attempt was answered first, or neither."),
            ]),
        },
    ],
    "Second attempts beside slow ones, by result.",
);

pub(in crate::metrics) const EJECTIONS: Family = Family::counter(
    "lockgate_upstream_ejections_total",
    &[
        UPSTREAM,
        Label {
            name: "cause",
            values: Values::OneOf(&[
                value("consecutive_5xx", "As many failures in a row as `consecutive_5xx`."),
                value(
                    "consecutive_gateway_errors",
                    "As many gateway errors in a row as `consecutive_gateway_errors`.",
                ),
                value(
                    "consecutive_local_origin_failures",
                    "As many failed connections, timeouts and resets in a row as `consecutive_local_origin_failures`.",
                ),
                value("probe_failed", "The probe request after an ejection failed."),
            ]),
        },
    ],
    "Ejections of an upstream's endpoints by outlier detection, by cause.",
);

pub(in crate::metrics) const SHED: Family = Family::counter(
    "lockgate_upstream_shed_total",
    &[
        UPSTREAM,
        Label {
            name: "reason",
            values: Values::OneOf(&[
                value("circuit_open", "The circuit breaker was open."),
                value("queue_full", "`concurrency.max` was reached, and the queue was full."),
                value(
                    "queue_timeout",
                    "No place became free within `concurrency.queue_timeout`.",
                ),
                value(
                    "displaced",
                    "A request of higher criticality took the place in the queue.",
                ),
            ]),
        },
    ],
    "Requests that were not sent to an upstream, by reason.",
);

pub(in crate::metrics) const CONCURRENCY: Family = Family::gauge(
    "lockgate_upstream_concurrency",
    &[
        UPSTREAM,
        Label {
            name: "state",
            values: Values::OneOf(&[
                value("active", "Requests whose response has not ended."),
                value("queued", "Requests that wait for a place."),
            ]),
        },
    ],
    "Requests at an upstream with `concurrency`, by state.",
);
