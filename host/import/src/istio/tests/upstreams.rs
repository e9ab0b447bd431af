//! Endpoints, subsets and policies.

use serde_json::json;

use super::judge::{SERVICE, import, import_with, lossless, options, routes};
use crate::istio::Options;

fn rule(spec: &str) -> String {
    format!(
        "---\napiVersion: networking.istio.io/v1beta1\nkind: DestinationRule\nmetadata: {{name: a}}\nspec: {spec}\n"
    )
}

fn to(destination: &str) -> String {
    routes(&format!("[{{route: [{{destination: {destination}}}]}}]"))
}

#[test]
fn endpoints_have_the_port_of_their_name_weight_and_labels() {
    let service = "---
apiVersion: networking.istio.io/v1
kind: ServiceEntry
metadata: {name: a}
spec:
  hosts: [a]
  ports: [{number: 80, name: http, protocol: HTTP, targetPort: 8080}, {number: 81, name: grpc, protocol: GRPC}]
  resolution: STATIC
  endpoints:
  - {address: 10.0.0.1, ports: {http: 9001}, labels: {version: v1}}
  - {address: '::1', weight: 5000, labels: {version: v2}}
";
    let rule = rule("{host: a, subsets: [{name: v2, labels: {version: v2}}]}");
    let (config, losses) = import(&(to("{host: a}") + service));
    assert_eq!(
        config["upstreams"]["a"]["endpoints"],
        json!([
            { "address": "10.0.0.1:9001", "labels": { "version": "v1" } },
            { "address": "[::1]:8080", "weight": 1000, "labels": { "version": "v2" } }
        ])
    );
    assert!(losses[0].contains("at most 1000"), "{losses:?}");
    let (config, _) = import(&(to("{host: a, subset: v2, port: {number: 81}}") + service + &rule));
    assert_eq!(config["upstreams"]["a-v2"]["endpoints"][0]["address"], "[::1]:81");
    assert_eq!(config["upstreams"]["a-v2"]["protocol"], "http2");
}

#[test]
fn a_host_without_entry_is_an_endpoint_by_name_and_told() {
    let (config, losses) = import(&to("{host: reviews.prod.svc.cluster.local, port: {number: 9080}}"));
    assert_eq!(
        config["upstreams"]["reviews.prod"]["endpoints"],
        json!(["reviews.prod.svc.cluster.local:9080"])
    );
    assert!(
        losses[0].contains("note: ") && losses[0].contains("--endpoint"),
        "{losses:?}"
    );
    let options = Options {
        endpoints: vec![(
            "reviews.prod.svc.cluster.local".into(),
            vec!["127.0.0.1:1".into(), "127.0.0.1:2".into()],
        )],
        ..options()
    };
    let import = import_with(&to("{host: reviews.prod.svc.cluster.local}"), &options);
    assert_eq!(import.losses, []);
    assert!(
        import
            .gateway
            .contains(r#""endpoints": [ "127.0.0.1:1", "127.0.0.1:2" ]"#),
        "{}",
        import.gateway
    );
}

#[test]
fn a_subset_whose_labels_choose_nothing_has_all_endpoints_and_is_told() {
    let rule = rule("{host: a, subsets: [{name: v9, labels: {version: v9}}]}");
    let (config, losses) = import(&(to("{host: a, subset: v9}") + SERVICE + &rule));
    assert_eq!(config["upstreams"]["a-v9"]["endpoints"], json!(["127.0.0.1:9001"]));
    assert!(losses[0].contains("version=v9"), "{losses:?}");
    let (_, losses) = import(&(to("{host: a, subset: none}") + SERVICE));
    assert!(losses[0].contains("no DestinationRule has this subset"), "{losses:?}");
}

#[test]
fn policies_of_a_subset_come_before_those_of_the_host_and_those_of_a_port_replace_both() {
    let rule = rule(
        "{host: a, trafficPolicy: {loadBalancer: {simple: RANDOM}, connectionPool: {tcp: {connectTimeout: 1s}}, portLevelSettings: [{port: {number: 81}, connectionPool: {tcp: {connectTimeout: 3s}}}]}, subsets: [{name: v1, labels: {}, trafficPolicy: {loadBalancer: {simple: ROUND_ROBIN}}}]}",
    );
    let upstream =
        |destination: &str, name: &str| import(&(to(destination) + SERVICE + &rule)).0["upstreams"][name].clone();
    let plain = upstream("{host: a}", "a");
    assert_eq!(
        (&plain["balance"], &plain["connect_timeout"]),
        (&json!("random"), &json!("1s"))
    );
    let subset = upstream("{host: a, subset: v1}", "a-v1");
    assert_eq!(
        (&subset["balance"], &subset["connect_timeout"]),
        (&json!("round_robin"), &json!("1s"))
    );
    let port = upstream("{host: a, port: {number: 81}}", "a");
    assert_eq!((port.get("balance"), &port["connect_timeout"]), (None, &json!("3s")));
}

#[test]
fn a_rule_for_a_pattern_holds_for_hosts_without_their_own() {
    let rules = rule("{host: '*.example.com', trafficPolicy: {loadBalancer: {simple: RANDOM}}}")
        + &rule("{host: b.example.com, trafficPolicy: {connectionPool: {tcp: {connectTimeout: 2s}}}}");
    let http = "[{route: [{destination: {host: a.example.com}}], match: [{uri: {exact: /a}}]}, {route: [{destination: {host: b.example.com}}]}]";
    let (config, _) = import(&(routes(http) + &rules));
    assert_eq!(config["upstreams"]["a.example.com"]["balance"], "random");
    let own = &config["upstreams"]["b.example.com"];
    assert_eq!((own.get("balance"), &own["connect_timeout"]), (None, &json!("2s")));
}

#[test]
fn times_of_the_connection_pool_are_those_of_the_upstream() {
    let rule = rule(
        "{host: a, trafficPolicy: {connectionPool: {tcp: {connectTimeout: 30ms}, http: {idleTimeout: 15m, h2UpgradePolicy: UPGRADE, maxConcurrentStreams: 7}}}}",
    );
    let upstream = &lossless(&(to("{host: a}") + SERVICE + &rule))["upstreams"]["a"];
    assert_eq!(
        *upstream,
        json!({ "endpoints": ["127.0.0.1:9001"], "connect_timeout": "30ms", "idle_timeout": "15m", "max_streams": 7, "protocol": "http2" })
    );
}

#[test]
fn outlier_detection_counts_as_istio_does() {
    let detection = |fields: &str| {
        let rule = rule(&format!("{{host: a, trafficPolicy: {{outlierDetection: {fields}}}}}"));
        lossless(&(to("{host: a}") + SERVICE + &rule))["upstreams"]["a"]["outlier_detection"].clone()
    };
    // The old field is about gateway errors alone; the newer ones come before it.
    for (fields, expected) in [
        (
            "{consecutiveErrors: 1}",
            json!({ "consecutive_5xx": 0, "consecutive_gateway_errors": 1 }),
        ),
        (
            "{consecutiveErrors: 1, consecutive5xxErrors: 3}",
            json!({ "consecutive_5xx": 3, "consecutive_gateway_errors": 1 }),
        ),
        (
            "{consecutiveGatewayErrors: 2}",
            json!({ "consecutive_gateway_errors": 2 }),
        ),
        (
            "{interval: 1s, baseEjectionTime: 3m, maxEjectionPercent: 100}",
            json!({ "interval": "1s", "base_ejection_time": "3m", "max_ejection_percent": 100 }),
        ),
        (
            "{baseEjectionTime: 15m}",
            json!({ "base_ejection_time": "15m", "max_ejection_time": "15m" }),
        ),
        (
            "{splitExternalLocalOriginErrors: true}",
            json!({ "consecutive_local_origin_failures": 5 }),
        ),
        ("{consecutiveErrors: 0, maxEjectionPercent: 0}", json!({})),
    ] {
        assert_eq!(detection(fields), expected, "{fields}");
    }
}

#[test]
fn retries_are_those_of_an_upstream_of_its_own() {
    let http = "[{match: [{uri: {exact: /x}}], retries: {attempts: 3, perTryTimeout: 2s, retryOn: 'gateway-error,refused-stream,418'}, route: [{destination: {host: a}}]}, {retries: {attempts: 0}, route: [{destination: {host: a}}]}, {route: [{destination: {host: a}}]}]";
    let config = lossless(&(routes(http) + SERVICE));
    let upstreams = &config["upstreams"];
    assert_eq!(
        upstreams["a"]["retry"],
        json!({ "attempts": 3, "on": ["gateway-error", "connect", "reset", "timeout", "refused-stream", "418"], "methods": ["idempotent", "POST", "PATCH"] })
    );
    assert_eq!(upstreams["a"]["timeouts"], json!({ "try": "2s" }));
    assert_eq!(upstreams["a-2"]["retry"]["attempts"], 0);
    assert_eq!(upstreams["a-3"].get("retry"), None);
}

#[test]
fn connections_and_pending_requests_bound_the_concurrency() {
    let concurrency = |pool: &str| {
        let rule = rule(&format!("{{host: a, trafficPolicy: {{connectionPool: {pool}}}}}"));
        import(&(to("{host: a}") + SERVICE + &rule)).0["upstreams"]["a"]["concurrency"].clone()
    };
    assert_eq!(
        concurrency("{tcp: {maxConnections: 10}, http: {http2MaxRequests: 5, http1MaxPendingRequests: 3}}"),
        json!({ "max": 5, "queue": 3 })
    );
    assert_eq!(concurrency("{http: {http1MaxPendingRequests: 3}}"), json!(null));
}
