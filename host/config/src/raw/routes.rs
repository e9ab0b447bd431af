//! Routes as they are written.

use std::collections::BTreeMap;

use lockgate_routing::settings::{
    AbortSettings, Branch, DelaySettings, MirrorSettings, RedirectSettings, RespondSettings, RewriteSettings,
    RouteTimeouts,
};
use lockgate_units::Period;
use lockgate_upstream::RetrySettings;
use schemars::JsonSchema;
use serde::Deserialize;

use super::plugins::Chain;

/// Which requests go through which chain to which destination. A route has exactly one destination: `upstream`, `split`, `redirect` or
/// `respond`.
#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct Route {
    /// Name of the route in logs and metrics. Absent: its conditions, like `GET api.example.com/orders/*`.
    #[schemars(length(min = 1, max = 128))]
    pub(crate) name: Option<String>,
    /// Routes of a higher priority are tried first, whatever their conditions are. Among equal ones, the more specific route wins; a prefix of
    /// any length wins over every regular expression.
    #[serde(default)]
    pub(crate) priority: i32,
    /// Conditions of the route, all of which must hold. Absent: every request matches.
    #[serde(default, rename = "match")]
    pub(crate) matches: Match,
    /// Chain of the route: a chain's name, or a list of plugins. Absent: no plugins.
    #[expect(dead_code, reason = "chains are read from the tree, item by item")]
    chain: Option<Chain>,
    /// Destination: the upstream of this name.
    pub(crate) upstream: Option<String>,
    /// Destination: several upstreams, each of which gets its share of the requests by weight.
    #[schemars(length(min = 1, max = 64))]
    pub(crate) split: Option<Vec<Branch>>,
    /// Destination: a redirect, made by the gateway after the chain.
    pub(crate) redirect: Option<RedirectSettings>,
    /// Destination: a fixed response, made by the gateway after the chain.
    pub(crate) respond: Option<RespondSettings>,
    /// Maximum time from the request's headers to the end of the response. Longer without a response: 504, or 408 if the client's body is
    /// waited for. Absent or `"0s"`: no limit; the upstream's `timeouts` bound the time without progress.
    pub(crate) timeout: Option<Period>,
    /// Retries, in place of those of the upstream. `"attempts": 0`: none.
    pub(crate) retry: Option<RetrySettings>,
    /// Limits of the time without progress, in place of those of the upstream.
    #[serde(default)]
    pub(crate) timeouts: RouteTimeouts,
    /// Change of the path before the request goes to the upstream.
    pub(crate) rewrite: Option<RewriteSettings>,
    /// Copies of requests for a shadow upstream, or for several (a list).
    pub(crate) mirror: Option<Mirrors>,
    /// Delay of some requests before they go to their destination.
    pub(crate) delay: Option<DelaySettings>,
    /// Error for some requests in place of their destination.
    pub(crate) abort: Option<AbortSettings>,
    /// `false`: a request that asks for an upgrade, such as a WebSocket, gets 403. `true`: the upstream decides; its 101 opens a tunnel.
    #[serde(default = "allowed")]
    pub(crate) upgrade: bool,
}

fn allowed() -> bool {
    true
}

/// The destinations of a route, of which it has one.
pub(crate) struct Destinations {
    pub(crate) upstream: Option<String>,
    pub(crate) split: Option<Vec<Branch>>,
    pub(crate) redirect: Option<RedirectSettings>,
    pub(crate) respond: Option<RespondSettings>,
}

impl Route {
    /// Takes the destinations.
    pub(crate) fn destinations(&mut self) -> Destinations {
        Destinations {
            upstream: self.upstream.take(),
            split: self.split.take(),
            redirect: self.redirect.take(),
            respond: self.respond.take(),
        }
    }
}

/// Conditions on a request. All of them must hold. At most one of `path`, `path_prefix` and `path_regex` is allowed.
#[derive(Default, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub(crate) struct Match {
    /// Names of listeners, one of which must have accepted the connection. Absent: all listeners.
    #[schemars(example = ["web"])]
    pub(crate) listeners: Vec<String>,
    /// Scheme of the client's connection: `https` with TLS on the listener, else `http`. Absent: both.
    pub(crate) scheme: Option<Scheme>,
    /// Hosts without a port, one of which must match: a name, or `*.name` for every name below `name`.
    #[schemars(example = ["api.example.com", "*.example.com"])]
    pub(crate) hosts: Vec<String>,
    /// Exact path. Paths are normalised before matching.
    #[schemars(example = &"/orders")]
    pub(crate) path: Option<String>,
    /// Path prefix in whole segments: `/a` matches `/a` and `/a/b`, not `/ab`.
    #[schemars(example = &"/orders")]
    pub(crate) path_prefix: Option<String>,
    /// Regular expression that the whole path must match.
    #[schemars(example = &"/users/[0-9]+")]
    pub(crate) path_regex: Option<String>,
    /// Methods, one of which must match.
    #[schemars(example = ["GET"])]
    pub(crate) methods: Vec<String>,
    /// Headers that must be present, with their values.
    pub(crate) headers: BTreeMap<String, ValueMatch>,
    /// Query parameters that must be present, with their values.
    pub(crate) query: BTreeMap<String, ValueMatch>,
}

/// Scheme of a client's connection.
#[derive(Clone, Copy, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub(crate) enum Scheme {
    /// Without TLS on the listener.
    Http,
    /// With TLS on the listener.
    Https,
}

/// An exact value, or a condition on it.
#[derive(Deserialize, JsonSchema)]
#[serde(untagged)]
pub(crate) enum ValueMatch {
    /// Exact value.
    Exact(String),
    /// A condition.
    Condition(ValueCondition),
}

/// A condition on a value: exactly one of these settings.
#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct ValueCondition {
    /// Regular expression that the whole value must match.
    pub(crate) regex: Option<String>,
    /// `true`: any value matches.
    pub(crate) present: Option<bool>,
}

/// A mirror, or a list of mirrors.
#[derive(Deserialize, JsonSchema)]
#[serde(untagged)]
pub(crate) enum Mirrors {
    /// One shadow.
    One(Box<MirrorSettings>),
    /// Several shadows.
    Several(#[schemars(length(min = 1, max = 4))] Vec<MirrorSettings>),
}
