//! How long a retry waits: exponentially longer each time, up to a limit, and at random, so that many retries do not come at once.

use std::time::{Duration, SystemTime};

use http::HeaderMap;
use http::header::RETRY_AFTER;

/// The wait before the retry of this number, from 1. `random` is any number.
pub(crate) fn wait(base: Duration, max: Duration, number: u32, random: usize) -> Duration {
    let doubled = base.saturating_mul(1u32.checked_shl(number.saturating_sub(1)).unwrap_or(u32::MAX));
    let most = doubled.min(max);
    // Half of it is certain: retries that come at once find what the first attempt found.
    let share = (random % 1024) as u32;
    most / 2 + (most / 2) * share / 1024
}

/// The time that a response asks to wait (RFC 9110, section 10.2.3).
pub(crate) fn retry_after(headers: &HeaderMap) -> Option<Duration> {
    let value = headers.get(RETRY_AFTER)?.to_str().ok()?.trim();
    if let Ok(seconds) = value.parse() {
        return Some(Duration::from_secs(seconds));
    }
    let at = httpdate::parse_http_date(value).ok()?;
    Some(at.duration_since(SystemTime::now()).unwrap_or_default())
}

#[cfg(test)]
mod tests {
    use http::HeaderValue;

    use super::*;

    #[test]
    fn waits_grow_up_to_their_limit_and_differ() {
        let (base, max) = (Duration::from_millis(25), Duration::from_millis(250));
        for (number, most) in [
            (1, 25),
            (2, 50),
            (3, 100),
            (4, 200),
            (5, 250),
            (40, 250),
            (u32::MAX, 250),
        ] {
            let waits = |random| wait(base, max, number, random);
            let most = Duration::from_millis(most);
            assert_eq!(waits(0), most / 2);
            assert!((0..5000).map(waits).all(|wait| wait >= most / 2 && wait <= most));
            assert!(waits(1023) > most * 9 / 10);
        }
    }

    #[test]
    fn no_base_is_no_wait() {
        assert_eq!(wait(Duration::ZERO, Duration::from_secs(1), 3, 77), Duration::ZERO);
    }

    #[test]
    fn retry_after_is_seconds_or_a_date() {
        let of =
            |value: &'static str| retry_after(&HeaderMap::from_iter([(RETRY_AFTER, HeaderValue::from_static(value))]));
        assert_eq!(of("3"), Some(Duration::from_secs(3)));
        assert_eq!(of("-3"), None);
        assert_eq!(of("soon"), None);
        assert_eq!(of("Sun, 06 Nov 1994 08:49:37 GMT"), Some(Duration::ZERO));
        assert_eq!(retry_after(&HeaderMap::new()), None);
    }
}
