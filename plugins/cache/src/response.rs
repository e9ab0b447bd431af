//! Whether a response may be stored, and for how long (RFC 9111, sections 3 and 4.2). No host call is made here.

use std::time::SystemTime;

use lockgate_sdk::HeaderList;

use crate::directives::{self, Directives};

/// The data of a response that the cache needs.
#[derive(Debug, Default)]
pub(crate) struct ResponseInfo<'a> {
    status: u16,
    directives: Directives,
    expires: Option<&'a str>,
    date: Option<&'a str>,
    age: u64,
    vary: Vec<String>,
    sets_cookie: bool,
}

/// The operator's settings of freshness, in milliseconds.
#[derive(Debug, Default, Clone, Copy)]
pub(crate) struct FreshnessBounds {
    pub(crate) default_ms: Option<u64>,
    pub(crate) max_ms: Option<u64>,
}

/// How to store a response.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Storage {
    /// The time for which it stays fresh, in milliseconds.
    pub(crate) ttl_ms: u64,
    /// The request headers that it varies by, in lower case.
    pub(crate) vary: Vec<String>,
}

/// The statuses with heuristic freshness (RFC 9110, section 15.1), without 206, as partial content is not stored.
const HEURISTIC: [u16; 11] = [200, 203, 204, 300, 301, 308, 404, 405, 410, 414, 501];

impl<'a> ResponseInfo<'a> {
    /// Reads a response's headers.
    pub(crate) fn read(headers: &'a HeaderList) -> ResponseInfo<'a> {
        let mut info = ResponseInfo::default();
        for (name, value) in headers.iter() {
            match name {
                ":status" => info.status = value.parse().unwrap_or(0),
                "cache-control" => info.directives.add(value),
                "expires" => info.expires = info.expires.or(Some(value)),
                "date" => info.date = info.date.or(Some(value)),
                "age" => info.age = directives::seconds(value.trim()),
                "set-cookie" => info.sets_cookie = true,
                "vary" => {
                    let names = value.split(',').map(|name| name.trim().to_ascii_lowercase());
                    info.vary.extend(names.filter(|name| !name.is_empty()));
                }
                _ => {}
            }
        }
        info
    }

    /// Whether the request succeeded, so that stored responses of its resource are invalid (section 4.4).
    pub(crate) fn is_success(&self) -> bool {
        (200..400).contains(&self.status)
    }

    /// How to store the response to a `GET`; `None` if it must not be stored.
    pub(crate) fn storage(self, has_authorization: bool, bounds: FreshnessBounds, now: SystemTime) -> Option<Storage> {
        let control = &self.directives;
        // Partial content and "not modified" are not complete responses.
        let is_whole = self.status >= 200 && self.status != 206 && self.status != 304;
        // `no-cache` requires validation at each use, which this cache does not support.
        let is_forbidden = control.no_store || control.no_cache || control.private;
        let is_permitted =
            !has_authorization || control.public || control.must_revalidate || control.s_maxage.is_some();
        let varies_by_anything = self.vary.iter().any(|name| name == "*");
        if !is_whole || is_forbidden || !is_permitted || self.sets_cookie || varies_by_anything {
            return None;
        }
        let lifetime_ms = self.lifetime_ms(bounds, now)?;
        let left_ms = lifetime_ms.saturating_sub(self.age_ms(now));
        let ttl_ms = left_ms.min(bounds.max_ms.unwrap_or(u64::MAX));
        (ttl_ms > 0).then_some(Storage {
            ttl_ms,
            vary: self.vary,
        })
    }

    /// The age in milliseconds: by `Age`, or by `Date`, whichever is more (section 4.2.3).
    fn age_ms(&self, now: SystemTime) -> u64 {
        let date = self.date.and_then(|date| httpdate::parse_http_date(date).ok());
        let apparent = date.and_then(|date| now.duration_since(date).ok());
        let apparent = apparent.map_or(0, |age| u64::try_from(age.as_millis()).unwrap_or(u64::MAX));
        apparent.max(self.age.saturating_mul(1_000))
    }

    /// The freshness lifetime in milliseconds, from the generation of the response: s-maxage, else max-age, else
    /// Expires, else the operator's default.
    fn lifetime_ms(&self, bounds: FreshnessBounds, now: SystemTime) -> Option<u64> {
        if let Some(seconds) = self.directives.s_maxage.or(self.directives.max_age) {
            return Some(seconds * 1_000);
        }
        if let Some(expires) = self.expires {
            // An invalid date, such as the common "0", is in the past.
            let expires = httpdate::parse_http_date(expires).ok()?;
            let date = self
                .date
                .as_ref()
                .and_then(|date| httpdate::parse_http_date(date).ok())
                .unwrap_or(now);
            let lifetime = expires.duration_since(date).ok()?;
            return u64::try_from(lifetime.as_millis()).ok();
        }
        bounds.default_ms.filter(|_| HEURISTIC.contains(&self.status))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::time::{Duration, UNIX_EPOCH};

    const NONE: FreshnessBounds = FreshnessBounds {
        default_ms: None,
        max_ms: None,
    };

    fn storage(
        status: &str,
        headers: &[(&str, &str)],
        is_authorized: bool,
        bounds: FreshnessBounds,
    ) -> Option<Storage> {
        let headers = HeaderList::of([(":status", status)].into_iter().chain(headers.iter().copied()));
        ResponseInfo::read(&headers).storage(is_authorized, bounds, now())
    }

    /// Sun, 06 Nov 1994 08:49:37 GMT
    fn now() -> SystemTime {
        UNIX_EPOCH + Duration::from_secs(784_111_777)
    }

    fn ttl(headers: &[(&str, &str)]) -> Option<u64> {
        storage("200", headers, false, NONE).map(|storage| storage.ttl_ms)
    }

    #[test]
    fn s_maxage_comes_before_max_age_and_that_before_expires() {
        let expires = ("expires", "Sun, 06 Nov 1994 08:50:07 GMT");
        assert_eq!(
            ttl(&[("cache-control", "max-age=20, s-maxage=10"), expires]),
            Some(10_000)
        );
        assert_eq!(ttl(&[("cache-control", "max-age=20"), expires]), Some(20_000));
        assert_eq!(ttl(&[expires]), Some(30_000));
        assert_eq!(ttl(&[("cache-control", "s-maxage=0, max-age=20")]), None);
        assert_eq!(ttl(&[]), None, "no default");
    }

    #[test]
    fn expires_counts_from_date_and_an_invalid_date_is_in_the_past() {
        let expires = ("expires", "Sun, 06 Nov 1994 08:50:07 GMT");
        assert_eq!(ttl(&[expires, ("date", "Sun, 06 Nov 1994 08:50:00 GMT")]), Some(7_000));
        assert_eq!(ttl(&[expires, ("date", "Sun, 06 Nov 1994 08:51:00 GMT")]), None);
        assert_eq!(ttl(&[expires, ("date", "yesterday")]), Some(30_000));
        for none in ["0", "-1", "never", ""] {
            assert_eq!(ttl(&[("expires", none)]), None, "{none:?}");
        }
        assert_eq!(
            ttl(&[("expires", "Sunday, 06-Nov-94 08:50:07 GMT")]),
            Some(30_000),
            "the older forms are dates"
        );
    }

    #[test]
    fn the_age_of_a_response_counts_against_its_lifetime() {
        assert_eq!(ttl(&[("cache-control", "max-age=20"), ("age", "5")]), Some(15_000));
        assert_eq!(ttl(&[("cache-control", "max-age=20"), ("age", "20")]), None);
        assert_eq!(ttl(&[("cache-control", "max-age=20"), ("age", "x")]), Some(20_000));
    }

    #[test]
    fn the_date_of_a_response_counts_against_its_lifetime() {
        let control = ("cache-control", "max-age=20");
        let date = |date| ("date", date);
        assert_eq!(ttl(&[control, date("Sun, 06 Nov 1994 08:49:30 GMT")]), Some(13_000));
        assert_eq!(ttl(&[control, date("Sun, 06 Nov 1994 08:49:17 GMT")]), None);
        assert_eq!(
            ttl(&[control, date("Sun, 06 Nov 1994 08:49:30 GMT"), ("age", "2")]),
            Some(13_000)
        );
        assert_eq!(
            ttl(&[control, date("Sun, 06 Nov 1994 08:49:30 GMT"), ("age", "9")]),
            Some(11_000)
        );
        assert_eq!(
            ttl(&[control, date("Sun, 06 Nov 1994 09:00:00 GMT")]),
            Some(20_000),
            "a clock ahead of ours"
        );
        let expires = ("expires", "Sun, 06 Nov 1994 08:50:07 GMT");
        assert_eq!(ttl(&[expires, date("Sun, 06 Nov 1994 08:49:07 GMT")]), Some(30_000));
    }

    #[test]
    fn a_response_not_for_shared_caches_is_not_stored() {
        let fresh = ("cache-control", "max-age=60");
        for forbidden in [
            ("cache-control", "no-store"),
            ("cache-control", "private"),
            ("cache-control", "private=\"x\""),
            ("cache-control", "no-cache"),
            ("set-cookie", "a=b"),
            ("vary", "accept, *"),
        ] {
            assert_eq!(ttl(&[fresh, forbidden]), None, "{forbidden:?}");
        }
        assert_eq!(ttl(&[fresh]), Some(60_000));
    }

    #[test]
    fn a_response_to_an_authorized_request_is_stored_only_if_permitted() {
        let stored = |control| storage("200", &[("cache-control", control)], true, NONE).is_some();
        assert!(!stored("max-age=60"));
        assert!(!stored("max-age=60, proxy-revalidate"));
        for control in ["max-age=60, public", "s-maxage=60", "max-age=60, must-revalidate"] {
            assert!(stored(control), "{control}");
        }
    }

    #[test]
    fn partial_content_and_not_modified_are_not_stored() {
        for status in ["206", "304", "100", "?"] {
            assert_eq!(
                storage(status, &[("cache-control", "max-age=60")], false, NONE),
                None,
                "{status}"
            );
        }
        for status in ["200", "404", "503"] {
            assert!(
                storage(status, &[("cache-control", "max-age=60")], false, NONE).is_some(),
                "{status}"
            );
        }
    }

    #[test]
    fn the_operator_may_assume_freshness_and_bound_it() {
        let bounds = FreshnessBounds {
            default_ms: Some(5_000),
            max_ms: Some(30_000),
        };
        let ttl = |status, control| {
            storage(status, &[("cache-control", control)], false, bounds).map(|storage| storage.ttl_ms)
        };
        assert_eq!(ttl("200", ""), Some(5_000));
        assert_eq!(ttl("500", ""), None, "not for every status");
        assert_eq!(ttl("200", "max-age=0"), None, "not against what the response says");
        assert_eq!(ttl("200", "max-age=3600"), Some(30_000));
    }

    #[test]
    fn vary_is_collected_over_all_its_lines() {
        let headers = [
            ("cache-control", "max-age=1"),
            ("vary", "Accept-Encoding, accept"),
            ("vary", "X-Tenant"),
        ];
        let storage = storage("200", &headers, false, NONE).expect("stored");
        assert_eq!(storage.vary, ["accept-encoding", "accept", "x-tenant"]);
    }
}
