//! What a request permits a cache to do (RFC 9111, sections 4 and 5.2.1). No host call is made here.

use lockgate_sdk::HeaderList;
use lockgate_sdk::cache::Entry;

use crate::directives::Directives;
use crate::key::Origin;

/// The data of a request that the cache needs.
#[derive(Debug, Default)]
pub(crate) struct RequestInfo<'a> {
    pub(crate) method: &'a str,
    pub(crate) origin: Origin<'a>,
    pub(crate) path_and_query: &'a str,
    pub(crate) directives: Directives,
    pub(crate) has_range: bool,
    pub(crate) is_upgrade: bool,
    pub(crate) has_authorization: bool,
    /// Whether it has a body, which may decide about the response.
    pub(crate) has_body: bool,
}

/// The decision about a request.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Plan {
    /// The cache does not handle it: a safe method that is not cached.
    Ignore,
    /// It may change the resource, whose stored responses are invalidated if it succeeds.
    Invalidate,
    /// It goes to the upstream, and its response is not stored.
    Bypass,
    /// It goes to the upstream, and its response is stored.
    Refresh,
    /// A stored response may answer it.
    Lookup,
}

/// The reason why a request goes to the upstream: `fwd` in `Cache-Status` (RFC 9211, section 2.2).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Forward {
    /// The cache does not handle this request.
    Bypass,
    /// No matching response is stored.
    Miss,
    /// The stored response is stale.
    Stale,
    /// The request does not permit the stored response.
    Request,
}

impl Forward {
    /// The value in `Cache-Status`.
    pub(crate) fn word(self) -> &'static str {
        match self {
            Forward::Bypass => "bypass",
            Forward::Miss => "miss",
            Forward::Stale => "stale",
            Forward::Request => "request",
        }
    }
}

impl<'a> RequestInfo<'a> {
    /// Reads a request's headers.
    pub(crate) fn read(headers: &'a HeaderList, is_without_body: bool) -> RequestInfo<'a> {
        let mut info = RequestInfo {
            has_body: !is_without_body,
            ..RequestInfo::default()
        };
        let mut pragma = Directives::default();
        let mut has_control = false;
        for (name, value) in headers.iter() {
            match name {
                ":method" => info.method = value,
                ":scheme" => info.origin.scheme = value,
                ":authority" => info.origin.authority = value,
                "forwarded" => info.origin.forwarded.push(value),
                ":path" => info.path_and_query = value,
                "range" => info.has_range = true,
                // The gateway leaves the field in requests that ask for a tunnel alone.
                "upgrade" => info.is_upgrade = true,
                "authorization" => info.has_authorization = true,
                "pragma" => pragma.add(value),
                "cache-control" => {
                    has_control = true;
                    info.directives.add(value);
                }
                _ if name.starts_with("x-forwarded-") && name != "x-forwarded-for" => {
                    info.origin.add_forwarded(name, value);
                }
                _ => {}
            }
        }
        // Pragma counts only without Cache-Control (section 5.4).
        info.directives.no_cache |= pragma.no_cache && !has_control;
        info
    }

    /// Decides about the request.
    pub(crate) fn plan(&self) -> Plan {
        match self.method {
            "GET" | "HEAD" if self.has_range || self.has_body || self.is_upgrade || self.directives.no_store => {
                Plan::Bypass
            }
            "GET" | "HEAD" if self.directives.no_cache => Plan::Refresh,
            "GET" | "HEAD" => Plan::Lookup,
            "OPTIONS" | "TRACE" => Plan::Ignore,
            _ => Plan::Invalidate,
        }
    }

    /// Whether the response may be stored: only that to a `GET` is complete.
    pub(crate) fn may_be_stored(&self) -> bool {
        self.method == "GET"
    }

    /// The reason why a stored response does not match; `None` if it does.
    pub(crate) fn forward_reason(&self, entry: &Entry) -> Option<Forward> {
        let Ok(ttl_ms @ 1..) = u64::try_from(entry.ttl_ms) else {
            return Some(Forward::Stale);
        };
        let is_too_old = self
            .directives
            .max_age
            .is_some_and(|seconds| entry.age_ms / 1_000 > seconds || seconds == 0);
        let is_too_stale = self
            .directives
            .min_fresh
            .is_some_and(|seconds| ttl_ms < seconds.saturating_mul(1_000));
        (is_too_old || is_too_stale).then_some(Forward::Request)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn headers(method: &str, headers: &[(&str, &str)]) -> HeaderList {
        let head = [
            (":method", method),
            (":path", "/a"),
            (":authority", "h"),
            (":scheme", "https"),
        ];
        HeaderList::of(head.into_iter().chain(headers.iter().copied()))
    }

    #[test]
    fn only_get_and_head_are_looked_up_and_unsafe_methods_invalidate() {
        for (method, plan) in [
            ("GET", Plan::Lookup),
            ("HEAD", Plan::Lookup),
            ("OPTIONS", Plan::Ignore),
            ("TRACE", Plan::Ignore),
            ("POST", Plan::Invalidate),
            ("PUT", Plan::Invalidate),
            ("PATCH", Plan::Invalidate),
            ("DELETE", Plan::Invalidate),
            ("BREW", Plan::Invalidate),
        ] {
            assert_eq!(RequestInfo::read(&headers(method, &[]), true).plan(), plan, "{method}");
        }
    }

    #[test]
    fn a_request_may_demand_the_upstream() {
        let plan = |name, value| RequestInfo::read(&headers("GET", &[(name, value)]), true).plan();
        assert_eq!(plan("cache-control", "no-cache"), Plan::Refresh);
        assert_eq!(plan("pragma", "no-cache"), Plan::Refresh);
        assert_eq!(plan("cache-control", "no-store"), Plan::Bypass);
        assert_eq!(plan("range", "bytes=0-1"), Plan::Bypass);
        assert_eq!(plan("upgrade", "websocket"), Plan::Bypass);
        for method in ["GET", "HEAD"] {
            assert_eq!(
                RequestInfo::read(&headers(method, &[]), false).plan(),
                Plan::Bypass,
                "a body"
            );
        }
        let both = headers("GET", &[("pragma", "no-cache"), ("cache-control", "max-age=5")]);
        assert_eq!(
            RequestInfo::read(&both, true).plan(),
            Plan::Lookup,
            "Cache-Control is newer than Pragma"
        );
    }

    #[test]
    fn a_stored_response_must_meet_the_requests_freshness() {
        let forward_reason = |control: &str, age_ms, ttl_ms| {
            let headers = headers("GET", &[("cache-control", control)]);
            RequestInfo::read(&headers, true).forward_reason(&Entry {
                status: 200,
                age_ms,
                ttl_ms,
            })
        };
        assert_eq!(forward_reason("", 5_000, 1), None);
        assert_eq!(forward_reason("", 5_000, 0), Some(Forward::Stale));
        assert_eq!(forward_reason("max-stale", 5_000, -1), Some(Forward::Stale));
        assert_eq!(forward_reason("max-age=5", 5_999, 9_000), None);
        assert_eq!(forward_reason("max-age=5", 6_000, 9_000), Some(Forward::Request));
        assert_eq!(forward_reason("max-age=0", 0, 9_000), Some(Forward::Request));
        assert_eq!(forward_reason("min-fresh=9", 0, 9_000), None);
        assert_eq!(forward_reason("min-fresh=10", 0, 9_000), Some(Forward::Request));
    }
}
