//! Native tests of the quota plugin, with a scripted counter.

use super::*;
use lockgate_sdk::testing::{self, Gateway};
use serde_json::{Value, json};
use std::cell::RefCell;
use std::rc::Rc;

const CONFIG: &str = r#"{ "rules": [ { "limit": 100, "window": "60s", "burst": 20 } ] }"#;

/// A counter that returns `answer` for every call, and records its arguments.
fn counter(answer: Value) -> Rc<RefCell<Vec<Value>>> {
    let calls = Rc::new(RefCell::new(Vec::new()));
    let recorded = calls.clone();
    testing::define_foreign_function("lockgate.counter", move |argument| {
        recorded
            .borrow_mut()
            .push(serde_json::from_slice(argument).expect("JSON"));
        Ok(answer.to_string().into_bytes())
    });
    calls
}

fn allowed() -> Value {
    json!({ "allowed": true, "rules": [
        { "allowed": true, "limit": 100, "remaining": 19, "reset_ms": 600, "retry_after_ms": 0 } ] })
}

fn refused() -> Value {
    json!({ "allowed": false, "rules": [
        { "allowed": false, "limit": 100, "remaining": 0, "reset_ms": 12_000, "retry_after_ms": 1_200 } ] })
}

#[test]
fn within_the_quota_the_request_passes_and_the_response_has_the_remaining_quota() {
    let gateway = Gateway::<Quota>::configured(CONFIG).expect("a good configuration");
    let calls = counter(allowed());
    let exchange = gateway.get("/").property("lockgate.consumer.name", "alice").send();
    assert!(!exchange.is_paused());
    let answer = exchange.respond(200, &[("ratelimit", "\"upstream\";r=1")]);
    assert_eq!(
        answer.header("ratelimit-policy").as_deref(),
        Some(r#""default";q=100;w=60"#)
    );
    assert_eq!(answer.header("ratelimit").as_deref(), Some(r#""default";r=19;t=1"#));
    let expected = json!({ "op": "take", "rules": [ { "key": "default/60000/alice", "algorithm": "token_bucket",
        "limit": 100, "window_ms": 60_000, "burst": 20, "cost": 1 } ] });
    assert_eq!(*calls.borrow(), [expected]);
}

#[test]
fn over_the_quota_the_reply_is_429_with_retry_after() {
    let gateway = Gateway::<Quota>::configured(CONFIG).expect("a good configuration");
    counter(refused());
    let exchange = gateway.get("/").send();
    assert_eq!(exchange.status(), Some(429));
    assert_eq!(exchange.reply_header("retry-after").as_deref(), Some("2"));
    assert_eq!(
        exchange.reply_header("ratelimit").as_deref(),
        Some(r#""default";r=0;t=12"#)
    );
    assert!(
        exchange
            .reply_body()
            .expect("a body")
            .contains("problem:quota-exceeded\"")
    );
}

#[test]
fn an_anonymous_request_is_counted_by_address() {
    let gateway = Gateway::<Quota>::configured(CONFIG).expect("a good configuration");
    let calls = counter(allowed());
    drop(gateway.get("/").client("2001:db8::1").send());
    assert_eq!(calls.borrow()[0]["rules"][0]["key"], "default/60000/2001:db8::/64");
}

#[test]
fn several_rules_are_charged_in_one_call_with_separate_keys() {
    let config = r#"{ "legacy_headers": true, "rules": [
        { "name": "tenant", "key": "{header:x-tenant}", "limit": 1000, "window": "1h", "cost": 5 },
        { "name": "route", "key": "{consumer}@{route}", "limit": 10, "window": "1s" } ] }"#;
    let gateway = Gateway::<Quota>::configured(config).expect("a good configuration");
    let calls = counter(json!({ "allowed": true, "rules": [
        { "allowed": true, "limit": 1000, "remaining": 995, "reset_ms": 18_000, "retry_after_ms": 0 },
        { "allowed": true, "limit": 10, "remaining": 9, "reset_ms": 100, "retry_after_ms": 0 } ] }));
    let request = gateway
        .get("/")
        .header("x-tenant", "acme")
        .property("lockgate.consumer.name", "alice");
    let exchange = request.property("route_name", "orders").send();
    assert_eq!(calls.borrow().len(), 1);
    assert_eq!(calls.borrow()[0]["rules"][0]["key"], "tenant/3600000/acme");
    assert_eq!(calls.borrow()[0]["rules"][0]["cost"], 5);
    assert_eq!(calls.borrow()[0]["rules"][1]["key"], "route/1000/alice@orders");
    let answer = exchange.respond(200, &[]);
    assert_eq!(
        answer.header("ratelimit").as_deref(),
        Some(r#""tenant";r=995;t=18, "route";r=9;t=1"#)
    );
    assert_eq!(answer.header("x-ratelimit-remaining").as_deref(), Some("9"));
}

#[test]
fn if_the_store_fails_requests_pass_or_not_as_configured() {
    let status = |config: &str, prepare: &dyn Fn()| {
        let gateway = Gateway::<Quota>::configured(config).expect("a good configuration");
        prepare();
        gateway.get("/").send().status()
    };
    let allow = r#"{ "rules": [ { "limit": 1, "window": "1s", "on_store_error": "allow" } ] }"#;
    let mixed = r#"{ "rules": [ { "limit": 1, "window": "1s", "on_store_error": "allow" },
                                { "name": "strict", "limit": 1, "window": "1s" } ] }"#;
    let broken = || testing::fail("proxy_call_foreign_function", Status::InternalFailure);
    let absent = || {};
    let lying = || drop(counter(json!({ "allowed": true, "rules": [] })));
    for (what, prepare) in [("broken", &broken as &dyn Fn()), ("absent", &absent), ("lying", &lying)] {
        assert_eq!(status(allow, prepare), None, "{what}");
        assert_eq!(status(mixed, prepare), Some(503), "{what}");
        assert_eq!(status(CONFIG, prepare), Some(503), "{what}");
    }
    assert!(
        testing::log()
            .join("\n")
            .contains("ERROR denied, as it cannot be counted"),
        "{:?}",
        testing::log()
    );
}

#[test]
fn a_request_whose_key_the_host_refuses_never_passes() {
    let allow = r#"{ "rules": [ { "limit": 1, "window": "1s", "on_store_error": "allow" } ] }"#;
    let gateway = Gateway::<Quota>::configured(allow).expect("a good configuration");
    testing::define_foreign_function("lockgate.counter", |_| Err(Status::BadArgument));
    assert_eq!(gateway.get("/").send().status(), Some(503));
}

#[test]
fn an_ipv6_client_is_its_network() {
    let keys = |settings: &str, client: &str| {
        let config = format!(r#"{{ "rules": [ {{ "limit": 100, "window": "60s" }} ] {settings} }}"#);
        let gateway = Gateway::<Quota>::configured(&config).expect("a good configuration");
        let calls = counter(allowed());
        drop(gateway.get("/").client(client).send());
        let calls = calls.borrow();
        calls[0]["rules"][0]["key"].as_str().expect("a key").to_owned()
    };
    assert_eq!(keys("", "2001:db8:1:2::1"), "default/60000/2001:db8:1:2::/64");
    assert_eq!(keys("", "2001:db8:1:2:ffff::2"), "default/60000/2001:db8:1:2::/64");
    assert_eq!(keys("", "2001:db8:1:3::1"), "default/60000/2001:db8:1:3::/64");
    assert_eq!(keys("", "::ffff:192.0.2.1"), "default/60000/192.0.2.1");
    assert_eq!(keys("", "192.0.2.1"), "default/60000/192.0.2.1");
    assert_eq!(
        keys(r#", "ipv6_prefix": 48"#, "2001:db8:1:2::1"),
        "default/60000/2001:db8:1::/48"
    );
    assert_eq!(
        keys(r#", "ipv6_prefix": 128"#, "2001:db8:1:2::1"),
        "default/60000/2001:db8:1:2::1"
    );
}

#[test]
fn no_rules_count_nothing() {
    let gateway = Gateway::<Quota>::configured(r#"{ "rules": [] }"#).expect("a good configuration");
    let exchange = gateway.get("/").send();
    assert!(!exchange.is_paused());
    assert_eq!(exchange.respond(200, &[]).header("ratelimit"), None);
}

#[test]
fn a_configuration_that_cannot_work_is_refused_with_its_place() {
    let rule = r#"{ "name": "NAME", "limit": 1, "window": "1s" }"#;
    let rules: Vec<_> = (0..65)
        .map(|number| rule.replace("NAME", &number.to_string()))
        .collect();
    let too_many = format!(r#"{{ "rules": [ {} ] }}"#, rules.join(","));
    let message = Gateway::<Quota>::configured(&too_many)
        .err()
        .expect("too many rules for the host");
    assert!(message.contains("/rules"), "{message}");
    let refused = |rule: &str| {
        let config = format!(r#"{{ "rules": [ {{ "limit": 1, "window": "1s" }}, {{ {rule} }} ] }}"#);
        Gateway::<Quota>::configured(&config)
            .err()
            .unwrap_or_else(|| panic!("{rule} is accepted"))
    };
    for (rule, place) in [
        (r#""name": "default", "limit": 1, "window": "1s""#, "/rules/1/name"),
        (r#""name": "a\"b", "limit": 1, "window": "1s""#, "/rules/1/name"),
        (r#""limit": 0, "window": "1s""#, "/rules/1/limit"),
        (r#""limit": 1, "window": "0s""#, "/rules/1/window"),
        (r#""limit": 1, "window": "400d""#, "/rules/1/window"),
        (r#""limit": 1, "window": "1s", "burst": 0"#, "/rules/1/burst"),
        (r#""limit": 10, "window": "1s", "burst": 2, "cost": 3"#, "/rules/1/cost"),
        (r#""limit": 1, "window": 60"#, "with its unit"),
        (r#""limit": 1, "window": "1s", "key": "{user}""#, "user"),
    ] {
        let message = refused(rule);
        assert!(message.contains(place), "{rule}: {message}");
    }
}
