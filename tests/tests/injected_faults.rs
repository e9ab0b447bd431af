//! Delays and aborts that a route injects: when, for whom, and what is told of them.

use std::fs;
use std::thread;
use std::time::{Duration, Instant};

use lockgate_tests::answers::is_the_gateways_problem;
use lockgate_tests::upstream::eventually;
use lockgate_tests::{Gateway, Upstream, get, grpc};
use serde_json::{Value, json};

const WITHIN: Duration = Duration::from_secs(5);

fn gateway(upstream: &Upstream, settings: &Value) -> Gateway {
    let mut route = json!({ "name": "all", "upstream": "app" });
    let members = settings.as_object().expect("an object").clone();
    route.as_object_mut().expect("an object").extend(members);
    Gateway::start(json!({
        "access_log": { "path": "access.log" },
        "upstreams": { "app": { "endpoints": [upstream.address().to_string()] } },
        "plugins": {
            "staff": { "module": "acl", "config": { "allow": [{ "groups": ["nobody"] }] } },
            "tag": { "module": "tag" },
        },
        "routes": [route, { "name": "plain", "match": { "path_prefix": "/plain" }, "upstream": "app" }],
    }))
}

fn faults(gateway: &Gateway, fault: &str) -> f64 {
    gateway
        .metrics()
        .sum("lockgate_faults_injected_total", &[("route", "all"), ("fault", fault)])
}

#[test]
fn a_share_of_the_requests_is_aborted_behind_the_chain() {
    let upstream = Upstream::fixed("the answer");
    let gateway = gateway(
        &upstream,
        &json!({ "chain": ["tag"], "abort": { "status": 503, "percent": 10 } }),
    );
    let mut wire = gateway.connect();
    let mut aborted = 0;
    for _ in 0..500 {
        let response = wire.exchange(&get("/")).expect("an answer");
        if response.status() == 503 {
            is_the_gateways_problem(&response, 503);
            assert_eq!(response.json()["type"], "urn:lockgate:problem:fault_injected");
            assert_eq!(response.header("x-tag"), Some("untagged"), "the chain sees it");
            aborted += 1;
        } else {
            assert_eq!(response.text(), "the answer");
        }
    }
    assert!((48..=52).contains(&aborted), "{aborted} of 500 for 10 %");
    assert_eq!(faults(&gateway, "abort"), f64::from(aborted));
    assert_eq!(upstream.requests().len(), 500 - aborted as usize);
    let log = gateway.folder().join("access.log");
    eventually("the access log names the aborted ones", WITHIN, || {
        fs::read_to_string(&log).is_ok_and(|log| {
            log.matches("\"code_details\":\"fault_injected\"").count() == aborted as usize
                && log.matches("\"cause\":\"fault_injected").count() == aborted as usize
        })
    });
}

#[test]
fn a_plugin_denies_before_a_fault_is_injected() {
    let upstream = Upstream::fixed("the answer");
    let settings = json!({ "chain": ["staff"], "abort": { "status": 503 }, "delay": { "duration": "10s" } });
    let gateway = gateway(&upstream, &settings);
    assert_eq!(gateway.get("/").status() / 100, 4);
    assert_eq!(faults(&gateway, "abort") + faults(&gateway, "delay"), 0.0);
}

#[test]
fn grpc_clients_are_aborted_with_a_grpc_status() {
    let upstream = Upstream::fixed("the answer");
    let gateway = gateway(&upstream, &json!({ "abort": { "grpc_status": 8 } }));
    let replies = grpc::call(gateway.address(), "/shop.Orders/Get", "x", 1);
    assert_eq!(
        replies[0].headers.get("grpc-status").map(|value| value.as_bytes()),
        Some(&b"8"[..])
    );
    is_the_gateways_problem(&gateway.get("/"), 429);
}

#[test]
fn a_delay_holds_requests_back_and_no_others() {
    let upstream = Upstream::fixed("the answer");
    let gateway = gateway(&upstream, &json!({ "delay": { "duration": "300ms" } }));
    let timed = |path: &str| {
        let begun = Instant::now();
        assert_eq!(gateway.get(path).text(), "the answer");
        begun.elapsed()
    };
    let took = timed("/");
    assert!(
        took >= Duration::from_millis(300) && took < Duration::from_secs(3),
        "{took:?}"
    );
    assert!(timed("/plain") < Duration::from_millis(250));
    assert_eq!(faults(&gateway, "delay"), 1.0);
}

#[test]
fn more_requests_than_may_be_delayed_are_not() {
    let upstream = Upstream::fixed("the answer");
    let settings = json!({ "delay": { "duration": "2s", "max_concurrent": 2 } });
    let gateway = gateway(&upstream, &settings);
    let begun = Instant::now();
    thread::scope(|scope| {
        let requests: Vec<_> = (0..6).map(|_| scope.spawn(|| gateway.get("/").status())).collect();
        for request in requests {
            assert_eq!(request.join().expect("an answer"), 200);
        }
    });
    assert!(begun.elapsed() < Duration::from_secs(4));
    assert_eq!(
        (faults(&gateway, "delay"), faults(&gateway, "delay_skipped")),
        (2.0, 4.0)
    );
}

#[test]
fn a_client_that_leaves_frees_its_delay_and_a_timeout_ends_it() {
    let upstream = Upstream::fixed("the answer");
    let settings = json!({ "timeout": "700ms", "delay": { "duration": "60s", "max_concurrent": 1 } });
    let gateway = gateway(&upstream, &settings);
    let mut wire = gateway.connect();
    wire.write(get("/").bytes()).expect("the gateway reads");
    eventually("it is delayed", WITHIN, || faults(&gateway, "delay") == 1.0);
    drop(wire);
    let log = gateway.folder().join("access.log");
    eventually("its record ends", Duration::from_millis(650), || {
        fs::read_to_string(&log).is_ok_and(|log| log.contains("client_reset"))
    });
    assert_eq!(
        gateway.get("/").status(),
        504,
        "its place is free, and the route's timeout holds"
    );
    assert_eq!(faults(&gateway, "delay"), 2.0);
    assert!(upstream.requests().is_empty());
}

#[test]
fn the_end_of_the_process_ends_delays_and_answers_their_requests() {
    let upstream = Upstream::fixed("the answer");
    let mut gateway = gateway(&upstream, &json!({ "delay": { "duration": "60s" } }));
    let mut wire = gateway.connect();
    wire.write(get("/").bytes()).expect("the gateway reads");
    eventually("it is delayed", WITHIN, || faults(&gateway, "delay") == 1.0);
    gateway.signal("TERM");
    let response = wire.response("GET").expect("an answer");
    assert_eq!((response.status(), response.text().as_str()), (200, "the answer"));
    assert!(gateway.ended(Duration::from_secs(10)).success());
}
