//! Weights, draining and removal while traffic flows.

use std::time::{Duration, Instant};

use lockgate_tests::endpoint::{Endpoint, Mode};
use lockgate_tests::get;
use lockgate_tests::load::Load;
use lockgate_tests::upstream::eventually;
use serde_json::{Value, json};

use super::api::{call, call_at, done, gateway, report, share};

#[test]
fn a_weight_is_changed_and_given_back() {
    let (one, other) = (Endpoint::start(), Endpoint::start());
    let gateway = gateway(&[&one, &other]);
    let changed = done(&gateway, "PATCH", &other, &json!({ "weight": 3 }));
    assert_eq!((&changed["weight"], &changed["turned"]), (&json!(3), &json!(true)));
    assert_eq!(share(&gateway, &other, 40), 30);
    done(&gateway, "PATCH", &other, &json!({ "weight": 0 }));
    assert_eq!(share(&gateway, &other, 40), 0);
    let own = done(&gateway, "PATCH", &other, &json!({ "weight": null }));
    assert_eq!((&own["weight"], &own["turned"]), (&json!(1), &json!(false)));
    assert_eq!(share(&gateway, &other, 40), 20);
}

#[test]
fn a_draining_endpoint_finishes_its_requests_and_gets_no_new_ones() {
    let (one, other) = (Endpoint::start(), Endpoint::start());
    let gateway = gateway(&[&one, &other]);
    other.set(Mode::Slow(Duration::from_secs(1)));
    let load = Load::start(gateway.address(), 100, &get("/"), |answer| answer.status() == 200);
    eventually("requests in progress", Duration::from_secs(5), || {
        report(&gateway, &other)["active"].as_u64() > Some(2)
    });
    let drained = done(&gateway, "PATCH", &other, &json!({ "draining": true }));
    assert_eq!(drained["state"], "draining");
    let begun = other.requests();
    eventually("they end", Duration::from_secs(5), || {
        report(&gateway, &other)["active"] == 0
    });
    std::thread::sleep(Duration::from_millis(300));
    // One may have been on its way when the call came.
    assert!(other.requests() <= begun + 2, "{} after {begun}", other.requests());
    let result = load.finish();
    assert!(result.failures.is_empty(), "{:?}", result.failures);
    other.set(Mode::Answer(200));
    done(&gateway, "PATCH", &other, &json!({ "draining": false }));
    assert_eq!(share(&gateway, &other, 20), 10);
}

#[test]
fn a_removed_endpoint_goes_when_its_requests_have_ended() {
    let (one, other) = (Endpoint::start(), Endpoint::start());
    let gateway = gateway(&[&one, &other]);
    other.set(Mode::Slow(Duration::from_secs(2)));
    let load = Load::start(gateway.address(), 100, &get("/"), |answer| answer.status() == 200);
    eventually("requests in progress", Duration::from_secs(5), || {
        report(&gateway, &other)["active"].as_u64() > Some(2)
    });
    let (removed, began) = (done(&gateway, "DELETE", &other, &Value::Null), Instant::now());
    assert_eq!(removed["state"], "draining");
    assert!(
        removed["why"].as_str().expect("a reason").contains("removed"),
        "{removed}"
    );
    assert_eq!(call(&gateway, "PATCH", &other, &json!({ "weight": 2 })).status(), 409);
    assert_eq!(
        call(&gateway, "DELETE", &other, &Value::Null).status(),
        200,
        "again is no mistake"
    );
    eventually("it goes", Duration::from_secs(10), || {
        report(&gateway, &other) == Value::Null
    });
    let took = began.elapsed();
    assert!(took < Duration::from_secs(4), "{took:?}");
    let result = load.finish();
    assert!(result.failures.is_empty(), "{:?}", result.failures);
    assert_eq!(call(&gateway, "DELETE", &other, &Value::Null).status(), 404);
    println!(
        "removed with requests of 2s in progress: gone after {took:?}, 0 of {} failed",
        result.answered
    );
}

#[test]
fn a_removed_endpoint_goes_at_the_limit_though_a_request_is_in_progress() {
    let (one, other) = (Endpoint::start(), Endpoint::start());
    let gateway = lockgate_tests::Gateway::start(json!({
        "drain_timeout": "1s",
        "upstreams": { "app": { "endpoints": [one.address().to_string(), other.address().to_string()] } },
    }));
    other.set(Mode::Slow(Duration::from_secs(4)));
    let mut waiting = gateway.connect();
    let slow = std::thread::scope(|scope| {
        let slow = scope.spawn(|| {
            (0..2)
                .map(|_| waiting.exchange(&get("/")).expect("an answer").status())
                .collect::<Vec<_>>()
        });
        eventually("a request in progress", Duration::from_secs(5), || {
            report(&gateway, &other)["active"] == 1
        });
        let began = Instant::now();
        done(&gateway, "DELETE", &other, &Value::Null);
        eventually("it goes", Duration::from_secs(5), || {
            report(&gateway, &other) == Value::Null
        });
        assert!(began.elapsed() > Duration::from_millis(900), "{:?}", began.elapsed());
        slow.join().expect("no panic")
    });
    assert_eq!(slow, [200, 200], "its last request was answered all the same");
}

#[test]
fn a_removed_endpoint_of_the_configuration_comes_back_when_it_registers() {
    let (one, other) = (Endpoint::start(), Endpoint::start());
    let mut gateway = gateway(&[&one, &other]);
    done(&gateway, "DELETE", &other, &Value::Null);
    eventually("it goes", Duration::from_secs(5), || {
        report(&gateway, &other) == Value::Null
    });
    gateway.reconfigure(|config| config["upstreams"]["app"]["connect_timeout"] = "7s".into());
    let _ = gateway.logged(&["reloaded"]);
    assert_eq!(report(&gateway, &other), Value::Null, "a reload does not bring it back");
    done(&gateway, "PUT", &other, &json!({}));
    assert_eq!(share(&gateway, &other, 20), 10);
}

#[test]
fn a_breaker_is_held_open_and_let_go() {
    let one = Endpoint::start();
    let mut gateway = lockgate_tests::Gateway::start(json!({
        "upstreams": { "app": {
            "endpoints": [one.address().to_string()],
            "circuit_breaker": { "mode": "error_ratio", "threshold": 0.5, "fallback": { "status": 299, "body": "instead" } }
        } },
    }));
    let hold = |gateway: &lockgate_tests::Gateway, breaker: &str| {
        let answer = call_at(gateway, "PATCH", "app", &json!({ "breaker": breaker }));
        assert_eq!(answer.status(), 200, "{}", answer.text());
        answer.json()["upstream"].clone()
    };
    assert_eq!(gateway.get("/").status(), 200);
    assert_eq!(hold(&gateway, "open")["breaker"], "open");
    assert_eq!(gateway.get("/").text(), "instead");
    gateway.signal("KILL");
    gateway.ended(Duration::from_secs(5));
    gateway.restart();
    assert_eq!(gateway.get("/").text(), "instead", "it is held over a restart");
    let released = hold(&gateway, "auto");
    assert_eq!(
        (&released["breaker"], &released["breaker_override"]),
        (&json!("closed"), &Value::Null)
    );
    assert_eq!(gateway.get("/").status(), 200);
}
