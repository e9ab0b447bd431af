//! The gateway's metric families: names, types, units, labels and meanings in one table. Rendering takes them from here, and so does
//! `docs/metrics.md`. Families that plugins define are in `plugin_metrics`.

pub(super) mod discovery;
mod endpoints;
mod family;
mod policies;
mod process;

use lockgate_sandbox::{FailureKind, Phase, Refusal, VmEvent};

pub(super) use self::endpoints::{UPSTREAM_ENDPOINTS, UPSTREAM_HEALTH_CHECKS};
pub use self::family::{Family, Label, Value, Values};
pub(super) use self::policies::{BREAKER_STATE, CONCURRENCY, EJECTIONS, HEDGES, RETRIES, RETRY_BUDGET_EXHAUSTED, SHED};
pub use self::process::ReloadResult;
pub(super) use self::process::{ACCESS_LOG_DROPPED, CONNECTIONS, CONNECTIONS_TOTAL, LOG_DROPPED};
use super::route_events::{Fault, MirrorResult};
use crate::callout_end::CalloutEnd;

/// What the names of plugin families start with: the gateway's own ones about plugins, and those that plugins define.
pub const PLUGIN_PREFIX: &str = "lockgate_plugin_";

/// The values of an enum. A variant that is not listed does not compile.
macro_rules! values {
    ($type:ident: $($variant:ident => $meaning:literal,)*) => {{
        const fn _is_complete(value: $type) {
            match value {
                $($type::$variant => (),)*
            }
        }
        Values::OneOf(&[$(Value { name: $type::$variant.as_str(), meaning: $meaning }),*])
    }};
}

// Behind the macro that it uses.
mod tcp;
mod tunnels;

pub(super) use self::tcp::{TCP_BYTES, TCP_CONNECTIONS};
pub(super) use self::tunnels::{TUNNEL_BYTES, TUNNELS, TUNNELS_TOTAL};

const LISTENER: Label = Label {
    name: "listener",
    values: Values::Open("name of a listener"),
};
const ROUTE: Label = Label {
    name: "route",
    values: Values::Open("name of a route; empty: no route matched"),
};
const UPSTREAM: Label = Label {
    name: "upstream",
    values: Values::Open("name of an upstream"),
};
const PLUGIN: Label = Label {
    name: "plugin",
    values: Values::Open("name of a plugin"),
};

const DIRECTION: Label = Label {
    name: "direction",
    values: Values::OneOf(&[
        Value {
            name: RECEIVED,
            meaning: "From the client.",
        },
        Value {
            name: SENT,
            meaning: "To the client.",
        },
    ]),
};

const TIMED_PHASES: [Value; Phase::TIMED.len()] = {
    let mut values = [Value { name: "", meaning: "" }; Phase::TIMED.len()];
    let mut at = 0;
    while at < values.len() {
        values[at] = Value {
            name: Phase::TIMED[at].as_str(),
            meaning: match Phase::TIMED[at] {
                Phase::RequestHeaders => "`proxy_on_request_headers`",
                Phase::RequestBody => "`proxy_on_request_body`",
                Phase::RequestTrailers => "`proxy_on_request_trailers`",
                Phase::ResponseHeaders => "`proxy_on_response_headers`",
                Phase::ResponseBody => "`proxy_on_response_body`",
                Phase::ResponseTrailers => "`proxy_on_response_trailers`",
                Phase::NewConnection => "`proxy_on_new_connection`",
                Phase::DownstreamData => "`proxy_on_downstream_data`",
                Phase::UpstreamData => "`proxy_on_upstream_data`",
                Phase::DownstreamClose => "`proxy_on_downstream_connection_close`",
                Phase::UpstreamClose => "`proxy_on_upstream_connection_close`",
                Phase::Finish => "`proxy_on_done`, `proxy_on_log` and `proxy_on_delete` of a stream, together",
                _ => panic!("a timed phase has its meaning here"),
            },
        };
        at += 1;
    }
    values
};

pub(super) const REQUESTS: Family = Family::counter(
    "lockgate_requests_total",
    &[
        LISTENER,
        ROUTE,
        Label {
            name: "status",
            values: Values::Open(
                "status of the response; 444: a plugin closed the stream without a response; 499: the client left before the response; `other`: a listener and \
                 route had more than 16 different statuses",
            ),
        },
    ],
    "Requests that ended, by listener, route and response status. One with status 101 counts when its tunnel opens.",
);

pub(super) const GRPC_RESPONSES: Family = Family::counter(
    "lockgate_grpc_responses_total",
    &[
        LISTENER,
        ROUTE,
        Label {
            name: "grpc_status",
            values: Values::Open("gRPC status of the response, `0` to `16`"),
        },
    ],
    "Responses with a gRPC status, those of the gateway to gRPC clients included, by listener, route and gRPC status.",
);

pub(super) const REQUEST_DURATION: Family = Family::durations(
    "lockgate_request_duration_seconds",
    &[LISTENER, ROUTE],
    "Time from a request's headers to the end of its response; to a response with status 101, without its tunnel.",
);

pub(super) const PLUGIN_DURATION: Family = Family::durations(
    "lockgate_plugin_duration_seconds",
    &[
        PLUGIN,
        Label {
            name: "phase",
            values: Values::OneOf(&TIMED_PHASES),
        },
    ],
    "Time in a plugin's callbacks, by phase.",
);

pub(super) const PLUGIN_WAIT: Family = Family::durations(
    "lockgate_plugin_wait_seconds",
    &[PLUGIN],
    "Time that messages waited in a plugin that had paused them: for a callout, for more of a body, for anything else.",
);

pub(super) const PLUGIN_CALLOUTS: Family = Family::counter(
    "lockgate_plugin_callouts_total",
    &[
        PLUGIN,
        UPSTREAM,
        Label {
            name: "result",
            values: values!(CalloutEnd:
                Response => "The response has come, whatever its status. Of a gRPC call: its end.",
                Timeout => "The callout's own timeout has passed.",
                Failed => "There was no response, or it broke off or was too large.",
                Cancelled => "It was no longer wanted: its request or its VM ended first, or the plugin cancelled it.",
            ),
        },
    ],
    "Callouts of plugins, HTTP and gRPC, that ended, by plugin, upstream and result.",
);

pub(super) const PLUGIN_CALLOUT_DURATION: Family = Family::durations(
    "lockgate_plugin_callout_duration_seconds",
    &[PLUGIN, UPSTREAM],
    "Time from the start of a callout to its end: of a gRPC stream, to the end of the stream.",
);

pub(super) const PLUGIN_FAILURES: Family = Family::counter(
    "lockgate_plugin_failures_total",
    &[
        PLUGIN,
        Label {
            name: "kind",
            values: values!(FailureKind:
                Trap => "The module trapped.",
                Deadline => "A callback exceeded `limits.deadline`, a request `limits.request_deadline`, or a start `limits.start_deadline`.",
                Memory => "The module trapped after `limits.memory` was reached.",
                Exit => "The module ended itself (`proc_exit`).",
                Start => "The VM could not be instantiated, or `vm_start` or `configure` returned false.",
                Unavailable => "The plugin had no VM for the request: its VM waited to be restarted or was in quarantine.",
                LimitExceeded => "The plugin exceeded `limits.header_growth`, `limits.body_growth` or `limits.local_response`, or `limits.memory` left no room for what the gateway would hold for it.",
                Refused => "The gateway refused a plugin's local response or reset, or a write that would have replaced what the client or the upstream had sent.",
                PoisonRequest => "The request had ended several VMs and is blocked for a while.",
                VmFailed => "The VM failed in another callback while this stream waited in it, or had a callback before it.",
            ),
        },
    ],
    "Failures of a plugin, by kind.",
);

pub(super) const PLUGIN_REFUSALS: Family = Family::counter(
    "lockgate_plugin_refusals_total",
    &[
        PLUGIN,
        Label {
            name: "reason",
            values: values!(Refusal:
                Log => "A log line above `limits.log_lines` or `limits.log_bytes`.",
                Metric => "A metric above the maximum number, or with an invalid name.",
                SharedData => "A shared value above the maximum number or size.",
                Kv => "A value of `lockgate.kv` above the maximum size of the store.",
                Queue => "A queue above the maximum number, or a message for a full queue.",
                Tick => "A tick period below `limits.tick`.",
                Callout => "A callout above `limits.callouts` or `limits.callouts_per_request`.",
                Headers => "A header write above `limits.header_growth` or the maximum number of headers.",
                Body => "A body write above `limits.body_growth`.",
                Property => "A property above the maximum number or size.",
                LocalResponse => "A local response above `limits.local_response`.",
                Memory => "Bytes to be held for the plugin, for which `limits.memory` left no room.",
                CapabilityHostCall => "A host call outside `capabilities.host_calls`.",
                CapabilityUpstream => "A callout to an upstream outside `capabilities.upstreams`.",
                CapabilityHeader => "A header write outside `capabilities.headers` or `capabilities.write_headers`.",
                CapabilityProperty => "A property write outside `capabilities.write_properties`.",
                CapabilityForeignFunction => "A foreign function outside `capabilities.foreign_functions`.",
            ),
        },
    ],
    "Host calls of a plugin that a limit or a capability refused, by reason.",
);

pub(super) const PLUGIN_EVENTS: Family = Family::counter(
    "lockgate_plugin_events_total",
    &[
        PLUGIN,
        Label {
            name: "event",
            values: values!(VmEvent:
                Recycled => "A VM grew above `limits.soft_memory`; a new VM takes the new requests.",
                Quarantined => "A VM failed repeatedly and takes one request at a time.",
                Released => "A VM left quarantine, because a request succeeded.",
                RequestBlocked => "A request that had ended several VMs was not given to the plugin.",
                LimitExceeded => "The plugin exceeded a limit of one request. Its VM stays in use.",
                Evicted => "A VM above `limits.soft_memory` was ended with its requests, because the plugin's VMs together had no more memory.",
            ),
        },
    ],
    "Events of a plugin's VMs, by event.",
);

pub(super) const PLUGIN_QUARANTINED: Family = Family::gauge(
    "lockgate_plugin_quarantined",
    &[PLUGIN],
    "VMs of a plugin in quarantine, on all workers together.",
);

pub(super) const UPSTREAM_REQUESTS: Family = Family::counter(
    "lockgate_upstream_requests_total",
    &[
        UPSTREAM,
        Label {
            name: "status",
            values: Values::Open(
                "status of the upstream's response; `none`: no response; `other`: the upstream had more than 16 \
                 different statuses",
            ),
        },
    ],
    "Requests sent to an upstream, by response status.",
);

pub(super) const UPSTREAM_DURATION: Family = Family::durations(
    "lockgate_upstream_duration_seconds",
    &[UPSTREAM],
    "Time from sending a request to the headers of its response.",
);

pub(super) const MIRRORED: Family = Family::counter(
    "lockgate_mirrored_requests_total",
    &[
        UPSTREAM,
        Label {
            name: "result",
            values: values!(MirrorResult:
                Sent => "The shadow has responded; its status is in `lockgate_upstream_requests_total`.",
                Failed => "The shadow could not be reached, or gave no response.",
                Timeout => "The shadow gave no response within the mirror's `timeout`.",
                TooLarge => "Not sent: the request's body is larger than `max_body`.",
                Overflow => "Not sent: `max_concurrent` copies were on the way.",
                Incomplete => "Not sent: the request's body did not come to its end.",
            ),
        },
    ],
    "Copies of requests for a shadow upstream, by what became of them.",
);

pub(super) const FAULTS: Family = Family::counter(
    "lockgate_faults_injected_total",
    &[
        ROUTE,
        Label {
            name: "fault",
            values: values!(Fault:
                Delay => "The request was delayed.",
                DelaySkipped => "The request was not delayed, because the worker delayed `max_concurrent` requests.",
                Abort => "The request was aborted.",
            ),
        },
    ],
    "Requests that their route delayed or aborted on purpose.",
);

/// Bytes from clients, as a value of `direction`.
pub(super) const RECEIVED: &str = "received";
/// Bytes to clients, as a value of `direction`.
pub(super) const SENT: &str = "sent";

pub(super) const RELOADS: Family = Family::counter(
    "lockgate_reloads_total",
    &[Label {
        name: "result",
        values: values!(ReloadResult:
            Success => "The new configuration, or the new modules, are in use.",
            Failure => "The configuration or a module was refused. The previous one stays in use.",
        ),
    }],
    "Reloads of the configuration or modules, by result.",
);

/// Every family of the gateway, in the order of rendering.
pub const ALL: [&Family; 39] = [
    &REQUESTS,
    &GRPC_RESPONSES,
    &REQUEST_DURATION,
    &TUNNELS,
    &TUNNELS_TOTAL,
    &TUNNEL_BYTES,
    &PLUGIN_DURATION,
    &PLUGIN_WAIT,
    &PLUGIN_CALLOUTS,
    &PLUGIN_CALLOUT_DURATION,
    &PLUGIN_FAILURES,
    &PLUGIN_REFUSALS,
    &PLUGIN_EVENTS,
    &PLUGIN_QUARANTINED,
    &UPSTREAM_REQUESTS,
    &UPSTREAM_DURATION,
    &BREAKER_STATE,
    &RETRIES,
    &RETRY_BUDGET_EXHAUSTED,
    &HEDGES,
    &EJECTIONS,
    &SHED,
    &CONCURRENCY,
    &MIRRORED,
    &FAULTS,
    &discovery::LIST_AGE,
    &discovery::UPDATES,
    &discovery::FAILURES,
    &discovery::RESOLVER_NAMES,
    &discovery::RESOLVER_LOOKUPS,
    &UPSTREAM_ENDPOINTS,
    &UPSTREAM_HEALTH_CHECKS,
    &TCP_CONNECTIONS,
    &TCP_BYTES,
    &CONNECTIONS,
    &CONNECTIONS_TOTAL,
    &RELOADS,
    &ACCESS_LOG_DROPPED,
    &LOG_DROPPED,
];
