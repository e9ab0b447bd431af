//! Routes as the model knows them: conditions in their types, references resolved. Which route wins is the route table's to say.

use std::sync::Arc;

use lockgate_routing::Match;
use lockgate_units::Period;

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
    /// Change of the path before the request goes to the upstream.
    pub rewrite: Option<Rewrite>,
}

/// A change of the path.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Rewrite {
    /// Takes the place of the matched prefix (of `/` when the route matches any path): with `path_prefix` `/orders` and
    /// `/v1` here, `/orders/7` goes on as `/v1/7`, `/orders` as `/v1`. Starts with a slash and ends in one only when it is `/`.
    pub prefix: String,
}
