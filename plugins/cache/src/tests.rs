//! Native tests of the cache plugin, with a store that has keys and times, but no bytes.

use super::*;
use lockgate_sdk::Status;
use lockgate_sdk::testing::{self, Exchange, Gateway};
use serde_json::{Value, json};
use std::cell::RefCell;
use std::collections::BTreeMap;
use std::rc::Rc;

/// The entries of the test's store: keys with their freshness in milliseconds.
type Stored = Rc<RefCell<BTreeMap<String, i64>>>;

const FRESH: &[(&str, &str)] = &[("cache-control", "max-age=60")];

fn gateway(config: &str) -> (Gateway<Cache>, Stored) {
    let gateway = Gateway::configured(config).expect("a good configuration");
    let stored = Stored::default();
    let entries = stored.clone();
    testing::define_foreign_function("lockgate.cache", move |argument| {
        let call: Value = serde_json::from_slice(argument).expect("JSON");
        let key = call["key"].as_str().expect("a key").to_owned();
        let mut entries = entries.borrow_mut();
        let answer = match call["op"].as_str().expect("an operation") {
            "lookup" => match entries.get(&key) {
                Some(ttl) => json!({ "found": true, "status": 200, "age_ms": 5_000, "ttl_ms": ttl }),
                None => json!({ "found": false }),
            },
            "serve" => json!({ "served": entries.contains_key(&key) }),
            "store" => {
                entries.insert(key, call["ttl_ms"].as_i64().expect("a number"));
                json!({ "storing": true })
            }
            "purge" => json!({ "purged": entries.remove(&key).map_or(0, |_| 1) }),
            other => panic!("{other}"),
        };
        Ok(answer.to_string().into_bytes())
    });
    (gateway, stored)
}

/// Whether the cache has answered: the request pauses without a reply of the plugin.
fn is_hit(exchange: &Exchange<'_, Cache>) -> bool {
    exchange.is_paused() && exchange.status().is_none()
}

#[test]
fn a_stored_response_answers_the_second_request() {
    let (gateway, stored) = gateway("{}");
    let first = gateway.get("/a?y=1&x=2").send();
    assert!(!first.is_paused());
    assert_eq!(
        first.respond(200, FRESH).header("cache-status").as_deref(),
        Some("lockgate; fwd=miss; stored")
    );
    drop(first);
    assert_eq!(stored.borrow().values().collect::<Vec<_>>(), [&60_000]);
    assert!(is_hit(&gateway.get("/a?x=2&y=1").send()));
    assert!(
        is_hit(&gateway.request("HEAD", "/a?x=2&y=1").send()),
        "a HEAD is info from a GET"
    );
    assert!(!is_hit(&gateway.get("/a?x=3&y=1").send()));
}

#[test]
fn a_request_with_a_body_bypasses_the_cache() {
    let (gateway, stored) = gateway("{}");
    let _ = gateway.get("/a").send().respond(200, FRESH);
    for method in ["GET", "HEAD"] {
        let exchange = gateway.request(method, "/a").body("query").send();
        assert!(!is_hit(&exchange), "{method}");
        let answer = exchange.respond(200, FRESH);
        assert_eq!(answer.header("cache-status").as_deref(), Some("lockgate; fwd=bypass"));
    }
    assert_eq!(stored.borrow().len(), 1);
}

#[test]
fn a_proxy_that_speaks_of_another_scheme_or_host_gets_another_response() {
    let (gateway, _) = gateway("{}");
    let _ = gateway
        .get("/a")
        .header("x-forwarded-proto", "http")
        .send()
        .respond(200, FRESH);
    assert!(is_hit(&gateway.get("/a").header("x-forwarded-proto", "http").send()));
    for (name, value) in [
        ("x-forwarded-proto", "https"),
        ("x-forwarded-host", "www.example.com"),
        ("x-forwarded-port", "8443"),
        ("forwarded", "proto=https"),
    ] {
        assert!(!is_hit(&gateway.get("/a").header(name, value).send()), "{name}");
    }
    assert!(is_hit(&gateway.get("/a").header("x-forwarded-for", "192.0.2.1").send()));
}

#[test]
fn a_scope_is_named_in_every_call_and_none_by_default() {
    for (config, scope) in [("{}", Value::Null), (r#"{ "scope": "all" }"#, json!("all"))] {
        let gateway = Gateway::<Cache>::configured(config).expect("a good configuration");
        let calls = Rc::new(RefCell::new(Vec::new()));
        let recorded = calls.clone();
        testing::define_foreign_function("lockgate.cache", move |argument| {
            let call: Value = serde_json::from_slice(argument).expect("JSON");
            recorded.borrow_mut().push(call["scope"].clone());
            Ok(json!({ "found": false, "storing": true }).to_string().into_bytes())
        });
        let _ = gateway.get("/a").send().respond(200, FRESH);
        assert_eq!(*calls.borrow(), [scope.clone(), scope]);
    }
}

#[test]
fn a_response_to_head_is_not_stored() {
    let (gateway, stored) = gateway("{}");
    let answer = gateway.request("HEAD", "/a").send().respond(200, FRESH);
    assert_eq!(answer.header("cache-status").as_deref(), Some("lockgate; fwd=miss"));
    assert!(stored.borrow().is_empty());
}

#[test]
fn the_cache_status_of_other_caches_comes_first() {
    let (gateway, _) = gateway(r#"{ "name": "edge-1" }"#);
    let answer = gateway.get("/").send().respond(200, &[("cache-status", "origin; hit")]);
    assert_eq!(
        answer.header("cache-status").as_deref(),
        Some("origin; hit, edge-1; fwd=miss")
    );
}

#[test]
fn a_stale_response_is_fetched_again() {
    let (gateway, stored) = gateway("{}");
    gateway.get("/a").send().respond(200, FRESH);
    stored.borrow_mut().values_mut().for_each(|ttl| *ttl = -1);
    let again = gateway.get("/a").send();
    assert!(!again.is_paused());
    assert_eq!(
        again.respond(200, FRESH).header("cache-status").as_deref(),
        Some("lockgate; fwd=stale; stored")
    );
}

#[test]
fn a_request_may_bypass_the_store() {
    let (gateway, stored) = gateway("{}");
    gateway.get("/a").send().respond(200, FRESH);
    let refresh = gateway.get("/a").header("cache-control", "no-cache").send();
    assert!(!refresh.is_paused());
    assert_eq!(
        refresh.respond(200, FRESH).header("cache-status").as_deref(),
        Some("lockgate; fwd=request; stored")
    );
    drop(refresh);
    stored.borrow_mut().clear();
    let bypass = gateway.get("/a").header("cache-control", "no-store").send();
    assert_eq!(
        bypass.respond(200, FRESH).header("cache-status").as_deref(),
        Some("lockgate; fwd=bypass")
    );
    assert!(stored.borrow().is_empty());
}

#[test]
fn only_if_cached_never_reaches_the_upstream() {
    let (gateway, _) = gateway("{}");
    let miss = gateway.get("/a").header("cache-control", "only-if-cached").send();
    assert_eq!(miss.status(), Some(504));
    drop(miss);
    gateway.get("/a").send().respond(200, FRESH);
    assert!(is_hit(
        &gateway.get("/a").header("cache-control", "only-if-cached").send()
    ));
}

#[test]
fn consumers_have_separate_entries_unless_shared() {
    for (config, shares) in [("{}", false), (r#"{ "consumers": "shared" }"#, true)] {
        let (gateway, _) = gateway(config);
        let of = |name: &str| gateway.get("/a").property("lockgate.consumer.name", name).send();
        of("alice").respond(200, FRESH);
        assert!(is_hit(&of("alice")), "{config}");
        assert_eq!(is_hit(&of("bob")), shares, "{config}");
        assert_eq!(is_hit(&gateway.get("/a").send()), shares, "{config}");
    }
}

#[test]
fn versions_of_a_service_have_separate_entries() {
    let (gateway, _) = gateway("{}");
    gateway
        .get("/a")
        .property("lockgate.upstream", "v1")
        .send()
        .respond(200, FRESH);
    assert!(is_hit(&gateway.get("/a").property("lockgate.upstream", "v1").send()));
    assert!(!is_hit(&gateway.get("/a").property("lockgate.upstream", "v2").send()));
}

#[test]
fn a_successful_unsafe_request_invalidates_the_resource_for_all_consumers() {
    let (gateway, _) = gateway("{}");
    let of = |name: &str, method: &str| {
        gateway
            .request(method, "/a")
            .property("lockgate.consumer.name", name)
            .send()
    };
    let is_cached = |name: &str| is_hit(&of(name, "GET"));
    of("alice", "GET").respond(200, FRESH);
    of("bob", "GET").respond(200, FRESH);
    of("carol", "POST").respond(500, &[]);
    assert!(is_cached("alice") && is_cached("bob"), "a failure has changed nothing");
    let answer = of("carol", "POST").respond(201, &[]);
    assert_eq!(answer.header("cache-status"), None);
    assert!(!is_cached("alice") && !is_cached("bob"));
    of("alice", "GET").respond(200, FRESH);
    assert!(is_cached("alice"), "and it is stored again");
}

#[test]
fn a_response_to_an_authorized_request_is_stored_only_if_permitted() {
    let (gateway, stored) = gateway("{}");
    let fetch = |control| {
        gateway
            .get("/a")
            .header("authorization", "Bearer x")
            .send()
            .respond(200, &[("cache-control", control)]);
        !stored.borrow().is_empty()
    };
    assert!(!fetch("max-age=60"));
    assert!(fetch("public, max-age=60"));
}

#[test]
fn the_store_gets_the_vary_header() {
    let gateway = Gateway::<Cache>::configured("{}").expect("a good configuration");
    let calls = Rc::new(RefCell::new(Vec::new()));
    let kept = calls.clone();
    testing::define_foreign_function("lockgate.cache", move |argument| {
        let call: Value = serde_json::from_slice(argument).expect("JSON");
        let answer = if call["op"] == "store" {
            json!({ "storing": true })
        } else {
            json!({ "found": false })
        };
        kept.borrow_mut().push(call);
        Ok(answer.to_string().into_bytes())
    });
    gateway
        .get("/a")
        .send()
        .respond(200, &[("cache-control", "max-age=60"), ("vary", "Accept-Encoding")]);
    let expected =
        json!({ "op": "store", "key": "http://example.com/a 0", "ttl_ms": 60_000, "vary": ["accept-encoding"] });
    assert_eq!(calls.borrow().last(), Some(&expected));
}

#[test]
fn without_a_store_requests_pass_with_one_warning() {
    let gateway = Gateway::<Cache>::configured("{}").expect("a good configuration");
    for _ in 0..3 {
        let exchange = gateway.get("/a").send();
        assert!(!exchange.is_paused());
        assert_eq!(exchange.respond(200, FRESH).header("cache-status"), None);
    }
    let warnings = testing::log()
        .into_iter()
        .filter(|line| line.starts_with("WARN"))
        .collect::<Vec<_>>();
    assert_eq!(warnings.len(), 1, "{warnings:?}");
    assert!(warnings[0].contains("has no function lockgate.cache"), "{warnings:?}");
}

#[test]
fn whatever_status_the_host_returns_the_request_passes() {
    for call in [
        "proxy_get_header_map_pairs",
        "proxy_get_property",
        "proxy_get_shared_data",
        "proxy_call_foreign_function",
    ] {
        for status in [Status::BadArgument, Status::Unimplemented, Status::InternalFailure] {
            let (gateway, _) = gateway("{}");
            testing::fail(call, status);
            assert!(!gateway.get("/a").send().is_paused(), "{call} {status:?}");
        }
    }
}

#[test]
fn a_name_that_is_invalid_in_a_header_is_refused() {
    for name in ["", "two words", "1st", "a;b"] {
        let refused = Gateway::<Cache>::configured(&format!(r#"{{ "name": "{name}" }}"#))
            .err()
            .expect("refused");
        assert!(refused.contains("at /name"), "{refused}");
    }
}
