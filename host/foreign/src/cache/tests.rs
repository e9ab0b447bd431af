//! `lockgate.cache` on real exchanges.

mod age;
mod storable;

use std::cell::RefCell;
use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::rc::Rc;

use http::header::{ACCEPT_ENCODING, CONNECTION, IF_NONE_MATCH, SET_COOKIE};
use http::uri::PathAndQuery;
use lockgate_exchange::{ConnectionInfo, RequestHead, ResponseHead, Scheme, StreamInfo};
use lockgate_store::{CacheLimits, StoreSettings};
use serde_json::{Value, json};

use super::*;

/// The system's.
const CLOCK: WallClock = WallClock::SYSTEM;

/// An exchange in its request phase.
fn request(method: Method, headers: &[(HeaderName, &'static str)]) -> SharedExchange {
    let socket = SocketAddr::from((Ipv4Addr::LOCALHOST, 1));
    let connection = ConnectionInfo {
        id: 1,
        listener: "web".into(),
        peer: socket,
        local: socket,
        tls: None,
        properties: Default::default(),
    };
    let client = IpAddr::V4(Ipv4Addr::LOCALHOST);
    let info = StreamInfo::new(
        Rc::new(connection),
        client,
        HeaderValue::from_static("id"),
        http::Version::HTTP_11,
    );
    let head = RequestHead {
        method,
        path: PathAndQuery::from_static("/"),
        authority: HeaderValue::from_static("test"),
        scheme: Scheme::Http,
        headers: headers
            .iter()
            .map(|(name, value)| (name.clone(), HeaderValue::from_static(value)))
            .collect(),
        is_upgrade: false,
    };
    let mut exchange = Exchange::new(head, info);
    exchange.position = 2;
    Rc::new(RefCell::new(exchange))
}

/// The same, once this response has come.
fn respond(exchange: &SharedExchange, status: StatusCode, headers: &[(HeaderName, &'static str)]) {
    let headers = headers
        .iter()
        .map(|(name, value)| (name.clone(), HeaderValue::from_static(value)))
        .collect();
    let mut exchange = exchange.borrow_mut();
    exchange.response = Some(ResponseHead { status, headers });
    exchange.info.code_details = Some(lockgate_exchange::VIA_UPSTREAM.into());
}

fn call_cache(store: &Arc<Store>, exchange: &SharedExchange, argument: Value) -> Value {
    let answer = call(store, "cache", argument.to_string().as_bytes(), Some(exchange), &CLOCK).expect("well-formed");
    serde_json::from_slice(&answer).expect("an answer is JSON")
}

/// Lets a body pass by all taps.
fn pass(exchange: &SharedExchange, body: &'static str, complete: bool) {
    let taps = std::mem::take(&mut exchange.borrow_mut().taps);
    for mut tap in taps {
        assert_eq!(tap.position, 2);
        for piece in body.as_bytes().chunks(3) {
            tap.sink.chunk(&Bytes::from_static(piece));
        }
        tap.sink.end(complete);
    }
}

fn store() -> Arc<Store> {
    Arc::new(Store::new(StoreSettings::default()))
}

fn store_response(store: &Arc<Store>, headers: &[(HeaderName, &'static str)], body: &'static str) {
    let exchange = request(Method::GET, &[]);
    respond(&exchange, StatusCode::OK, headers);
    assert_eq!(
        call_cache(store, &exchange, json!({ "op": "store", "key": "K", "ttl_ms": 60_000 })),
        json!({ "storing": true })
    );
    pass(&exchange, body, true);
}

/// The response after `serve`.
fn serve(store: &Arc<Store>, exchange: &SharedExchange) -> LocalResponse {
    let call = json!({ "op": "serve", "key": "K", "headers": [["cache-status", "lockgate; hit"]] });
    assert_eq!(call_cache(store, exchange, call), json!({ "served": true }));
    exchange
        .borrow_mut()
        .pending
        .local_response
        .take()
        .expect("serving answers the request")
}

#[test]
fn a_complete_response_comes_from_the_cache_afterwards() {
    let store = store();
    let miss = request(Method::GET, &[]);
    assert_eq!(
        call_cache(&store, &miss, json!({ "op": "lookup", "key": "K" })),
        json!({ "found": false })
    );
    assert_eq!(
        call_cache(&store, &miss, json!({ "op": "serve", "key": "K" })),
        json!({ "served": false })
    );
    assert!(miss.borrow().pending.local_response.is_none());
    store_response(
        &store,
        &[(ETAG, "\"1\""), (CONNECTION, "close"), (SET_COOKIE, "a=b"), (AGE, "5")],
        "the body",
    );

    let hit = request(Method::GET, &[]);
    let found = call_cache(&store, &hit, json!({ "op": "lookup", "key": "K" }));
    assert_eq!((&found["found"], &found["status"]), (&json!(true), &json!(200)));
    assert!(
        (5_000..10_000).contains(&found["age_ms"].as_u64().expect("a number")),
        "{found}"
    );
    assert!(
        (55_000..=60_000).contains(&found["ttl_ms"].as_i64().expect("a number")),
        "{found}"
    );
    let answer = serve(&store, &hit);
    assert_eq!(
        (answer.status, &answer.body[..], answer.position),
        (StatusCode::OK, &b"the body"[..], 2)
    );
    for (name, value) in [
        (ETAG.as_str(), "\"1\""),
        ("content-length", "8"),
        ("cache-status", "lockgate; hit"),
        ("set-cookie", "a=b"),
    ] {
        assert_eq!(answer.headers[name], value, "{name}");
    }
    assert!(!answer.headers.contains_key(CONNECTION));
    assert_eq!(answer.headers.get_all(AGE).iter().count(), 1);
    assert!(answer.headers[AGE].to_str().is_ok_and(|age| age == "5" || age == "6"));
}

#[test]
fn head_gets_what_get_stored() {
    let store = store();
    store_response(&store, &[], "the body");
    let answer = serve(&store, &request(Method::HEAD, &[]));
    assert_eq!(
        (answer.status, answer.body.len(), &answer.headers[CONTENT_LENGTH]),
        (StatusCode::OK, 0, &HeaderValue::from(8))
    );
}

#[test]
fn a_client_with_a_current_copy_gets_304() {
    let store = store();
    store_response(
        &store,
        &[(ETAG, "\"1\""), (HeaderName::from_static("x-large"), "y")],
        "the body",
    );
    let answer = serve(&store, &request(Method::GET, &[(IF_NONE_MATCH, "\"0\", W/\"1\"")]));
    assert_eq!((answer.status, answer.body.len()), (StatusCode::NOT_MODIFIED, 0));
    assert!(answer.headers.contains_key(ETAG) && answer.headers.contains_key(AGE));
    assert!(!answer.headers.contains_key("x-large") && !answer.headers.contains_key(CONTENT_LENGTH));
    assert_eq!(
        serve(&store, &request(Method::GET, &[(IF_NONE_MATCH, "\"2\"")])).status,
        StatusCode::OK
    );
}

#[test]
fn a_truncated_body_is_not_stored() {
    let store = store();
    let exchange = request(Method::GET, &[]);
    respond(&exchange, StatusCode::OK, &[]);
    call_cache(
        &store,
        &exchange,
        json!({ "op": "store", "key": "K", "ttl_ms": 60_000 }),
    );
    pass(&exchange, "half", false);
    assert_eq!(
        call_cache(&store, &exchange, json!({ "op": "lookup", "key": "K" })),
        json!({ "found": false })
    );
    assert_eq!(store.cache().used(), 0);
}

#[test]
fn a_body_over_the_limit_is_not_stored() {
    let limits = CacheLimits {
        bytes: 1 << 20,
        max_entry: 1024,
    };
    let store = Arc::new(Store::new(StoreSettings {
        cache: limits,
        ..StoreSettings::default()
    }));
    let exchange = request(Method::GET, &[]);
    respond(&exchange, StatusCode::OK, &[]);
    assert_eq!(
        call_cache(&store, &exchange, json!({ "op": "store", "key": "K", "ttl_ms": 1 })),
        json!({ "storing": true })
    );
    pass(&exchange, "0123456789".repeat(100).leak(), true);
    assert_eq!(
        call_cache(&store, &exchange, json!({ "op": "lookup", "key": "K" })),
        json!({ "found": false })
    );
    respond(&exchange, StatusCode::OK, &[(CONTENT_LENGTH, "1000")]);
    assert_eq!(
        call_cache(&store, &exchange, json!({ "op": "store", "key": "K", "ttl_ms": 1 })),
        json!({ "storing": false })
    );
}

#[test]
fn only_complete_responses_to_get_are_stored() {
    let store = store();
    let part = [(CONTENT_RANGE, "bytes 0-1/4")];
    for (method, status, headers) in [
        (Method::HEAD, StatusCode::OK, &[][..]),
        (Method::POST, StatusCode::OK, &[]),
        (Method::GET, StatusCode::PARTIAL_CONTENT, &[]),
        (Method::GET, StatusCode::OK, &part),
        (Method::GET, StatusCode::NOT_MODIFIED, &[]),
    ] {
        let exchange = request(method, &[]);
        respond(&exchange, status, headers);
        assert_eq!(
            call_cache(&store, &exchange, json!({ "op": "store", "key": "K", "ttl_ms": 1 })),
            json!({ "storing": false })
        );
    }
    let exchange = request(Method::GET, &[]);
    respond(&exchange, StatusCode::OK, &[]);
    let star = json!({ "op": "store", "key": "K", "ttl_ms": 1, "vary": ["accept", "*"] });
    assert_eq!(call_cache(&store, &exchange, star), json!({ "storing": false }));
}

#[test]
fn the_current_request_selects_the_variant() {
    let store = store();
    for (encoding, body) in [("gzip", "small"), ("identity", "large")] {
        let exchange = request(Method::GET, &[(ACCEPT_ENCODING, encoding)]);
        respond(&exchange, StatusCode::OK, &[]);
        call_cache(
            &store,
            &exchange,
            json!({ "op": "store", "key": "K", "ttl_ms": 60_000, "vary": ["Accept-Encoding"] }),
        );
        pass(&exchange, body, true);
    }
    assert_eq!(
        serve(&store, &request(Method::GET, &[(ACCEPT_ENCODING, "gzip")])).body,
        "small"
    );
    assert_eq!(
        serve(&store, &request(Method::GET, &[(ACCEPT_ENCODING, "identity")])).body,
        "large"
    );
    let other = request(Method::GET, &[(ACCEPT_ENCODING, "br")]);
    assert_eq!(
        call_cache(&store, &other, json!({ "op": "lookup", "key": "K" })),
        json!({ "found": false })
    );
    assert_eq!(
        call_cache(&store, &other, json!({ "op": "purge", "key": "K" })),
        json!({ "purged": 2 })
    );
}

#[test]
fn a_stale_response_is_found_with_a_ttl_below_zero() {
    let store = store();
    let exchange = request(Method::GET, &[]);
    respond(&exchange, StatusCode::OK, &[]);
    call_cache(&store, &exchange, json!({ "op": "store", "key": "K", "ttl_ms": 0 }));
    pass(&exchange, "x", true);
    std::thread::sleep(Duration::from_millis(2));
    let found = call_cache(&store, &exchange, json!({ "op": "lookup", "key": "K" }));
    assert!(found["ttl_ms"].as_i64().is_some_and(|ttl| ttl < 0), "{found}");
}

#[test]
fn another_plugin_finds_nothing() {
    let store = store();
    store_response(&store, &[], "the body");
    let exchange = request(Method::GET, &[]);
    for op in ["lookup", "serve"] {
        let answer = call(
            &store,
            "other",
            json!({ "op": op, "key": "K" }).to_string().as_bytes(),
            Some(&exchange),
            &CLOCK,
        );
        assert!(answer.is_ok_and(|answer| answer.ends_with(b":false}")), "{op}");
    }
    assert_eq!(
        call(&store, "other", br#"{"op":"purge","key":"K"}"#, None, &CLOCK).as_deref(),
        Ok(&br#"{"purged":0}"#[..])
    );
}

#[test]
fn a_call_in_the_wrong_phase_or_malformed_is_a_bad_argument() {
    let store = store();
    let exchange = request(Method::GET, &[]);
    for (argument, exchange) in [
        (json!({ "op": "lookup" }), Some(&exchange)),
        (json!({ "op": "fetch", "key": "K" }), Some(&exchange)),
        (json!({ "op": "lookup", "key": "K", "x": 1 }), Some(&exchange)),
        (json!({ "op": "store", "key": "K", "ttl_ms": 1 }), Some(&exchange)),
        (json!({ "op": "lookup", "key": "K" }), None),
        (
            json!({ "op": "serve", "key": "K", "headers": [["bad_argument name", "x"]] }),
            Some(&exchange),
        ),
        (
            json!({ "op": "serve", "key": "K", "headers": [["x", "a\r\nb: c"]] }),
            Some(&exchange),
        ),
    ] {
        assert_eq!(
            call(&store, "cache", argument.to_string().as_bytes(), exchange, &CLOCK),
            Err(Status::BadArgument),
            "{argument}"
        );
    }
    respond(&exchange, StatusCode::OK, &[]);
    for argument in [
        json!({ "op": "store", "key": "K" }),
        json!({ "op": "store", "key": "K", "ttl_ms": 1, "vary": ["a b"] }),
    ] {
        assert_eq!(
            call(
                &store,
                "cache",
                argument.to_string().as_bytes(),
                Some(&exchange),
                &CLOCK
            ),
            Err(Status::BadArgument)
        );
    }
}
