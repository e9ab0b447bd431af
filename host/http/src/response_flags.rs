//! `response.flags`: the cause of a response in the bits of Envoy's `CoreResponseFlag`, for plugins that log them.

use crate::problem::Problem;

/// No endpoint could be chosen.
pub const NO_HEALTHY_UPSTREAM: u64 = 1 << 1;
/// The response did not arrive in time.
pub const UPSTREAM_REQUEST_TIMEOUT: u64 = 1 << 2;
/// No connection could be made.
pub const UPSTREAM_CONNECTION_FAILURE: u64 = 1 << 5;
/// The connection broke before the response.
pub const UPSTREAM_CONNECTION_TERMINATION: u64 = 1 << 6;
/// No route matched.
pub const NO_ROUTE: u64 = 1 << 8;
/// The route delayed the request.
pub const DELAY_INJECTED: u64 = 1 << 9;
/// The route aborted the request.
pub const FAULT_INJECTED: u64 = 1 << 10;
/// The gateway or a plugin reset the stream.
pub const LOCAL_RESET: u64 = 1 << 3;
/// The client went away.
pub const DOWNSTREAM_CONNECTION_TERMINATION: u64 = 1 << 14;
/// The response was malformed.
pub const UPSTREAM_PROTOCOL_ERROR: u64 = 1 << 23;

/// The flags that follow from a problem alone. The cause of a failed connection is known only where it was made.
pub fn of(problem: Problem) -> u64 {
    match problem {
        Problem::NoRoute => NO_ROUTE,
        Problem::NoEndpoint => NO_HEALTHY_UPSTREAM,
        Problem::UpstreamTimeout => UPSTREAM_REQUEST_TIMEOUT,
        Problem::UpstreamMalformed | Problem::UpstreamHeadersTooLarge => UPSTREAM_PROTOCOL_ERROR,
        // The rest have no flag of their own in Envoy. Every problem is named, so that a new one gets its flag here.
        Problem::Malformed(_)
        | Problem::UpgradeRefused
        | Problem::RequestTimeout
        | Problem::BodyTooLarge
        | Problem::TargetTooLong
        | Problem::HeadersTooLarge
        | Problem::UpstreamFailed
        | Problem::ResponseTooLarge
        | Problem::PluginFailed => 0,
    }
}
