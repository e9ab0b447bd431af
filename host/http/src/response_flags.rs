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
/// The breaker is open, or the limit of concurrency is reached.
pub const UPSTREAM_OVERFLOW: u64 = 1 << 7;
/// No route matched.
pub const NO_ROUTE: u64 = 1 << 8;
/// The route delayed the request.
pub const DELAY_INJECTED: u64 = 1 << 9;
/// The route aborted the request.
pub const FAULT_INJECTED: u64 = 1 << 10;
/// The gateway or a plugin reset the stream.
pub const LOCAL_RESET: u64 = 1 << 3;
/// The last retry failed, too, or there was no budget for another.
pub const UPSTREAM_RETRY_LIMIT_EXCEEDED: u64 = 1 << 15;
/// The client went away.
pub const DOWNSTREAM_CONNECTION_TERMINATION: u64 = 1 << 14;
/// The response was malformed.
pub const UPSTREAM_PROTOCOL_ERROR: u64 = 1 << 23;

/// Every flag with its name, in the order of the bits.
const NAMES: [(u64, &str); 10] = [
    (NO_HEALTHY_UPSTREAM, "no_healthy_upstream"),
    (UPSTREAM_REQUEST_TIMEOUT, "upstream_request_timeout"),
    (LOCAL_RESET, "local_reset"),
    (UPSTREAM_CONNECTION_FAILURE, "upstream_connection_failure"),
    (UPSTREAM_CONNECTION_TERMINATION, "upstream_connection_termination"),
    (UPSTREAM_OVERFLOW, "upstream_overflow"),
    (NO_ROUTE, "no_route"),
    (DOWNSTREAM_CONNECTION_TERMINATION, "downstream_connection_termination"),
    (UPSTREAM_RETRY_LIMIT_EXCEEDED, "upstream_retry_limit_exceeded"),
    (UPSTREAM_PROTOCOL_ERROR, "upstream_protocol_error"),
];

/// The names of the flags that are set.
pub fn names(flags: u64) -> impl Iterator<Item = &'static str> {
    NAMES
        .iter()
        .filter(move |(flag, _)| flags & flag != 0)
        .map(|(_, name)| *name)
}

/// The flags that follow from a problem alone. The cause of a failed connection is known only where it was made.
pub fn of(problem: Problem) -> u64 {
    match problem {
        Problem::NoRoute => NO_ROUTE,
        Problem::NoEndpoint => NO_HEALTHY_UPSTREAM,
        Problem::CircuitOpen(_) | Problem::ConcurrencyLimit(_) => UPSTREAM_OVERFLOW,
        Problem::UpstreamTimeout(_) => UPSTREAM_REQUEST_TIMEOUT,
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn flags_are_told_by_their_names() {
        let names: Vec<_> = names(NO_ROUTE | UPSTREAM_OVERFLOW).collect();
        assert_eq!(names, ["upstream_overflow", "no_route"]);
        assert_eq!(super::names(0).count(), 0);
        assert_eq!(super::names(u64::MAX).count(), NAMES.len());
    }
}
