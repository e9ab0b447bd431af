//! Routes of the model: typed conditions and resolved references. The precedence of routes is the route table's, in host/routing.

use std::sync::Arc;

use lockgate_routing::settings::RouteTimeouts;
use lockgate_routing::{Abort, Delay, FixedResponse, Match, Mirror, PathChange, Redirect, Split};
use lockgate_units::Period;
use lockgate_upstream::RequestPolicy;

use super::plugins::PluginIndex;
use super::upstreams::UpstreamIndex;

/// A route: conditions on requests, a chain and a destination.
#[derive(Debug, Clone)]
pub struct Route {
    /// Unique. A route without a name is called after its conditions, [`Match::label`], so that it keeps its name wherever in the file it
    /// stands; `default` is the route of a file without routes.
    pub name: Arc<str>,
    /// All of these must hold.
    pub matches: Match,
    /// Plugins in the order of the request phase.
    pub chain: Vec<PluginIndex>,
    /// What answers a request that has passed the chain.
    pub destination: Destination,
    /// Time from the request's headers to the end of the response. None: no limit (`"0s"` in the file).
    pub timeout: Option<Period>,
    /// Change of the path before the request goes to the upstream.
    pub rewrite: Option<PathChange>,
    /// What few routes have.
    pub policy: Option<Box<RoutePolicy>>,
    /// Whether a request may ask the upstream for an upgrade.
    pub upgrade: bool,
}

/// What answers a request that has passed its chain.
#[derive(Debug, Clone)]
pub enum Destination {
    /// The upstream, unless a plugin chooses another.
    Upstream(UpstreamIndex),
    /// One of several upstreams, unless a plugin chooses another.
    Split(Box<Split<UpstreamIndex>>),
    /// A redirect.
    Redirect(Box<Redirect>),
    /// A fixed response.
    Respond(Box<FixedResponse>),
}

impl Destination {
    /// The upstream, if it is a single one.
    pub fn upstream(&self) -> Option<UpstreamIndex> {
        match self {
            Self::Upstream(upstream) => Some(*upstream),
            Self::Split(_) | Self::Redirect(_) | Self::Respond(_) => None,
        }
    }
}

impl Route {
    /// What attempts at the upstream obey in place of the upstream's own policies, if there is anything.
    pub fn request_policy(&self) -> Option<&RequestPolicy> {
        let policy = &self.policy.as_deref()?.request;
        (!policy.is_empty()).then_some(policy)
    }
}

/// What happens to a route's requests beside reaching their destination.
#[derive(Debug, Clone, Default)]
pub struct RoutePolicy {
    /// Limits in place of those of the upstream.
    pub timeouts: RouteTimeouts,
    /// The same, with retries, as attempts obey them.
    pub request: RequestPolicy,
    /// Copies for shadows.
    pub mirrors: Vec<Mirror<UpstreamIndex>>,
    /// A delay of some requests.
    pub delay: Option<Delay>,
    /// An error for some requests.
    pub abort: Option<Abort>,
}
