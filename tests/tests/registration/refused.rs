//! What the admin API refuses, with what was found and what was expected.

use lockgate_tests::endpoint::Endpoint;
use lockgate_tests::{Gateway, Wire, request};
use serde_json::{Value, json};

use super::api::{call, call_at, gateway};

/// Calls and expects a problem of this status whose detail has these parts.
fn refused(gateway: &Gateway, method: &str, target: &str, body: &Value, status: u16, parts: &[&str]) {
    let answer = call_at(gateway, method, target, body);
    let text = answer.text();
    assert_eq!(answer.status(), status, "{method} {target} {body}: {text}");
    assert_eq!(answer.header("content-type"), Some("application/problem+json"));
    let detail = answer.json()["detail"].as_str().expect("a detail").to_owned();
    assert!(
        parts.iter().all(|part| detail.contains(part)),
        "{method} {target} {body}: {detail}"
    );
}

#[test]
fn unknown_names_are_not_found() {
    let one = Endpoint::start();
    let (gateway, address) = (gateway(&[&one]), one.address().to_string());
    let none = Value::Null;
    refused(&gateway, "GET", "ap", &none, 404, &["\"ap\"", "expected \"app\""]);
    refused(
        &gateway,
        "PUT",
        "ap/endpoints/127.0.0.1:1",
        &none,
        404,
        &["\"ap\"", "\"app\""],
    );
    for (method, body) in [("PATCH", json!({ "weight": 1 })), ("DELETE", none)] {
        refused(
            &gateway,
            method,
            "app/endpoints/127.0.0.1:1",
            &body,
            404,
            &["\"127.0.0.1:1\"", &address],
        );
    }
    assert_eq!(call_at(&gateway, "GET", "app/endpoints", &Value::Null).status(), 404);
    assert_eq!(
        call_at(&gateway, "POST", &format!("app/endpoints/{address}"), &json!({})).status(),
        405
    );
}

#[test]
fn invalid_bodies_are_refused_with_every_mistake_and_its_place() {
    let one = Endpoint::start();
    let (gateway, target) = (gateway(&[&one]), format!("app/endpoints/{}", one.address()));
    for (method, body, parts) in [
        (
            "PATCH",
            json!({ "weight": 1001 }),
            &["/weight: found 1001", "0 to 1000"][..],
        ),
        (
            "PATCH",
            json!({ "wieght": 1, "draining": 1 }),
            &[
                "unknown key \"wieght\"",
                "did you mean \"weight\"",
                "/draining: found 1",
            ],
        ),
        ("PATCH", json!({}), &["nothing to change"]),
        ("PATCH", json!([]), &["found an empty array"]),
        ("PUT", json!({ "ttl": 10 }), &["/ttl: found 10", "a duration"]),
        ("PUT", json!({ "ttl": "10ms" }), &["ttl: found \"10ms\"", "100ms to 7d"]),
        ("PUT", json!({ "ttl": "0s" }), &["100ms to 7d"]),
        ("PUT", json!({ "labels": { "a": 1 } }), &["/labels/a: found 1"]),
        ("PUT", json!({ "labels": { "a": "x".repeat(300) } }), &["labels", "256"]),
        ("PUT", json!({ "labels": { "a\n": "" } }), &["labels", "visible"]),
    ] {
        refused(&gateway, method, &target, &body, 422, parts);
    }
    let cut = gateway.tell_admin(request("PATCH", &format!("/api/upstreams/{target}")).body("{ \"weight\": "));
    assert_eq!(cut.status(), 422, "{}", cut.text());
    let large = gateway.tell_admin(request("PUT", &format!("/api/upstreams/{target}")).body("x".repeat(70_000)));
    assert_eq!(large.status(), 413);
    refused(
        &gateway,
        "PATCH",
        "app",
        &json!({ "breaker": "ajar" }),
        422,
        &["/breaker", "\"open\", \"closed\", \"auto\""],
    );
    refused(
        &gateway,
        "PATCH",
        "app",
        &json!({ "breaker": "open" }),
        409,
        &["circuit_breaker"],
    );
}

#[test]
fn invalid_addresses_are_refused() {
    let one = Endpoint::start();
    let gateway = gateway(&[&one]);
    for (address, part) in [
        ("127.0.0.1", "port"),
        ("127.0.0.1:0", "port"),
        ("127.0.0.1:65536", "port"),
        ("http:%2F%2F127.0.0.1:80", "URL"),
        ("a..b:80", "host"),
        ("127.0.0.1:80%0a", "port"),
        (":80", "host"),
    ] {
        refused(
            &gateway,
            "PUT",
            &format!("app/endpoints/{address}"),
            &Value::Null,
            422,
            &[part],
        );
    }
}

#[test]
fn the_gateways_own_addresses_cannot_register() {
    let one = Endpoint::start();
    let gateway = gateway(&[&one]);
    for own in [gateway.admin(), gateway.address()] {
        let target = format!("app/endpoints/{own}");
        refused(&gateway, "PUT", &target, &json!({}), 422, &["the gateway itself"]);
        refused(
            &gateway,
            "PUT",
            &format!("app/endpoints/localhost:{}", own.port()),
            &json!({}),
            422,
            &["the gateway itself"],
        );
    }
}

#[test]
fn every_change_needs_the_token() {
    let one = Endpoint::start();
    let gateway = Gateway::start(json!({
        "admin": { "token": "secret" },
        "upstreams": { "app": { "endpoints": [one.address().to_string()] } },
    }));
    for (method, body) in [
        ("PUT", json!({})),
        ("PATCH", json!({ "weight": 0 })),
        ("DELETE", Value::Null),
        ("GET", Value::Null),
    ] {
        assert_eq!(call(&gateway, method, &one, &body).status(), 401, "{method}");
    }
    let with = request("GET", "/api/upstreams").header("authorization", "Bearer secret");
    assert_eq!(gateway.tell_admin(with).json()[0]["endpoints"][0]["weight"], 1);
}

#[test]
fn a_page_of_another_origin_cannot_change_anything() {
    let one = Endpoint::start();
    let gateway = gateway(&[&one]);
    let own = format!("http://{}", gateway.admin());
    for (origin, status) in [
        (own.as_str(), 200),
        ("http://evil.example", 403),
        ("null", 403),
        ("http://127.0.0.1:1", 403),
    ] {
        let call = request("GET", "/api/upstreams").header("origin", origin);
        assert_eq!(gateway.tell_admin(call).status(), status, "{origin}");
    }
}

#[test]
fn an_upstream_takes_so_many_registrations_and_no_more() {
    let one = Endpoint::start();
    let gateway = gateway(&[&one]);
    let (admin, host) = (gateway.admin(), gateway.admin().to_string());
    // Several at a time: each waits for the disk.
    let register = |wire: &mut Wire, number: u32| {
        let call = request(
            "PUT",
            &format!("/api/upstreams/app/endpoints/127.0.2.1:{}", 1000 + number),
        );
        let call = call.header("host", &host).body("{ \"weight\": 0 }");
        wire.exchange(&call).expect("an answer")
    };
    std::thread::scope(|scope| {
        for first in 0..50 {
            let register = &register;
            scope.spawn(move || {
                let mut wire = Wire::connect(admin);
                for number in (first..1000).step_by(50) {
                    let answer = register(&mut wire, number);
                    assert_eq!(answer.status(), 200, "{number}: {}", answer.text());
                }
            });
        }
    });
    let mut wire = Wire::connect(admin);
    let refused = register(&mut wire, 1000);
    assert_eq!(refused.status(), 409);
    assert!(refused.text().contains("1000"), "{}", refused.text());
    assert_eq!(
        register(&mut wire, 0).status(),
        200,
        "a heartbeat is no further registration"
    );
}
