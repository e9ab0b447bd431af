//! Routes of the model: typed conditions and resolved references. The precedence of routes is the route table's, in host/routing.

use std::sync::Arc;

use lockgate_routing::Match;
use lockgate_units::Period;

use super::plugins::PluginIndex;
use super::upstreams::UpstreamIndex;

/// A route: conditions on requests, a chain and an upstream.
#[derive(Debug, Clone)]
pub struct Route {
    /// Unique. A route without a name is called after its conditions, [`Match::label`], so that it keeps its name wherever in the file it
    /// stands; `default` is the route of a file without routes.
    pub name: Arc<str>,
    /// All of these must hold.
    pub matches: Match,
    /// Plugins in the order of the request phase.
    pub chain: Vec<PluginIndex>,
    /// The upstream, unless a plugin chooses another.
    pub upstream: UpstreamIndex,
    /// Time from the request's headers to the end of the response. None: no limit (`"0s"` in the file).
    pub timeout: Option<Period>,
    /// Change of the path before the request goes to the upstream.
    pub rewrite: Option<Rewrite>,
}

/// A change of the path.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Rewrite {
    /// Replacement for the matched prefix, or for `/` in a route without a condition on the path. With `path_prefix` `/orders` and the
    /// replacement `/v1`, `/orders/7` becomes `/v1/7`, and `/orders` becomes `/v1`. It starts with a slash, and ends with one only if it
    /// is `/`.
    pub prefix: String,
}
