//! What operators see of health, and what reloads do to it.

use std::time::Duration;

use lockgate_tests::endpoint::Mode;
use lockgate_tests::upstream::eventually;
use serde_json::json;

use super::checks::{Three, answered_by, quick, report, upstream};

#[test]
fn the_api_the_log_and_the_metrics_tell_which_endpoint_is_unhealthy_and_why() {
    let three = Three::start(quick());
    let address = three.endpoints[2].address().to_string();
    let all = three.gateway.ask_admin("/api/upstreams").json();
    assert_eq!((&all[0]["name"], &all[0]["breaker"]), (&json!("app"), &json!("closed")));
    three.becomes(2, "healthy");
    three.endpoints[2].set(Mode::Answer(500));
    three.becomes(2, "unhealthy");
    let found = report(&three.gateway, "app", &three.endpoints[2]);
    assert_eq!(
        (&found["why"], &found["weight"], &found["labels"]),
        (&json!("status 500, expected 2xx"), &json!(1), &json!({}))
    );
    let _ = three.gateway.logged(&[
        "WARN",
        "endpoint unhealthy",
        "app",
        &address,
        "status 500, expected 2xx",
    ]);
    let endpoints = |state: &str| {
        let labels = [("upstream", "app"), ("state", state)];
        three.gateway.metrics().sum("lockgate_upstream_endpoints", &labels)
    };
    assert_eq!(
        (endpoints("healthy"), endpoints("unhealthy"), endpoints("draining")),
        (2.0, 1.0, 0.0)
    );
    let failed = [("upstream", "app"), ("result", "response")];
    assert!(
        three
            .gateway
            .metrics()
            .sum("lockgate_upstream_health_checks_total", &failed)
            >= 2.0
    );
    three.endpoints[2].set(Mode::Answer(200));
    three.becomes(2, "healthy");
    let _ = three
        .gateway
        .logged(&["INFO", "endpoint healthy again", "app", &address]);
    assert_eq!(endpoints("healthy"), 3.0);
}

#[test]
fn readiness_does_not_depend_on_upstreams() {
    let three = Three::start(quick());
    three.endpoints.iter().for_each(|endpoint| endpoint.kill());
    for endpoint in 0..3 {
        three.becomes(endpoint, "unhealthy");
    }
    assert_eq!(three.gateway.ask_admin("/readyz").status(), 200);
}

#[test]
fn a_reload_keeps_health_and_what_it_removes_is_forgotten() {
    let mut three = Three::start(quick());
    three.endpoints[0].set(Mode::Answer(500));
    three.becomes(0, "unhealthy");
    let before = three.endpoints[0].requests();
    for timeout in ["7s", "8s", "9s"] {
        three
            .gateway
            .reconfigure(|config| config["upstreams"]["app"]["connect_timeout"] = timeout.into());
        let _ = three.gateway.logged(&["reloaded"]);
        assert_eq!(
            report(&three.gateway, "app", &three.endpoints[0])["state"],
            "unhealthy",
            "{timeout}"
        );
        for _ in 0..6 {
            assert_ne!(answered_by(&three.gateway), three.endpoints[0].address().to_string());
        }
    }
    assert_eq!(three.endpoints[0].requests(), before);
    three.gateway.reconfigure(|config| {
        config["upstreams"]["app"]
            .as_object_mut()
            .expect("an object")
            .remove("health_check");
    });
    // Nobody checks it any more, so nobody says that it is ill.
    three.becomes(0, "healthy");
    let probes = three.endpoints[1].probes();
    std::thread::sleep(Duration::from_millis(500));
    assert_eq!(three.endpoints[1].probes(), probes);
    three.gateway.reconfigure(|config| {
        let app = config["upstreams"]
            .as_object_mut()
            .expect("an object")
            .remove("app")
            .expect("it is there");
        config["upstreams"]["other"] = app;
    });
    eventually("the new name", Duration::from_secs(10), || {
        three.gateway.ask_admin("/api/upstreams/other").status() == 200
    });
    assert_eq!(three.gateway.ask_admin("/api/upstreams/app").status(), 404);
    assert_eq!(
        upstream(&three.gateway, "other")["endpoints"].as_array().map(Vec::len),
        Some(3)
    );
    assert_eq!(
        three
            .gateway
            .metrics()
            .sum("lockgate_upstream_endpoints", &[("upstream", "app")]),
        0.0
    );
}

#[test]
fn endpoints_are_probed_once_for_all_workers() {
    let three = Three::start(json!({ "type": "http", "path": "/healthz", "interval": "200ms" }));
    std::thread::sleep(Duration::from_secs(4));
    let probes = three.endpoints[0].probes();
    assert!(
        (15..=23).contains(&probes),
        "{probes} probes in 4 seconds at 5 a second"
    );
}
