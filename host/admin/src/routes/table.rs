//! The table: every path.

use http::Method;
use lockgate_control::{
    EndpointChange, EndpointChanged, OverlayReport, PluginDetail, PluginsReport, Registration, RoutesReport,
    UpstreamChange, UpstreamChanged, UpstreamReport,
};
use lockgate_telemetry::call_trace::{TraceReport, TraceRule};
use lockgate_telemetry::log_filter::{LogReport, LogRule};
use schemars::schema_for;

use super::{Content, Operation, Parameter, Route};
use crate::api::health::HealthReport;
use crate::api::{health, log, plugins, routes, trace, upstreams};
use crate::error::ApiError;

const NOT_READY: &str = "the gateway starts and has no configuration yet";

const INVALID_ADDRESS: &str = "the body or the address is invalid; `detail` has every mistake";
const UNKNOWN_UPSTREAM: &str = "no upstream has this name";
const UNKNOWN_ENDPOINT: &str = "no upstream has this name, or it has no endpoint of this address";

/// The errors of calls with a body of JSON, and these.
fn with_body(mut errors: Vec<(ApiError, &'static str)>) -> Vec<(ApiError, &'static str)> {
    errors.extend([
        (ApiError::RequestTimeout, "the body did not arrive in 10 seconds"),
        (ApiError::BodyTooLarge, "the body is larger than 64 KiB"),
        (ApiError::Unprocessable(String::new()), INVALID_ADDRESS),
    ]);
    errors
}

/// Every path.
pub static ROUTES: &[Route] = &[
    Route {
        path: "/healthz",
        is_open: true,
        operations: &[Operation {
            method: Method::GET,
            summary: "Liveness: 200 while the process runs.",
            query: &[],
            body: None,
            response: Content::Json(|| schema_for!(HealthReport)),
            errors: Vec::new,
            handler: |_, _| Box::pin(async { health::health() }),
        }],
    },
    Route {
        path: "/readyz",
        is_open: true,
        operations: &[Operation {
            method: Method::GET,
            summary: "Readiness: 200 while the gateway accepts requests and every plugin that denies when it fails has started.",
            query: &[],
            body: None,
            response: Content::Json(|| schema_for!(HealthReport)),
            errors: || {
                let plugin = String::new();
                vec![
                    (ApiError::NotReady, "the gateway starts or drains"),
                    (
                        ApiError::PluginNotStarted { worker: 0, plugin },
                        "a plugin did not start on a worker; the start is tried again",
                    ),
                ]
            },
            handler: |handle, _| Box::pin(async { health::readiness(handle) }),
        }],
    },
    Route {
        path: "/metrics",
        is_open: true,
        operations: &[Operation {
            method: Method::GET,
            summary: "All [metrics](metrics.md).",
            query: &[],
            body: None,
            response: Content::Text("Prometheus' text format, version 0.0.4"),
            errors: Vec::new,
            handler: |handle, _| Box::pin(async { health::metrics(handle) }),
        }],
    },
    Route {
        path: "/api/plugins",
        is_open: false,
        operations: &[Operation {
            method: Method::GET,
            summary: "Every plugin of the configuration and every module file, with state and last error.",
            query: &[],
            body: None,
            response: Content::Json(|| schema_for!(PluginsReport)),
            errors: || vec![(ApiError::NotReady, NOT_READY)],
            handler: |handle, _| Box::pin(plugins::list(handle)),
        }],
    },
    Route {
        path: "/api/routes",
        is_open: false,
        operations: &[Operation {
            method: Method::GET,
            summary: "Every route of the live configuration: its conditions, chain and destination. Values of conditions on headers and \
                      bodies of fixed responses are not shown.",
            query: &[],
            body: None,
            response: Content::Json(|| schema_for!(RoutesReport)),
            errors: || vec![(ApiError::NotReady, NOT_READY)],
            handler: |handle, _| Box::pin(routes::list(handle)),
        }],
    },
    Route {
        path: "/api/plugins/{name}",
        is_open: false,
        operations: &[Operation {
            method: Method::GET,
            summary: "One plugin in detail: time by phase, CPU, host calls, refusals, events, failures, last traps. In the name, `%2F` \
                      stands for a slash and `%3A` for a colon.",
            query: &[],
            body: None,
            response: Content::Json(|| schema_for!(PluginDetail)),
            errors: || {
                vec![
                    (ApiError::NotFound, "no plugin has this name"),
                    (ApiError::NotReady, NOT_READY),
                ]
            },
            handler: |handle, call| Box::pin(plugins::detail(handle, call)),
        }],
    },
    Route {
        path: "/api/plugins/{name}/profile",
        is_open: false,
        operations: &[Operation {
            method: Method::GET,
            summary: "A CPU profile of a plugin. The response comes when the time is over.",
            query: &[Parameter {
                name: "seconds",
                meaning: "duration of the profile, a number from 1 to 60; default 5",
            }],
            body: None,
            response: Content::Text("folded stacks, one per line, for a flame graph"),
            errors: || {
                vec![
                    (ApiError::InvalidQuery(String::new()), "`seconds` is not a number"),
                    (
                        ApiError::NotFound,
                        "no plugin has this name, or another profile of it is running",
                    ),
                    (ApiError::NotReady, NOT_READY),
                ]
            },
            handler: |handle, call| Box::pin(plugins::profile(handle, call)),
        }],
    },
    Route {
        path: "/api/log",
        is_open: false,
        operations: &[
            Operation {
                method: Method::GET,
                summary: "Levels of the [log](operating.md#log).",
                query: &[],
                body: None,
                response: Content::Json(|| schema_for!(LogReport)),
                errors: Vec::new,
                handler: |_, _| Box::pin(async { log::status() }),
            },
            Operation {
                method: Method::PUT,
                summary: "Sets other levels for a while; those in force are replaced.",
                query: &[],
                body: Some(|| schema_for!(LogRule)),
                response: Content::Json(|| schema_for!(LogReport)),
                errors: || {
                    vec![
                        (
                            ApiError::InvalidBody(String::new()),
                            "the body is not a rule; `detail` has the reason",
                        ),
                        (ApiError::RequestTimeout, "the body did not arrive in 10 seconds"),
                        (ApiError::BodyTooLarge, "the body is larger than 64 KiB"),
                    ]
                },
                handler: |_, call| Box::pin(log::set(call)),
            },
            Operation {
                method: Method::DELETE,
                summary: "Sets the levels of the start.",
                query: &[],
                body: None,
                response: Content::Json(|| schema_for!(LogReport)),
                errors: Vec::new,
                handler: |_, _| Box::pin(async { log::reset() }),
            },
        ],
    },
    Route {
        path: "/api/trace",
        is_open: false,
        operations: &[
            Operation {
                method: Method::GET,
                summary: "State of the [host call trace](operating.md#tracing-host-calls).",
                query: &[],
                body: None,
                response: Content::Json(|| schema_for!(TraceReport)),
                errors: Vec::new,
                handler: |handle, _| Box::pin(async { trace::status(handle) }),
            },
            Operation {
                method: Method::PUT,
                summary: "Starts a host call trace; a running one is replaced.",
                query: &[],
                body: Some(|| schema_for!(TraceRule)),
                response: Content::Json(|| schema_for!(TraceReport)),
                errors: || {
                    vec![
                        (
                            ApiError::InvalidBody(String::new()),
                            "the body is not a rule; `detail` has the reason",
                        ),
                        (ApiError::RequestTimeout, "the body did not arrive in 10 seconds"),
                        (ApiError::BodyTooLarge, "the body is larger than 64 KiB"),
                    ]
                },
                handler: |handle, call| Box::pin(trace::start(handle, call)),
            },
            Operation {
                method: Method::DELETE,
                summary: "Stops the host call trace.",
                query: &[],
                body: None,
                response: Content::Json(|| schema_for!(TraceReport)),
                errors: Vec::new,
                handler: |handle, _| Box::pin(async { trace::stop(handle) }),
            },
        ],
    },
    Route {
        path: "/api/upstreams",
        is_open: false,
        operations: &[Operation {
            method: Method::GET,
            summary: "Every upstream with its endpoints: state and its reason, weight, requests, failures.",
            query: &[],
            body: None,
            response: Content::Json(|| schema_for!(Vec<UpstreamReport>)),
            errors: Vec::new,
            handler: |handle, _| Box::pin(async { upstreams::list(handle) }),
        }],
    },
    Route {
        path: "/api/upstreams/{name}",
        is_open: false,
        operations: &[
            Operation {
                method: Method::GET,
                summary: "One upstream.",
                query: &[],
                body: None,
                response: Content::Json(|| schema_for!(UpstreamReport)),
                errors: || vec![(ApiError::UnknownName(String::new()), UNKNOWN_UPSTREAM)],
                handler: |handle, call| Box::pin(async move { upstreams::detail(handle, &call) }),
            },
            Operation {
                method: Method::PATCH,
                summary: "Holds the circuit breaker of an upstream open or closed, or lets it follow its own rules. The change is part of \
                          the [overlay](live-changes.md#the-overlay).",
                query: &[],
                body: Some(|| schema_for!(UpstreamChange)),
                response: Content::Json(|| schema_for!(UpstreamChanged)),
                errors: || {
                    with_body(vec![
                        (ApiError::UnknownName(String::new()), UNKNOWN_UPSTREAM),
                        (
                            ApiError::Conflict(String::new()),
                            "the upstream has no `circuit_breaker`",
                        ),
                    ])
                },
                handler: |handle, call| Box::pin(upstreams::change(handle, call)),
            },
        ],
    },
    Route {
        path: "/api/upstreams/{name}/endpoints/{address}",
        is_open: false,
        operations: &[
            Operation {
                method: Method::PUT,
                summary: "Registers an endpoint, HOST:PORT, or renews its registration (heartbeat). With `ttl` it leaves when the next heartbeat does \
                          not come in time. See [registration](live-changes.md#registration).",
                query: &[],
                body: Some(|| schema_for!(Registration)),
                response: Content::Json(|| schema_for!(EndpointChanged)),
                errors: || {
                    with_body(vec![
                        (ApiError::UnknownName(String::new()), UNKNOWN_UPSTREAM),
                        (
                            ApiError::Conflict(String::new()),
                            "the upstream, or the gateway, has too many registered endpoints",
                        ),
                    ])
                },
                handler: |handle, call| Box::pin(upstreams::register(handle, call)),
            },
            Operation {
                method: Method::PATCH,
                summary: "Changes the weight of an endpoint, or drains it. Heartbeats and reloads do not undo it.",
                query: &[],
                body: Some(|| schema_for!(EndpointChange)),
                response: Content::Json(|| schema_for!(EndpointChanged)),
                errors: || {
                    with_body(vec![
                        (ApiError::UnknownName(String::new()), UNKNOWN_ENDPOINT),
                        (ApiError::Conflict(String::new()), "the endpoint is being removed"),
                    ])
                },
                handler: |handle, call| Box::pin(upstreams::change_endpoint(handle, call)),
            },
            Operation {
                method: Method::DELETE,
                summary: "Removes an endpoint: it gets no new requests, and leaves the list when those in progress have ended, at the latest \
                          after `drain_timeout`. One of the configuration or of discovery stays away until it is registered by `PUT`.",
                query: &[],
                body: None,
                response: Content::Json(|| schema_for!(EndpointChanged)),
                errors: || {
                    vec![
                        (ApiError::UnknownName(String::new()), UNKNOWN_ENDPOINT),
                        (ApiError::Unprocessable(String::new()), "the address is not HOST:PORT"),
                    ]
                },
                handler: |handle, call| Box::pin(upstreams::remove(handle, call)),
            },
        ],
    },
    Route {
        path: "/api/overlay",
        is_open: false,
        operations: &[Operation {
            method: Method::GET,
            summary: "The [overlay](live-changes.md#the-overlay): everything that was changed by this API while traffic flows.",
            query: &[],
            body: None,
            response: Content::Json(|| schema_for!(OverlayReport)),
            errors: Vec::new,
            handler: |handle, _| Box::pin(async { upstreams::overlay(handle) }),
        }],
    },
];
