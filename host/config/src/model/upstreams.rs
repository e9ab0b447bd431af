//! Upstreams of the model: a name, and the settings of host/upstream.

use std::sync::Arc;

use lockgate_upstream::UpstreamSettings;

/// An upstream, with the name that routes and plugins use.
#[derive(Debug, Clone)]
pub struct NamedUpstream {
    /// Its key in the file.
    pub name: Arc<str>,
    /// Endpoints, balancing, health and timeouts.
    pub settings: UpstreamSettings,
}

/// Position in [`Model::upstreams`](super::Model::upstreams).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct UpstreamIndex(pub usize);
