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
    let resetting = Upstream::raw(|wire| {
        let _ = wire.head();
        // Closed with a byte unread, a socket is reset.
        socket2::SockRef::from(wire.socket()).set_linger(Some(Duration::ZERO))
    });
    let large = Upstream::saying(format!("HTTP/1.1 200 OK\r\nx: {}\r\n\r\n", "x".repeat(70_000)));
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
            "resetting": endpoint(&resetting), "large": endpoint(&large),
        },
        "plugins": {
            "keys": { "module": "auth", "config": key },
            "broken": { "module": "faults", "config": "th" },
            "once": { "module": "quota", "config": { "rules": [{ "limit": 1, "window": "1h" }] } },
            "endless": { "module": "faults", "config": "lh" },
            "greedy": { "module": "faults", "config": "gh" },
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
            route("once", "fixed", json!({ "chain": ["once"] })),
            route("resetting", "resetting", json!({})),
            route("large", "large", json!({})),
            route("endless", "fixed", json!({ "chain": ["endless"] })),
            route("greedy", "fixed", json!({ "chain": ["greedy"] })),
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
            path: "/endless",
            status: 503,
            level: "WARN",
            reason: "plugin_failed",
            cause: "plugin endless: ",
            endpoint: None,
            attempts: 0,
        },
        Failure {
            path: "/greedy",
            status: 503,
            level: "WARN",
            reason: "plugin_failed",
            cause: "plugin greedy: ",
            endpoint: None,
            attempts: 0,
        },
        Failure {
            path: "/once",
            status: 429,
            level: "INFO",
            reason: "quota_exceeded",
            cause: "plugin once answered",
            endpoint: None,
            attempts: 0,
        },
        Failure {
            path: "/resetting",
            status: 502,
            level: "WARN",
            reason: "upstream_failed",
            cause: "reset",
            endpoint: at(resetting.address().to_string()),
            attempts: 1,
        },
        Failure {
            path: "/large",
            status: 502,
            level: "WARN",
            reason: "upstream_headers_too_large",
            cause: "the head of the response from",
            endpoint: at(large.address().to_string()),
            attempts: 1,
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
    assert_eq!(gateway.get("/once").status(), 200);
    for failure in failures {
        let path = failure.path;
        let request = match path {
            "/fixed" => post(path, "more than ten bytes"),
            "/staff" => get(path).header("x-api-key", "key"),
            "/trap" | "/endless" | "/greedy" => get(path).header("x-fail", "1"),
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
            access = lines
                .into_iter()
                .find(|line| line["path"] == path && line["status"] == failure.status)
                .unwrap_or_default();
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
    assert_eq!(lines, 15, "one line a failure");
}

/// Requests that are refused before they have a route, or while they arrive.
#[test]
fn a_request_that_does_not_arrive_is_told_in_the_log_and_in_the_access_log() {
    let fixed = Upstream::fixed("the answer");
    let gateway = Gateway::start(json!({
        "listeners": { "web": { "limits": { "body_timeout": "300ms", "header_timeout": "300ms" } } },
        "access_log": { "path": "access.log" },
        "upstreams": { "app": { "endpoints": [fixed.address().to_string()] } },
        "routes": [{ "name": "all", "upstream": "app" }],
    }));
    for (request, status, reason) in [
        (
            "POST /late HTTP/1.1\r\nHost: a\r\nContent-Length: 10\r\n\r\nhalf".to_owned(),
            408,
            "request_timeout",
        ),
        (
            format!("GET /large HTTP/1.1\r\nHost: a\r\nx: {}\r\n\r\n", "x".repeat(70_000)),
            431,
            "headers_too_large",
        ),
        (
            "GET /malformed HTTP/1.1\r\nHost: a\r\nx : y\r\n\r\n".to_owned(),
            400,
            "malformed_field_name",
        ),
    ] {
        let mut wire = gateway.connect();
        wire.write(request).expect("the gateway reads");
        assert_eq!(wire.response("GET").expect("an answer").status(), status);
        let told = gateway.logged(&["lockgate::requests", &format!("\"status\":{status}")]);
        let told: Value = serde_json::from_str(&told).expect("a line is JSON");
        assert_eq!(told["reason"], reason, "{told}");
        assert!(told["cause"].as_str().is_some_and(|cause| cause.len() > 10), "{told}");
        assert!(told["request_id"].as_str().is_some_and(|id| id.len() == 32), "{told}");
        let mut access = Value::Null;
        eventually("the line is written", Duration::from_secs(3), || {
            access = access_line(&gateway, |line| line["status"] == status).unwrap_or_default();
            !access.is_null()
        });
        assert_eq!(access["code_details"], reason, "{access}");
        for field in ["request_id", "cause"] {
            assert_eq!(access[field], told[field], "{field}");
        }
    }
}

fn access_line(gateway: &Gateway, is_it: impl Fn(&Value) -> bool) -> Option<Value> {
    let log = std::fs::read_to_string(gateway.folder().join("access.log")).unwrap_or_default();
    let lines = log
        .lines()
        .map(|line| serde_json::from_str::<Value>(line).expect("a line is JSON"));
    lines.into_iter().find(is_it)
}

/// A plugin that waits for callouts: one answered late, one to an upstream that is dead.
#[test]
fn callouts_and_the_time_that_a_plugin_waits_are_told() {
    let fixed = Upstream::fixed("the answer");
    let users = Upstream::slow(Duration::from_millis(200));
    let gateway = Gateway::start(json!({
        "access_log": { "path": "access.log" },
        "upstreams": {
            "app": { "endpoints": [fixed.address().to_string()] },
            "users": { "endpoints": [users.address().to_string()] },
            "plans": { "endpoints": [Upstream::nobody().to_string()] },
        },
        "plugins": { "who": { "module": "enrich" } },
        "routes": [{ "name": "all", "chain": ["who"], "upstream": "app" }],
    }));
    let request = get("/").header("x-user-id", "u1").header("x-request-id", "ours");
    assert_eq!(gateway.send(request).status(), 200);
    let mut access = Value::Null;
    eventually("the line is written", Duration::from_secs(3), || {
        access = access_line(&gateway, |line| line["status"] == 200).unwrap_or_default();
        !access.is_null()
    });
    let plugin = &access["plugins"][0];
    assert!(
        plugin["wait_us"]
            .as_u64()
            .is_some_and(|waited| (150_000..5_000_000).contains(&waited)),
        "{access}"
    );
    assert!(
        plugin["request_us"].as_u64().is_some_and(|busy| busy < 100_000),
        "{access}"
    );

    let failed = gateway.logged(&["lockgate::callouts", "callout failed"]);
    let failed: Value = serde_json::from_str(&failed).expect("a line is JSON");
    assert_eq!(
        (&failed["plugin"], &failed["upstream"]),
        (&json!("who"), &json!("plans"))
    );
    assert_eq!(failed["request_id"], access["request_id"], "{failed}");
    assert!(
        failed["cause"]
            .as_str()
            .is_some_and(|cause| cause.contains("cannot connect to")),
        "{failed}"
    );

    let metrics = gateway.metrics();
    let ended = |upstream: &str, result: &str| {
        let labels = [("plugin", "who"), ("upstream", upstream), ("result", result)];
        metrics.sum("lockgate_plugin_callouts_total", &labels)
    };
    assert_eq!((ended("users", "response"), ended("plans", "failed")), (1.0, 1.0));
    let labels = [("plugin", "who"), ("upstream", "users")];
    let took = metrics.sum("lockgate_plugin_callout_duration_seconds_sum", &labels);
    assert!((0.2..5.0).contains(&took), "{took}");
    let waited = metrics.sum("lockgate_plugin_wait_seconds_sum", &[("plugin", "who")]);
    assert!((0.15..5.0).contains(&waited), "{waited}");

    // Whoever leaves cancels what was asked for him.
    let mut wire = gateway.connect();
    wire.write("GET /leaves HTTP/1.1\r\nHost: a\r\nx-user-id: u2\r\n\r\n")
        .expect("the gateway reads");
    std::thread::sleep(Duration::from_millis(50));
    drop(wire);
    eventually("the callout is cancelled", Duration::from_secs(3), || {
        let labels = [("plugin", "who"), ("upstream", "users"), ("result", "cancelled")];
        gateway.metrics().sum("lockgate_plugin_callouts_total", &labels) == 1.0
    });
}

/// What a plugin logs, and its trap, are found by the request's id.
#[test]
fn lines_of_plugins_and_traps_have_the_request_s_id() {
    let fixed = Upstream::fixed("the answer");
    let gateway = Gateway::start(json!({
        "listeners": { "web": { "trusted_proxies": ["127.0.0.1/32"] } },
        "upstreams": { "app": { "endpoints": [fixed.address().to_string()] } },
        "plugins": {
            "broken": { "module": "faults", "config": "th" },
            "speaks": { "module": "block", "config": { "header": "user-agent", "values": ["bot"] } },
        },
        "routes": [
            { "name": "trap", "match": { "path_prefix": "/trap" }, "chain": ["broken"], "upstream": "app" },
            { "name": "all", "match": { "path_prefix": "/" }, "chain": ["speaks"], "upstream": "app" },
        ],
    }));
    let trapped = gateway.send(get("/trap").header("x-fail", "1").header("x-request-id", "trap-1"));
    assert_eq!(trapped.status(), 503);
    let line: Value = serde_json::from_str(&gateway.logged(&["\"kind\":\"trap\"", "broken"])).expect("a line is JSON");
    assert_eq!(line["request_id"], "trap-1", "{line}");

    let blocked = gateway.send(get("/").header("user-agent", "bot").header("x-request-id", "line-1"));
    assert_eq!(blocked.status(), 403);
    let line: Value = serde_json::from_str(&gateway.logged(&["blocked: user-agent is"])).expect("a line is JSON");
    assert_eq!(
        (&line["request_id"], &line["plugin"]),
        (&json!("line-1"), &json!("speaks")),
        "{line}"
    );
}
