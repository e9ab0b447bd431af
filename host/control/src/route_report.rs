//! The report of `/api/routes`: plain data, made of the live configuration. Field names and comments are the documentation in
//! docs/admin-api.md. Values of conditions on headers and of a fixed response may be secret and are left out.

use lockgate_config::model::{Destination, Model, Route, RoutePolicy, UpstreamIndex};
use lockgate_routing::settings::Percent;
use lockgate_routing::{HostPattern, PathChange, PathMatch, Redirect};
use lockgate_units::Period;
use schemars::JsonSchema;
use serde::Serialize;

/// Every route.
#[derive(Debug, Clone, Default, PartialEq, Serialize, JsonSchema)]
pub struct RoutesReport {
    /// Number of the live snapshot.
    pub revision: u64,
    /// Every route of the configuration, in its order.
    pub routes: Vec<RouteReport>,
}

/// A route.
#[derive(Debug, Clone, PartialEq, Serialize, JsonSchema)]
pub struct RouteReport {
    /// Name of the route.
    pub name: String,
    /// Its priority.
    pub priority: i32,
    /// Its conditions.
    #[serde(rename = "match")]
    pub matches: MatchReport,
    /// Plugins of the chain, in the order of the request phase, those of the global chain first.
    pub chain: Vec<String>,
    /// What answers its requests.
    pub destination: DestinationReport,
    /// Change of the path; `null` without one.
    pub rewrite: Option<PathChangeReport>,
    /// Limit of the whole exchange; `null` without one.
    pub timeout: Option<Period>,
    /// Limit until the response's headers; `null`: the upstream's.
    pub first_byte_timeout: Option<Period>,
    /// Limit without a byte; `null`: the upstream's.
    pub idle_timeout: Option<Period>,
    /// Shadows that get copies.
    pub mirrors: Vec<MirrorReport>,
    /// Delay of some requests; `null` without one.
    pub delay: Option<DelayReport>,
    /// Error for some requests; `null` without one.
    pub abort: Option<AbortReport>,
}

/// Conditions of a route. An empty list or `null` holds for every request.
#[derive(Debug, Clone, PartialEq, Serialize, JsonSchema)]
pub struct MatchReport {
    /// Names of listeners.
    pub listeners: Vec<String>,
    /// `http` or `https`.
    pub scheme: Option<String>,
    /// Hosts.
    pub hosts: Vec<String>,
    /// Exact path.
    pub path: Option<String>,
    /// Path prefix.
    pub path_prefix: Option<String>,
    /// Expression that the path matches.
    pub path_regex: Option<String>,
    /// Methods.
    pub methods: Vec<String>,
    /// Names of headers.
    pub headers: Vec<String>,
    /// Names of query parameters.
    pub query: Vec<String>,
}

/// What answers a route's requests.
#[derive(Debug, Clone, PartialEq, Serialize, JsonSchema)]
#[serde(tag = "type", rename_all = "snake_case")]
pub enum DestinationReport {
    /// An upstream.
    Upstream {
        /// Its name.
        upstream: String,
    },
    /// Several upstreams.
    Split {
        /// Each with its share.
        branches: Vec<BranchReport>,
    },
    /// A redirect.
    Redirect {
        /// Status of the response.
        status: u16,
        /// New scheme; `null`: the request's.
        scheme: Option<String>,
        /// New host; `null`: the request's.
        host: Option<String>,
        /// New port; `null`: it follows from scheme and request.
        port: Option<u16>,
        /// Change of the path; `null`: the request's.
        path: Option<PathChangeReport>,
        /// Whether the query is left out.
        strip_query: bool,
    },
    /// A fixed response.
    Respond {
        /// Status of the response.
        status: u16,
        /// Names of its headers.
        headers: Vec<String>,
        /// Bytes of its body.
        body_bytes: usize,
    },
}

/// One of the upstreams of a split.
#[derive(Debug, Clone, PartialEq, Serialize, JsonSchema)]
pub struct BranchReport {
    /// Its name.
    pub upstream: String,
    /// Its share, relative to the other weights.
    pub weight: u32,
}

/// A change of a path.
#[derive(Debug, Clone, PartialEq, Serialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum PathChangeReport {
    /// New path in place of the whole one.
    Path(String),
    /// Replacement for the matched prefix.
    Prefix(String),
    /// Expression whose matches are replaced.
    Regex(String),
}

/// A shadow.
#[derive(Debug, Clone, PartialEq, Serialize, JsonSchema)]
pub struct MirrorReport {
    /// Name of the shadow upstream.
    pub upstream: String,
    /// Share of the requests.
    pub percent: Percent,
}

/// A delay.
#[derive(Debug, Clone, PartialEq, Serialize, JsonSchema)]
pub struct DelayReport {
    /// How long.
    pub duration: Period,
    /// Share of the requests.
    pub percent: Percent,
}

/// An abort.
#[derive(Debug, Clone, PartialEq, Serialize, JsonSchema)]
pub struct AbortReport {
    /// Status of the response.
    pub status: u16,
    /// gRPC status for gRPC clients; `null`: that of the status.
    pub grpc_status: Option<u32>,
    /// Share of the requests.
    pub percent: Percent,
}

impl RoutesReport {
    /// The routes of a model.
    pub(crate) fn new(revision: u64, model: &Model) -> Self {
        let routes = model.routes.iter().map(|route| report(model, route)).collect();
        Self { revision, routes }
    }
}

fn report(model: &Model, route: &Route) -> RouteReport {
    let chain = model.global_chain.iter().chain(&route.chain);
    let none = RoutePolicy::default();
    let policy = route.policy.as_deref().unwrap_or(&none);
    let mirrors = policy.mirrors.iter().map(|mirror| MirrorReport {
        upstream: upstream(model, mirror.upstream),
        percent: mirror.sample.percent(),
    });
    RouteReport {
        name: route.name.to_string(),
        priority: route.matches.priority,
        matches: matches(route),
        chain: chain.map(|index| model.plugin(*index).name.to_string()).collect(),
        destination: destination(model, &route.destination),
        rewrite: route.rewrite.as_ref().map(path_change),
        timeout: route.timeout,
        first_byte_timeout: policy.timeouts.first_byte,
        idle_timeout: policy.timeouts.idle,
        mirrors: mirrors.collect(),
        delay: policy.delay.as_ref().map(|delay| DelayReport {
            duration: Period(delay.duration),
            percent: delay.sample.percent(),
        }),
        abort: policy.abort.as_ref().map(|abort| AbortReport {
            status: abort.status.as_u16(),
            grpc_status: abort.grpc_status,
            percent: abort.sample.percent(),
        }),
    }
}

fn upstream(model: &Model, index: UpstreamIndex) -> String {
    model.upstream(index).name.to_string()
}

fn matches(route: &Route) -> MatchReport {
    let matches = &route.matches;
    let mut report = MatchReport {
        listeners: matches.listeners.clone(),
        scheme: matches.scheme.map(|scheme| scheme.as_str().to_owned()),
        hosts: matches.hosts.iter().map(host).collect(),
        path: None,
        path_prefix: None,
        path_regex: None,
        methods: matches.methods.iter().map(ToString::to_string).collect(),
        headers: matches.headers.iter().map(|(name, _)| name.to_string()).collect(),
        query: matches.query.iter().map(|(name, _)| name.clone()).collect(),
    };
    match &matches.path {
        PathMatch::Any => {}
        PathMatch::Exact(path) => report.path = Some(path.clone()),
        PathMatch::Prefix(prefix) => report.path_prefix = Some(prefix.clone()),
        // As it is written, without the anchors around it.
        PathMatch::Regex(regex) => {
            let text = regex.as_str();
            let written = text.strip_prefix("^(?:").and_then(|text| text.strip_suffix(")$"));
            report.path_regex = Some(written.unwrap_or(text).to_owned());
        }
    }
    report
}

fn host(pattern: &HostPattern) -> String {
    match pattern {
        HostPattern::Exact(host) => host.clone(),
        HostPattern::Wildcard(name) => format!("*{name}"),
    }
}

fn destination(model: &Model, destination: &Destination) -> DestinationReport {
    match destination {
        Destination::Upstream(index) => DestinationReport::Upstream {
            upstream: upstream(model, *index),
        },
        Destination::Split(split) => DestinationReport::Split {
            branches: split
                .branches()
                .map(|(index, weight)| BranchReport {
                    upstream: upstream(model, *index),
                    weight,
                })
                .collect(),
        },
        Destination::Redirect(redirect) => redirect_report(redirect),
        Destination::Respond(response) => DestinationReport::Respond {
            status: response.status.as_u16(),
            headers: response.headers.keys().map(ToString::to_string).collect(),
            body_bytes: response.body.len(),
        },
    }
}

fn redirect_report(redirect: &Redirect) -> DestinationReport {
    DestinationReport::Redirect {
        status: redirect.status.as_u16(),
        scheme: redirect.scheme.map(|scheme| scheme.as_str().to_owned()),
        host: redirect.host.clone(),
        port: redirect.port,
        path: redirect.path.as_ref().map(path_change),
        strip_query: redirect.strip_query,
    }
}

fn path_change(change: &PathChange) -> PathChangeReport {
    match change {
        PathChange::Full(path) => PathChangeReport::Path(path.clone()),
        PathChange::Prefix(prefix) => PathChangeReport::Prefix(prefix.clone()),
        PathChange::Regex(change) => PathChangeReport::Regex(change.regex().as_str().to_owned()),
    }
}
