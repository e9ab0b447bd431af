//! Registration: who registers serves, who stops leaves.

use std::time::{Duration, Instant};

use lockgate_tests::endpoint::Endpoint;
use lockgate_tests::get;
use lockgate_tests::load::Load;
use lockgate_tests::upstream::eventually;
use serde_json::{Value, json};

use super::api::{call, done, gateway, report, share};

#[test]
fn an_endpoint_that_registers_serves_within_a_second_and_one_that_stops_leaves_within_its_ttl_and_a_second() {
    let (fixed, comes) = (Endpoint::start(), Endpoint::start());
    let gateway = gateway(&[&fixed]);
    let load = Load::start(gateway.address(), 200, &get("/"), |answer| answer.status() == 200);
    std::thread::sleep(Duration::from_millis(500));
    let began = Instant::now();
    let registered = done(
        &gateway,
        "PUT",
        &comes,
        &json!({ "ttl": "2s", "labels": { "version": "v2" } }),
    );
    assert_eq!(
        (&registered["state"], &registered["source"]),
        (&json!("healthy"), &json!("registration"))
    );
    assert_eq!(registered["labels"], json!({ "version": "v2" }));
    eventually("a request", Duration::from_secs(1), || comes.requests() > 0);
    let served = began.elapsed();
    // Heartbeats keep it for longer than one of them would.
    for _ in 0..6 {
        std::thread::sleep(Duration::from_millis(700));
        done(
            &gateway,
            "PUT",
            &comes,
            &json!({ "ttl": "2s", "labels": { "version": "v2" } }),
        );
    }
    let expires = report(&gateway, &comes)["expires_in_seconds"]
        .as_f64()
        .expect("it has a ttl");
    assert!((1.0..=2.0).contains(&expires), "{expires}");
    let last = Instant::now();
    eventually("it leaves", Duration::from_secs(5), || {
        report(&gateway, &comes) == Value::Null
    });
    let left = last.elapsed();
    assert!(
        left > Duration::from_millis(1500) && left < Duration::from_secs(3),
        "{left:?}"
    );
    let before = comes.requests();
    std::thread::sleep(Duration::from_millis(500));
    assert_eq!(comes.requests(), before, "no request after it has left");
    let result = load.finish();
    assert!(result.failures.is_empty(), "{:?}", result.failures);
    let _ = gateway.logged(&[
        "WARN",
        "registration ended",
        "no heartbeat for 2s",
        &comes.address().to_string(),
    ]);
    println!(
        "registered: first request after {served:?}; ttl 2s: gone {left:?} after the last heartbeat; 0 of {} failed",
        result.answered
    );
}

#[test]
fn a_registration_without_a_ttl_stays() {
    let (fixed, comes) = (Endpoint::start(), Endpoint::start());
    let gateway = gateway(&[&fixed]);
    // An empty body is a registration, too.
    let registered = done(&gateway, "PUT", &comes, &Value::Null);
    assert_eq!(
        (&registered["weight"], &registered["expires_in_seconds"]),
        (&json!(1), &Value::Null)
    );
    std::thread::sleep(Duration::from_secs(2));
    assert_eq!(share(&gateway, &comes, 20), 10);
}

#[test]
fn a_registered_endpoint_is_checked_like_any_other() {
    let (fixed, comes) = (Endpoint::start(), Endpoint::start());
    let check = json!({ "type": "http", "path": "/healthz", "interval": "100ms", "unhealthy": 2 });
    let gateway = lockgate_tests::Gateway::start(json!({
        "upstreams": { "app": { "endpoints": [fixed.address().to_string()], "health_check": check } },
    }));
    comes.kill();
    assert_eq!(call(&gateway, "PUT", &comes, &Value::Null).status(), 200);
    eventually("its first probe", Duration::from_secs(5), || {
        report(&gateway, &comes)["state"] == "unhealthy"
    });
    assert_eq!(share(&gateway, &comes, 20), 0);
    comes.revive();
    eventually("two passes", Duration::from_secs(5), || {
        report(&gateway, &comes)["state"] == "healthy"
    });
}

#[test]
fn a_heartbeat_may_change_weight_and_labels() {
    let (fixed, comes) = (Endpoint::start(), Endpoint::start());
    let gateway = gateway(&[&fixed]);
    done(&gateway, "PUT", &comes, &json!({ "ttl": "30s" }));
    assert_eq!(share(&gateway, &comes, 40), 20);
    let changed = done(
        &gateway,
        "PUT",
        &comes,
        &json!({ "ttl": "30s", "weight": 3, "labels": { "zone": "b" } }),
    );
    assert_eq!(
        (&changed["weight"], &changed["labels"]["zone"]),
        (&json!(3), &json!("b"))
    );
    assert_eq!(share(&gateway, &comes, 40), 30);
}

#[test]
fn an_endpoint_of_the_configuration_that_registers_stays_as_it_is_configured() {
    let (one, other) = (Endpoint::start(), Endpoint::start());
    let gateway = gateway(&[&one, &other]);
    let registered = done(&gateway, "PUT", &other, &json!({ "ttl": "500ms", "weight": 3 }));
    assert_eq!(
        (&registered["weight"], &registered["source"]),
        (&json!(1), &json!("configuration"))
    );
    eventually("its registration ends", Duration::from_secs(5), || {
        report(&gateway, &other)["expires_in_seconds"] == Value::Null
    });
    assert_eq!(share(&gateway, &other, 40), 20);
}

#[test]
fn an_upstream_may_have_registered_endpoints_alone() {
    let comes = Endpoint::start();
    let gateway = lockgate_tests::Gateway::start(json!({
        "upstreams": { "app": { "discovery": { "type": "registration" } } },
    }));
    assert_eq!(gateway.get("/").status(), 503);
    done(&gateway, "PUT", &comes, &json!({ "ttl": "1s" }));
    assert_eq!(share(&gateway, &comes, 10), 10);
    eventually("it leaves", Duration::from_secs(3), || gateway.get("/").status() == 503);
}

#[test]
fn the_api_tells_how_old_a_discovered_list_is() {
    let (one, folder) = (Endpoint::start(), tempfile::tempdir().expect("a folder"));
    let list = folder.path().join("endpoints.json");
    std::fs::write(&list, json!([one.address().to_string()]).to_string()).expect("the folder is writable");
    let gateway = lockgate_tests::Gateway::start(json!({
        "upstreams": { "app": { "discovery": { "type": "file", "path": list } } },
    }));
    let upstream = gateway.ask_admin("/api/upstreams").json()[0].clone();
    assert_eq!(
        (&upstream["discovery"]["source"], &upstream["discovery"]["last_error"]),
        (&json!("file"), &Value::Null)
    );
    assert!(upstream["discovery"]["age_seconds"].as_f64() < Some(60.0), "{upstream}");
    assert_eq!(report(&gateway, &one)["source"], "discovery");
}
