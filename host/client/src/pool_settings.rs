//! [`PoolSettings`]: how connections to a target are made, shared and kept for reuse.

use std::time::Duration;

/// How connections to a target are made, shared and kept for reuse.
#[derive(Clone, Copy, Debug)]
pub struct PoolSettings {
    /// The time limit for making a connection, name lookup included.
    pub connect_timeout: Duration,
    /// The number of requests that one HTTP/2 connection carries at once before another is made, per target and worker.
    pub max_streams: usize,
    /// Which connections are kept for reuse.
    pub keep_alive: KeepAlive,
}

/// Which connections are kept for reuse.
#[derive(Clone, Copy, Debug)]
pub struct KeepAlive {
    /// The time after which an unused connection is closed; zero means a new connection for every request.
    pub idle_timeout: Duration,
    /// The number of unused HTTP/1.1 connections that are kept, per target and worker; 0 means a new connection for every
    /// request.
    pub max_idle: usize,
}
