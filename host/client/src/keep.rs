//! How connections to an address are made and kept.

use std::time::Duration;

/// How connections are kept for reuse.
#[derive(Clone, Copy, Debug)]
pub struct Keep {
    /// How long an unused connection is kept.
    pub idle_timeout: Duration,
    /// How many unused connections are kept, per address and worker; 0 means a new connection for every request.
    pub max_idle: usize,
}

/// How connections to an address are made, kept and shared.
#[derive(Clone, Copy, Debug)]
pub struct PoolSettings {
    /// How long making a connection may take, name lookup included.
    pub connect_timeout: Duration,
    /// How many requests one HTTP/2 connection carries at once before there is another, per address and worker.
    pub max_streams: usize,
    /// How connections are kept for reuse.
    pub keep: Keep,
}
