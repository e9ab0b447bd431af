//! [`PoolSettings`]: how connections to a target are made, shared and kept for reuse.

use std::time::Duration;

use crate::head_limits::ResponseHeadLimits;

/// How connections to a target are made, shared and kept for reuse.
#[derive(Clone, Copy, Debug)]
pub struct PoolSettings {
    /// The time limit for making a connection, name lookup included.
    pub connect_timeout: Duration,
    /// The number of requests that one HTTP/2 connection carries at once before another is made, per target and worker; fewer if the
    /// endpoint takes fewer. At least 1.
    pub max_streams: usize,
    /// How large the head of a response may be.
    pub response_head: ResponseHeadLimits,
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
