//! Lines of the log for requests that failed, and for callouts: one each, with the request's id, its way and the cause in words.
//!
//! A flood of failures must not become a flood of lines: per worker and status a second has [`MAX_LINES`]; the line after that says how
//! many were left out. The access log has a line for every request.

use std::cell::Cell;
use std::net::{IpAddr, SocketAddr};
use std::time::Duration;

use http::Method;

/// Lines per worker, class of failure and second.
pub const MAX_LINES: u32 = 20;

/// Their target, for filters like `RUST_LOG=info,lockgate::requests=off`.
pub const TARGET: &str = "lockgate::requests";

/// The target of lines of callouts that failed.
pub const CALLOUT_TARGET: &str = "lockgate::callouts";

/// A failed request.
#[derive(Clone, Copy, Debug)]
pub struct FailedRequest<'a> {
    /// Its id, as plugins and the upstream see it.
    pub request_id: &'a str,
    /// The client's address, behind trusted proxies as these report it.
    pub client: IpAddr,
    /// Its method.
    pub method: &'a Method,
    /// Its host.
    pub host: &'a str,
    /// The normalised path, without the query.
    pub path: &'a str,
    /// The status that the client got; none: the stream was reset before a response.
    pub status: Option<u16>,
    /// The route's name.
    pub route: Option<&'a str>,
    /// The upstream's name.
    pub upstream: Option<&'a str>,
    /// The endpoint of the last attempt.
    pub endpoint: Option<SocketAddr>,
    /// Number of attempts at the upstream.
    pub attempts: u32,
    /// `code_details`, or `abort_reason` of a response that broke off.
    pub reason: &'a str,
    /// What happened, in words.
    pub cause: &'a str,
}

/// A callout of a plugin that brought no response.
#[derive(Clone, Copy, Debug)]
pub struct FailedCallout<'a> {
    /// The plugin's name.
    pub plugin: &'a str,
    /// The id of the request that it was made for; none: for the plugin itself, in its start or a tick.
    pub request_id: Option<&'a str>,
    /// The upstream's name.
    pub upstream: &'a str,
    /// What happened, in words.
    pub cause: &'a str,
    /// From its start.
    pub took: Duration,
}

/// Whose business a failure is. Each has a limit of its own, so that clients cannot hide what operators must see.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Class {
    /// The gateway, a plugin or an upstream failed: WARN.
    Failed,
    /// The request was refused: INFO.
    Refused,
}

/// Writes the lines of one worker.
#[derive(Debug, Default)]
pub struct FailureLog {
    requests: [Limit; 2],
    callouts: Limit,
}

impl FailureLog {
    /// Writes a line for `request`, whose end was at the second `now` of any clock, unless its second has had its lines.
    pub fn write(&self, now: u64, request: &FailedRequest<'_>) {
        let class = match request.status {
            Some(400..=499) => Class::Refused,
            _ => Class::Failed,
        };
        let Some(suppressed) = self.requests[class as usize].admit(now) else {
            return;
        };
        macro_rules! line {
            ($level:ident, $text:literal) => {
                tracing::$level!(
                    target: TARGET,
                    request_id = request.request_id,
                    status = request.status,
                    route = request.route,
                    upstream = request.upstream,
                    endpoint = request.endpoint.map(tracing::field::display),
                    attempts = request.attempts,
                    reason = request.reason,
                    cause = request.cause,
                    client = %request.client,
                    method = %request.method,
                    host = request.host,
                    path = request.path,
                    suppressed = (suppressed > 0).then_some(suppressed),
                    $text
                )
            };
        }
        match class {
            Class::Failed => line!(warn, "request failed"),
            Class::Refused => line!(info, "request refused"),
        }
    }

    /// Writes a line for a callout that failed at the second `now` of any clock, unless its second has had its lines.
    pub fn write_callout(&self, now: u64, callout: &FailedCallout<'_>) {
        let Some(suppressed) = self.callouts.admit(now) else {
            return;
        };
        tracing::warn!(
            target: CALLOUT_TARGET,
            plugin = callout.plugin,
            request_id = callout.request_id,
            upstream = callout.upstream,
            cause = callout.cause,
            took_ms = u64::try_from(callout.took.as_millis()).unwrap_or(u64::MAX),
            suppressed = (suppressed > 0).then_some(suppressed),
            "callout failed"
        );
    }
}

/// At most [`MAX_LINES`] in a second.
#[derive(Debug, Default)]
struct Limit {
    second: Cell<u64>,
    lines: Cell<u32>,
    suppressed: Cell<u64>,
}

impl Limit {
    /// The number of lines that were left out before this one; none: this one is left out, too.
    fn admit(&self, now: u64) -> Option<u64> {
        if self.second.replace(now) != now {
            self.lines.set(0);
        }
        if self.lines.get() == MAX_LINES {
            self.suppressed.set(self.suppressed.get() + 1);
            return None;
        }
        self.lines.set(self.lines.get() + 1);
        Some(self.suppressed.take())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_second_has_its_lines_and_the_next_one_says_how_many_were_left_out() {
        let limit = Limit::default();
        for _ in 0..MAX_LINES {
            assert_eq!(limit.admit(7), Some(0));
        }
        assert_eq!(limit.admit(7), None);
        assert_eq!(limit.admit(7), None);
        assert_eq!(limit.admit(8), Some(2));
        assert_eq!(limit.admit(8), Some(0));
        // A clock that is set back is another second, not the end of the log.
        assert_eq!(limit.admit(3), Some(0));
    }
}
