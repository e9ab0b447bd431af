//! An upstream as the model knows it: a name, and settings that the upstream crate obeys.

use std::sync::Arc;

use lockgate_upstream::UpstreamSettings;

/// An upstream with the name that routes and plugins know it by.
#[derive(Debug, Clone)]
pub struct NamedUpstream {
    /// Its key in the file.
    pub name: Arc<str>,
    /// What the upstream crate obeys.
    pub settings: UpstreamSettings,
}

/// Position in [`Model::upstreams`](super::Model::upstreams).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct UpstreamIndex(pub usize);
