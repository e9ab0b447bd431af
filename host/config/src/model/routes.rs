//! Routes as the model knows them: conditions in their types, references resolved. Which route wins is the route table's to say.

use std::sync::Arc;

use http::{HeaderName, Method};
use lockgate_units::Period;
use regex::Regex;

use super::plugins::PluginIndex;
use super::upstreams::UpstreamIndex;

/// A route: which requests, through which chain, to which upstream.
#[derive(Debug, Clone)]
pub struct Route {
    /// Unique. `default` for the route that is made when the file has none, `routes/INDEX` for one without a name.
    pub name: Arc<str>,
    /// All of these must hold.
    pub matches: Match,
    /// In the order of the request phase.
    pub chain: Vec<PluginIndex>,
    /// Where its requests go, unless a plugin says otherwise.
    pub upstream: UpstreamIndex,
    /// From the request's head to its answer's end; none: as long as it takes (`"0s"` in the file).
    pub timeout: Option<Period>,
    /// How the path is changed on its way to the upstream.
    pub rewrite: Option<Rewrite>,
    /// Position in the file, the last word of precedence.
    pub order: usize,
}

/// Conditions on a request. An empty list holds for every request.
#[derive(Debug, Clone, Default)]
pub struct Match {
    /// One of these.
    pub hosts: Vec<HostPattern>,
    /// The normalised path, without its query.
    pub path: PathMatch,
    /// One of these.
    pub methods: Vec<Method>,
    /// Every one of these.
    pub headers: Vec<(HeaderName, ValueMatch)>,
    /// Every one of these; names are percent-decoded.
    pub query: Vec<(String, ValueMatch)>,
}

/// A host name without a port, in lower case.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub enum HostPattern {
    /// The host itself.
    Exact(String),
    /// What stands behind the `*` of `*.name`, its dot included: `.name`. Matches any depth below `name`, not `name` itself.
    Wildcard(String),
}

/// A condition on the normalised path.
#[derive(Debug, Clone, Default)]
pub enum PathMatch {
    /// No condition.
    #[default]
    Any,
    /// This path and no other.
    Exact(String),
    /// Whole segments: `/a` holds for `/a` and `/a/b`, not for `/ab`. Ends in a slash only when it is `/`.
    Prefix(String),
    /// The whole path must match: the expression is anchored at both ends.
    Regex(Regex),
}

/// A condition on a header's or query parameter's value.
#[derive(Debug, Clone)]
pub enum ValueMatch {
    /// This value and no other.
    Exact(String),
    /// The whole value must match: the expression is anchored at both ends.
    Regex(Regex),
    /// Any value, the empty one too.
    Present,
}

/// A change of the path.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Rewrite {
    /// Takes the place of the matched prefix (of `/` when the route matches any path): with `path_prefix` `/orders` and
    /// `/v1` here, `/orders/7` goes on as `/v1/7`, `/orders` as `/v1`. Starts with a slash and ends in one only when it is `/`.
    pub prefix: String,
}
