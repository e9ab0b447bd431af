//! Conditional requests against a stored response (RFC 9110, section 13).

use http::header::{ETAG, IF_MODIFIED_SINCE, IF_NONE_MATCH, LAST_MODIFIED};
use http::{HeaderMap, HeaderValue};

/// Whether the client has the stored response already, by the request's conditions, and 304 is enough. If there is `If-None-Match`,
/// it decides alone.
pub(super) fn is_not_modified(request: &HeaderMap, stored: &HeaderMap) -> bool {
    if request.contains_key(IF_NONE_MATCH) {
        let Some(etag) = stored.get(ETAG) else {
            return request
                .get_all(IF_NONE_MATCH)
                .iter()
                .any(|value| value.as_bytes().trim_ascii() == b"*");
        };
        return request
            .get_all(IF_NONE_MATCH)
            .iter()
            .any(|value| lists(value, opaque(etag.as_bytes())));
    }
    let date = |value: &HeaderValue| httpdate::parse_http_date(value.to_str().ok()?).ok();
    match (
        request.get(IF_MODIFIED_SINCE).and_then(date),
        stored.get(LAST_MODIFIED).and_then(date),
    ) {
        (Some(since), Some(modified)) => modified <= since,
        _ => false,
    }
}

/// Whether a list of entity tags has this one, by weak comparison.
fn lists(list: &HeaderValue, etag: &[u8]) -> bool {
    let mut rest = list.as_bytes().trim_ascii();
    if rest == b"*" {
        return true;
    }
    // Tags are quoted and may hold commas, so the list is read tag by tag.
    while let Some(start) = rest.iter().position(|&byte| byte == b'"') {
        let Some(length) = rest[start + 1..].iter().position(|&byte| byte == b'"') else {
            return false;
        };
        let end = start + length + 2;
        if &rest[start..end] == etag {
            return true;
        }
        rest = &rest[end..];
    }
    false
}

/// An entity tag without its `W/`.
fn opaque(etag: &[u8]) -> &[u8] {
    let etag = etag.trim_ascii();
    etag.strip_prefix(b"W/").unwrap_or(etag)
}

#[cfg(test)]
mod tests {
    use http::HeaderName;

    use super::*;

    fn map(headers: &[(HeaderName, &'static str)]) -> HeaderMap {
        headers
            .iter()
            .map(|(name, value)| (name.clone(), HeaderValue::from_static(value)))
            .collect()
    }

    #[test]
    fn entity_tags_are_compared_weakly_and_one_by_one() {
        let stored = map(&[(ETAG, "W/\"a,b\"")]);
        for (tags, expected) in [
            ("\"a,b\"", true),
            ("W/\"a,b\"", true),
            ("\"x\", W/\"a,b\" , \"y\"", true),
            ("*", true),
            ("\"a\", \"b\"", false),
            ("a,b", false),
            ("\"a,b", false),
            ("", false),
        ] {
            let request = map(&[(IF_NONE_MATCH, tags)]);
            assert_eq!(is_not_modified(&request, &stored), expected, "{tags}");
        }
        assert!(is_not_modified(&map(&[(IF_NONE_MATCH, "*")]), &map(&[])));
        assert!(!is_not_modified(&map(&[(IF_NONE_MATCH, "\"a\"")]), &map(&[])));
    }

    #[test]
    fn dates_decide_only_when_there_is_no_tag() {
        const MAY: &str = "Sat, 01 May 2021 00:00:00 GMT";
        const JUNE: &str = "Tue, 01 Jun 2021 00:00:00 GMT";
        let stored = map(&[(LAST_MODIFIED, MAY), (ETAG, "\"a\"")]);
        assert!(is_not_modified(&map(&[(IF_MODIFIED_SINCE, MAY)]), &stored));
        assert!(is_not_modified(&map(&[(IF_MODIFIED_SINCE, JUNE)]), &stored));
        assert!(!is_not_modified(
            &map(&[(IF_MODIFIED_SINCE, MAY)]),
            &map(&[(LAST_MODIFIED, JUNE)])
        ));
        assert!(!is_not_modified(
            &map(&[(IF_MODIFIED_SINCE, JUNE), (IF_NONE_MATCH, "\"b\"")]),
            &stored
        ));
        assert!(!is_not_modified(&map(&[(IF_MODIFIED_SINCE, "yesterday")]), &stored));
        assert!(!is_not_modified(&map(&[(IF_MODIFIED_SINCE, JUNE)]), &map(&[])));
        assert!(!is_not_modified(&map(&[]), &stored));
    }
}
