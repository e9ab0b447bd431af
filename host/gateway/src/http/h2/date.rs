//! The `Date` of responses, written once a second.

use std::cell::RefCell;
use std::time::{SystemTime, UNIX_EPOCH};

use http::HeaderValue;

thread_local! {
    static LAST: RefCell<(u64, HeaderValue)> = const { RefCell::new((0, HeaderValue::from_static(""))) };
}

/// The time of day as a field value (RFC 9110, section 5.6.7).
pub(super) fn now() -> HeaderValue {
    let now = SystemTime::now();
    let second = now.duration_since(UNIX_EPOCH).map_or(0, |since| since.as_secs());
    LAST.with_borrow_mut(|(known, value)| {
        if *known != second {
            let text = httpdate::fmt_http_date(now);
            (*known, *value) = (second, HeaderValue::try_from(text).expect("a date is visible ASCII"));
        }
        value.clone()
    })
}
