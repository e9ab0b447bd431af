//! The age of a stored response, and its date.

use super::*;

/// Seconds before now, as a `date`.
fn date(seconds: u64) -> HeaderValue {
    let time = SystemTime::now() - Duration::from_secs(seconds);
    HeaderValue::from_str(&httpdate::fmt_http_date(time)).expect("a date")
}

#[test]
fn a_stored_response_ages_from_its_date_and_keeps_it() {
    for (age, seconds, expected) in [
        (None, 100, 100),
        (Some("7"), 100, 100),
        (Some("300"), 100, 300),
        (Some("7"), 0, 7),
        (Some(" 7 "), 0, 7),
        (Some("x"), 0, 0),
    ] {
        let (store, date) = (store(), date(seconds));
        let exchange = request(Method::GET, &[]);
        let mut headers = HeaderMap::from_iter([(DATE, date.clone())]);
        headers.extend(age.map(|age| (AGE, HeaderValue::from_static(age))));
        let status = StatusCode::OK;
        let mut answered = exchange.borrow_mut();
        answered.response = Some(ResponseHead { status, headers });
        answered.info.code_details = Some(lockgate_exchange::VIA_UPSTREAM.into());
        drop(answered);
        call_cache(
            &store,
            &exchange,
            json!({ "op": "store", "key": "K", "ttl_ms": 60_000 }),
        );
        pass(&exchange, "x", true);
        let served = serve(&store, &request(Method::GET, &[]));
        let told: u64 = served.headers[AGE].to_str().expect("text").parse().expect("a number");
        assert!((expected..=expected + 2).contains(&told), "{age:?} {seconds}: {told}");
        assert_eq!(served.headers[DATE], date);
    }
}

#[test]
fn a_response_without_a_date_gets_and_keeps_that_of_its_receipt() {
    for headers in [&[][..], &[(DATE, "yesterday")]] {
        let (store, before) = (store(), SystemTime::now() - Duration::from_secs(1));
        store_response(&store, headers, "x");
        let first = serve(&store, &request(Method::GET, &[])).headers[DATE].clone();
        let received = httpdate::parse_http_date(first.to_str().expect("text")).expect("a date");
        assert!(received >= before && received <= SystemTime::now());
        std::thread::sleep(Duration::from_millis(1100));
        assert_eq!(serve(&store, &request(Method::GET, &[])).headers[DATE], first);
    }
}
