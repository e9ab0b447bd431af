//! What a request wants of the cache (RFC 9111, sections 4 and 5.2.1). Knows no host.

use lockgate_sdk::HeaderList;
use lockgate_sdk::cache::Entry;

use crate::directives::Directives;

/// What the cache looks at in a request.
#[derive(Debug, Default)]
pub(crate) struct Asked<'a> {
    pub(crate) method: &'a str,
    pub(crate) scheme: &'a str,
    pub(crate) authority: &'a str,
    pub(crate) path_and_query: &'a str,
    pub(crate) directives: Directives,
    pub(crate) has_range: bool,
    pub(crate) has_authorization: bool,
}

/// What to do with a request.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Plan {
    /// Nothing: a method that is safe, but not cached.
    Aside,
    /// It may change the resource: what is stored goes when it succeeds.
    Invalidate,
    /// It goes to the upstream, and its response is not stored.
    Bypass,
    /// It goes to the upstream, whatever is stored.
    Refresh,
    /// What is stored may answer it.
    Lookup,
}

/// Why a request goes on to the upstream: the `fwd` of `Cache-Status` (RFC 9211, section 2.2).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Forward {
    /// The cache does not handle this request.
    Bypass,
    /// Nothing fitting is stored.
    Miss,
    /// What is stored is no longer fresh.
    Stale,
    /// The request does not want what is stored.
    Request,
}

impl Forward {
    /// The word of the specification.
    pub(crate) fn word(self) -> &'static str {
        match self {
            Forward::Bypass => "bypass",
            Forward::Miss => "miss",
            Forward::Stale => "stale",
            Forward::Request => "request",
        }
    }
}

impl<'a> Asked<'a> {
    /// Reads a request's headers.
    pub(crate) fn read(headers: &'a HeaderList) -> Asked<'a> {
        let mut asked = Asked::default();
        let mut pragma = Directives::default();
        let mut has_control = false;
        for (name, value) in headers.iter() {
            match name {
                ":method" => asked.method = value,
                ":scheme" => asked.scheme = value,
                ":authority" => asked.authority = value,
                ":path" => asked.path_and_query = value,
                "range" => asked.has_range = true,
                "authorization" => asked.has_authorization = true,
                "pragma" => pragma.add(value),
                "cache-control" => {
                    has_control = true;
                    asked.directives.add(value);
                }
                _ => {}
            }
        }
        // Pragma counts only where there is no Cache-Control (section 5.4).
        asked.directives.no_cache |= pragma.no_cache && !has_control;
        asked
    }

    /// What to do with the request.
    pub(crate) fn plan(&self) -> Plan {
        match self.method {
            "GET" | "HEAD" if self.has_range || self.directives.no_store => Plan::Bypass,
            "GET" | "HEAD" if self.directives.no_cache => Plan::Refresh,
            "GET" | "HEAD" => Plan::Lookup,
            "OPTIONS" | "TRACE" => Plan::Aside,
            _ => Plan::Invalidate,
        }
    }

    /// Whether a response may be stored as this resource: only a `GET` brings all of it.
    pub(crate) fn brings_all(&self) -> bool {
        self.method == "GET"
    }

    /// Why a stored response does not do; `None` when it does.
    pub(crate) fn refuses(&self, entry: &Entry) -> Option<Forward> {
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
            ("OPTIONS", Plan::Aside),
            ("TRACE", Plan::Aside),
            ("POST", Plan::Invalidate),
            ("PUT", Plan::Invalidate),
            ("PATCH", Plan::Invalidate),
            ("DELETE", Plan::Invalidate),
            ("BREW", Plan::Invalidate),
        ] {
            assert_eq!(Asked::read(&headers(method, &[])).plan(), plan, "{method}");
        }
    }

    #[test]
    fn a_request_may_demand_the_upstream() {
        let plan = |name, value| Asked::read(&headers("GET", &[(name, value)])).plan();
        assert_eq!(plan("cache-control", "no-cache"), Plan::Refresh);
        assert_eq!(plan("pragma", "no-cache"), Plan::Refresh);
        assert_eq!(plan("cache-control", "no-store"), Plan::Bypass);
        assert_eq!(plan("range", "bytes=0-1"), Plan::Bypass);
        let both = headers("GET", &[("pragma", "no-cache"), ("cache-control", "max-age=5")]);
        assert_eq!(
            Asked::read(&both).plan(),
            Plan::Lookup,
            "Cache-Control is newer than Pragma"
        );
    }

    #[test]
    fn a_stored_response_must_meet_the_requests_freshness() {
        let refuses = |control: &str, age_ms, ttl_ms| {
            let headers = headers("GET", &[("cache-control", control)]);
            Asked::read(&headers).refuses(&Entry {
                status: 200,
                age_ms,
                ttl_ms,
            })
        };
        assert_eq!(refuses("", 5_000, 1), None);
        assert_eq!(refuses("", 5_000, 0), Some(Forward::Stale));
        assert_eq!(refuses("max-stale", 5_000, -1), Some(Forward::Stale));
        assert_eq!(refuses("max-age=5", 5_999, 9_000), None);
        assert_eq!(refuses("max-age=5", 6_000, 9_000), Some(Forward::Request));
        assert_eq!(refuses("max-age=0", 0, 9_000), Some(Forward::Request));
        assert_eq!(refuses("min-fresh=9", 0, 9_000), None);
        assert_eq!(refuses("min-fresh=10", 0, 9_000), Some(Forward::Request));
    }
}
