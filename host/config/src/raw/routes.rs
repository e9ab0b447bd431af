//! Routes as they are written.

use std::collections::BTreeMap;

use lockgate_units::Period;
use schemars::JsonSchema;
use serde::Deserialize;

use super::plugins::Chain;
use crate::settings::DEFAULT_ROUTE_TIMEOUT;

/// Which requests go through which chain to which upstream.
#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct Route {
    /// What logs and metrics call it; absent: `routes/INDEX`.
    #[schemars(length(min = 1, max = 128))]
    pub(crate) name: Option<String>,
    /// Conditions, all of which must hold; absent: every request.
    #[serde(default, rename = "match")]
    pub(crate) matches: Match,
    /// The plugins on the way: a chain's name, or a list; absent: none.
    #[expect(dead_code, reason = "chains are read from the tree, item by item")]
    chain: Option<Chain>,
    /// The upstream's name.
    #[schemars(required)]
    pub(crate) upstream: Option<String>,
    /// From the request's head to its answer's end; `"0s"`: as long as it takes.
    #[serde(default = "timeout")]
    pub(crate) timeout: Period,
    /// How the path is changed on its way to the upstream.
    pub(crate) rewrite: Option<Rewrite>,
}

fn timeout() -> Period {
    DEFAULT_ROUTE_TIMEOUT
}

/// Conditions on a request; all that are given must hold. At most one of `path`, `path_prefix` and `path_regex`.
#[derive(Default, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub(crate) struct Match {
    /// One of these hosts, without a port: a name, or `*.name` for everything below `name`.
    #[schemars(example = ["api.example.com", "*.example.com"])]
    pub(crate) hosts: Vec<String>,
    /// This path and no other. Paths are normalised before they are matched.
    #[schemars(example = &"/orders")]
    pub(crate) path: Option<String>,
    /// Whole segments: `/a` matches `/a` and `/a/b`, not `/ab`.
    #[schemars(example = &"/orders")]
    pub(crate) path_prefix: Option<String>,
    /// A regular expression for the whole path.
    #[schemars(example = &"/users/[0-9]+")]
    pub(crate) path_regex: Option<String>,
    /// One of these methods.
    #[schemars(example = ["GET"])]
    pub(crate) methods: Vec<String>,
    /// Headers and their values.
    pub(crate) headers: BTreeMap<String, ValueMatch>,
    /// Query parameters and their values.
    pub(crate) query: BTreeMap<String, ValueMatch>,
}

/// An exact value, or a condition on it.
#[derive(Deserialize, JsonSchema)]
#[serde(untagged)]
pub(crate) enum ValueMatch {
    /// This value and no other.
    Exact(String),
    /// A condition.
    Condition(ValueCondition),
}

/// Exactly one of these.
#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct ValueCondition {
    /// A regular expression for the whole value.
    pub(crate) regex: Option<String>,
    /// `true`: any value will do.
    pub(crate) present: Option<bool>,
}

/// A change of the path.
#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct Rewrite {
    /// Takes the place of `path_prefix`, or of `/` if the route has no condition on the path.
    #[schemars(required, example = &"/v1")]
    pub(crate) prefix: Option<String>,
}
