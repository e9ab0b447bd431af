//! The kinds of checks against servers that others have written, and their settings.

use std::time::Duration;

use lockgate_tests::endpoint::{Endpoint, Mode};
use lockgate_tests::grpcio::{self, Server};
use lockgate_tests::upstream::{answer, eventually};
use lockgate_tests::{Gateway, Upstream, request};
use serde_json::{Value, json};

use super::checks::{answered_by, quick, report, upstream};

/// The state of the only endpoint, and why.
fn state(gateway: &Gateway) -> (String, Value) {
    let endpoint = &upstream(gateway, "app")["endpoints"][0];
    (
        endpoint["state"].as_str().expect("a state").to_owned(),
        endpoint["why"].clone(),
    )
}

fn becomes(gateway: &Gateway, wanted: &str) -> Value {
    eventually(wanted, Duration::from_secs(10), || state(gateway).0 == wanted);
    state(gateway).1
}

#[test]
fn a_tcp_check_wants_a_connection() {
    let endpoint = Endpoint::start();
    let check = json!({ "type": "tcp", "interval": "100ms", "timeout": "1s", "healthy": 1, "unhealthy": 1 });
    let gateway = Gateway::start(json!({
        "upstreams": { "app": { "endpoints": [endpoint.address().to_string()], "health_check": check } },
    }));
    endpoint.set(Mode::Hang);
    std::thread::sleep(Duration::from_millis(500));
    assert_eq!(state(&gateway).0, "healthy", "it takes connections");
    endpoint.kill();
    assert_eq!(becomes(&gateway, "unhealthy"), "connection refused");
    endpoint.revive();
    becomes(&gateway, "healthy");
}

#[test]
fn grpcs_own_health_service_is_asked() {
    let interpreter = match grpcio::interpreter() {
        Ok(found) => found,
        Err(reason) => {
            return eprintln!("\n########## grpcio CANNOT BE INSTALLED: its tests are SKIPPED ##########\n{reason}");
        }
    };
    let server = Server::start(&interpreter);
    let gateway = |service: &str| {
        let check = json!({ "type": "grpc", "service": service, "interval": "100ms", "timeout": "2s", "unhealthy": 1 });
        Gateway::start(json!({
            "upstreams": { "app": { "endpoints": [server.address().to_string()], "protocol": "http2", "health_check": check } },
        }))
    };
    let (whole, serving, not_serving, unknown) =
        (gateway(""), gateway("serving"), gateway("resting"), gateway("nobody"));
    assert_eq!(becomes(&not_serving, "unhealthy"), "NOT_SERVING, expected SERVING");
    assert_eq!(
        becomes(&unknown, "unhealthy"),
        "gRPC status NOT_FOUND, expected SERVING"
    );
    std::thread::sleep(Duration::from_millis(500));
    for gateway in [&whole, &serving] {
        assert_eq!(state(gateway), ("healthy".to_owned(), Value::Null));
        let passed = [("upstream", "app"), ("result", "pass")];
        assert!(gateway.metrics().sum("lockgate_upstream_health_checks_total", &passed) >= 3.0);
    }
}

#[test]
fn a_check_may_have_a_port_a_host_headers_and_expected_statuses_of_its_own() {
    let app = Upstream::fixed("fine");
    let health = Upstream::scripted(|_, wire| answer(wire, 401, &[], ""));
    let check = json!({
        "type": "http", "path": "/ready?deep=1", "method": "HEAD", "host": "health.test", "headers": { "x-probe": "${env:PATH}" },
        "port": health.address().port(), "expect": [200, 401], "interval": "50ms"
    });
    let gateway = Gateway::start(json!({
        "upstreams": { "app": { "endpoints": [app.address().to_string()], "health_check": check } },
    }));
    eventually("probes", Duration::from_secs(10), || health.requests().len() > 3);
    assert_eq!(state(&gateway), ("healthy".to_owned(), Value::Null));
    let probe = health.last_request();
    assert_eq!((probe.method(), probe.target()), ("HEAD", "/ready?deep=1"));
    assert_eq!(probe.header("host"), Some("health.test"));
    assert_eq!(probe.header("x-probe").map(str::to_owned), std::env::var("PATH").ok());
    assert_eq!(app.requests().len(), 0, "the endpoint's own port is not probed");
}

#[test]
fn an_endpoint_may_have_to_wait_for_its_first_probe() {
    let [fixed, comes] = std::array::from_fn(|_| Endpoint::start());
    let mut check = quick();
    check["initial"] = "unhealthy".into();
    check["timeout"] = "2s".into();
    let gateway = Gateway::start(json!({
        "upstreams": { "app": { "endpoints": [fixed.address().to_string()], "health_check": check } },
    }));
    becomes(&gateway, "healthy");
    // Its first probe takes a second.
    comes.set(Mode::Slow(Duration::from_secs(1)));
    let call = request("PUT", &format!("/api/upstreams/app/endpoints/{}", comes.address()));
    assert_eq!(gateway.tell_admin(call).status(), 200);
    let found = report(&gateway, "app", &comes);
    assert_eq!(
        (&found["state"], &found["why"]),
        (&json!("unhealthy"), &json!("not checked yet"))
    );
    for _ in 0..10 {
        assert_eq!(answered_by(&gateway), fixed.address().to_string());
    }
    assert_eq!(comes.requests(), 0);
    eventually("its first probe passes", Duration::from_secs(10), || {
        report(&gateway, "app", &comes)["state"] == "healthy"
    });
    comes.set(Mode::Answer(200));
    let shares = (0..10).filter(|_| answered_by(&gateway) == comes.address().to_string());
    assert_eq!(shares.count(), 5);
}
