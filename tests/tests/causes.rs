//! Why a request failed: one line of the log and one of the access log say it, with the request's id and its way through the gateway.

use std::time::Duration;

use lockgate_tests::http::{get, post};
use lockgate_tests::upstream::eventually;
use lockgate_tests::{Gateway, Upstream};
use serde_json::{Value, json};

/// A request that fails, and what is told of it.
struct Failure {
    path: &'static str,
    status: u16,
    level: &'static str,
    reason: &'static str,
    /// Part of the cause.
    cause: &'static str,
    /// The endpoint of the last attempt.
    endpoint: Option<String>,
    attempts: u64,
}

#[test]
fn each_failure_is_told_once_in_the_log_and_in_the_access_log() {
    let fixed = Upstream::fixed("the answer");
    let silent = Upstream::slow(Duration::from_secs(20));
    let malformed = Upstream::saying("HTTP/1.1 200 OK\r\ncontent-length: x\r\n\r\n");
    let dead = Upstream::nobody();
    let closing = Upstream::raw(|wire| {
        let _ = wire.head();
        Ok(())
    });
    let endpoint = |upstream: &Upstream| json!({ "endpoints": [upstream.address().to_string()] });
    let key = json!({ "kind": "key", "consumers": [{ "name": "a", "groups": ["staff"], "keys": [
        // Of the text "key".
        "sha256:2c70e12b7a0646f92279f427c7b38e7334d8e5389cff167a1dc30e73f826b683"
    ] }] });
    let route = |name: &str, upstream: &str, more: Value| {
        let mut route = json!({ "name": name, "match": { "path_prefix": format!("/{name}") }, "upstream": upstream });
        let more = more.as_object().expect("an object").clone();
        route.as_object_mut().expect("an object").extend(more);
        route
    };
    let gateway = Gateway::start(json!({
        "listeners": { "web": { "limits": { "body": "10B" } } },
        "access_log": { "path": "access.log" },
        "upstreams": {
            "fixed": endpoint(&fixed), "silent": endpoint(&silent), "malformed": endpoint(&malformed), "closing": endpoint(&closing),
            "dead": { "endpoints": [dead.to_string()] },
            "unknown": { "endpoints": ["no-such-host.invalid:80"] },
        },
        "plugins": {
            "keys": { "module": "auth", "config": key },
            "broken": { "module": "faults", "config": "th" },
            "staff": { "module": "acl", "config": { "allow": [{ "groups": ["nobody"] }] } },
        },
        "routes": [
            route("keyed", "fixed", json!({ "chain": ["keys"] })),
            route("staff", "fixed", json!({ "chain": ["keys", "staff"] })),
            route("fixed", "fixed", json!({})),
            route("dead", "dead", json!({})),
            route("unknown", "unknown", json!({})),
            route("trap", "fixed", json!({ "chain": ["broken"] })),
            route("closing", "closing", json!({})),
            route("malformed", "malformed", json!({})),
            route("silent", "silent", json!({ "timeout": "300ms" })),
        ],
    }));
    let at = |address: String| Some(address);
    let failures = [
        Failure {
            path: "/keyed",
            status: 401,
            level: "INFO",
            reason: "auth_missing_key",
            cause: "plugin keys answered",
            endpoint: None,
            attempts: 0,
        },
        Failure {
            path: "/staff",
            status: 403,
            level: "INFO",
            reason: "acl_denied",
            cause: "plugin staff answered",
            endpoint: None,
            attempts: 0,
        },
        Failure {
            path: "/nowhere",
            status: 404,
            level: "INFO",
            reason: "no_route",
            cause: "No route matches",
            endpoint: None,
            attempts: 0,
        },
        Failure {
            path: "/fixed",
            status: 413,
            level: "INFO",
            reason: "body_too_large",
            cause: "larger than",
            endpoint: None,
            attempts: 0,
        },
        Failure {
            path: "/dead",
            status: 502,
            level: "WARN",
            reason: "upstream_failed",
            cause: "Connection refused",
            endpoint: at(dead.to_string()),
            attempts: 1,
        },
        Failure {
            path: "/unknown",
            status: 502,
            level: "WARN",
            reason: "upstream_failed",
            cause: "cannot connect to no-such-host.invalid:80",
            endpoint: None,
            attempts: 1,
        },
        Failure {
            path: "/closing",
            status: 502,
            level: "WARN",
            reason: "upstream_failed",
            cause: "closed the connection before its response",
            endpoint: at(closing.address().to_string()),
            attempts: 1,
        },
        Failure {
            path: "/malformed",
            status: 502,
            level: "WARN",
            reason: "upstream_malformed",
            cause: "malformed response from",
            endpoint: at(malformed.address().to_string()),
            attempts: 1,
        },
        Failure {
            path: "/trap",
            status: 503,
            level: "WARN",
            reason: "plugin_failed",
            cause: "plugin broken: ",
            endpoint: None,
            attempts: 0,
        },
        Failure {
            path: "/silent",
            status: 504,
            level: "WARN",
            reason: "upstream_timeout",
            cause: "the upstream sent no response",
            endpoint: at(silent.address().to_string()),
            attempts: 1,
        },
    ];
    for failure in failures {
        let path = failure.path;
        let request = match path {
            "/fixed" => post(path, "more than ten bytes"),
            "/staff" => get(path).header("x-api-key", "key"),
            "/trap" => get(path).header("x-fail", "1"),
            _ => get(path),
        };
        let response = gateway.send(request);
        assert_eq!(response.status(), failure.status, "{path}: {response:?}");

        let line = gateway.logged(&["lockgate::requests", &format!("\"path\":\"{path}\"")]);
        let line: Value = serde_json::from_str(&line).expect("a line is JSON");
        let mut access = Value::Null;
        eventually("the line is written", Duration::from_secs(3), || {
            let log = std::fs::read_to_string(gateway.folder().join("access.log")).unwrap_or_default();
            let lines = log
                .lines()
                .map(|line| serde_json::from_str::<Value>(line).expect("a line is JSON"));
            access = lines.into_iter().find(|line| line["path"] == path).unwrap_or_default();
            !access.is_null()
        });
        assert_eq!(
            (&line["level"], &line["reason"]),
            (&json!(failure.level), &json!(failure.reason)),
            "{line}"
        );
        assert_eq!(access["code_details"], failure.reason, "{access}");
        for told in [&line, &access] {
            assert_eq!(told["status"], failure.status, "{told}");
            assert!(
                told["cause"]
                    .as_str()
                    .is_some_and(|cause| cause.contains(failure.cause)),
                "{told}"
            );
            assert_eq!(told["endpoint"].as_str(), failure.endpoint.as_deref(), "{told}");
            assert_eq!(told["attempts"], failure.attempts, "{told}");
        }
        for field in ["request_id", "route", "upstream"] {
            assert_eq!(line[field], access[field], "{field} of {path}");
        }
        let name = path.trim_start_matches('/');
        assert_eq!(
            access["route"].as_str(),
            Some(name).filter(|name| *name != "nowhere"),
            "{access}"
        );
    }
    let lines = gateway
        .log()
        .iter()
        .filter(|line| line.contains("lockgate::requests"))
        .count();
    assert_eq!(lines, 10, "one line a failure");
}
