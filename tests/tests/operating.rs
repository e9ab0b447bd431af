//! What an operator sees: metrics, access log, the admin address.

use lockgate_tests::Wire;
use lockgate_tests::binary::binary;
use lockgate_tests::http::Message;
use lockgate_tests::upstream::{answer, eventually};
use lockgate_tests::{Gateway, Upstream, get, post};
use serde_json::{Value, json};
use std::fs;
use std::io::Read;
use std::process::{Command, Stdio};
use std::time::Duration;

fn upstream() -> Upstream {
    Upstream::scripted(|request, wire| {
        answer(
            wire,
            if request.target().contains("missing") { 404 } else { 200 },
            &[],
            "the answer",
        )
    })
}

fn gateway(upstream: &Upstream) -> Gateway {
    Gateway::start(json!({
        "workers": 2,
        "access_log": { "path": "access.log" },
        "upstreams": { "app": { "endpoints": [upstream.address().to_string()] }, "dead": { "endpoints": [Upstream::nobody().to_string()] } },
        "plugins": { "tag": { "module": "tag" }, "faulty": { "module": "faults", "config": "th" } },
        "routes": [
            { "name": "all", "match": { "path_prefix": "/" }, "chain": ["tag"], "upstream": "app" },
            { "name": "dead", "match": { "path_prefix": "/dead" }, "upstream": "dead" },
            { "name": "faulty", "match": { "path_prefix": "/faulty" }, "chain": ["faulty"], "upstream": "app" },
        ],
    }))
}

#[test]
fn requests_plugins_and_upstreams_are_counted() {
    let upstream = upstream();
    let gateway = gateway(&upstream);
    for _ in 0..5 {
        assert_eq!(gateway.get("/").status(), 200);
    }
    for _ in 0..3 {
        assert_eq!(gateway.get("/missing").status(), 404);
    }
    assert_eq!(gateway.get("/dead").status(), 502);
    assert_eq!(gateway.send(get("/faulty").header("x-fail", "1")).status(), 503);
    let metrics = gateway.metrics();
    let count = |name: &str, labels: &[(&str, &str)]| metrics.sum(name, labels);
    assert_eq!(
        count(
            "lockgate_requests_total",
            &[("listener", "web"), ("route", "all"), ("status", "200")]
        ),
        5.0
    );
    assert_eq!(
        count(
            "lockgate_requests_total",
            &[("listener", "web"), ("route", "all"), ("status", "404")]
        ),
        3.0
    );
    assert_eq!(
        count("lockgate_requests_total", &[("route", "dead"), ("status", "502")]),
        1.0
    );
    assert_eq!(
        count("lockgate_requests_total", &[("route", "faulty"), ("status", "503")]),
        1.0
    );
    assert_eq!(
        count("lockgate_request_duration_seconds_count", &[("route", "all")]),
        8.0
    );
    assert_eq!(
        count(
            "lockgate_upstream_requests_total",
            &[("upstream", "app"), ("status", "200")]
        ),
        5.0
    );
    assert_eq!(
        count(
            "lockgate_upstream_requests_total",
            &[("upstream", "app"), ("status", "404")]
        ),
        3.0
    );
    assert_eq!(
        count("lockgate_upstream_duration_seconds_count", &[("upstream", "app")]),
        8.0
    );
    assert_eq!(
        count(
            "lockgate_plugin_duration_seconds_count",
            &[("plugin", "tag"), ("phase", "response_headers")]
        ),
        8.0
    );
    assert_eq!(
        count(
            "lockgate_plugin_failures_total",
            &[("plugin", "faulty"), ("kind", "trap")]
        ),
        1.0
    );
    assert!(metrics.has("lockgate_connections") && metrics.has("lockgate_reloads_total"));
    for line in metrics.text().lines().filter(|line| line.starts_with("# TYPE")) {
        let name = line.split(' ').nth(2).expect("a type has a name");
        assert!(name.starts_with("lockgate_"), "{name}");
        assert!(
            metrics.text().contains(&format!("# HELP {name} ")),
            "{name} has no help"
        );
    }
}

#[test]
fn counters_survive_a_reload() {
    let upstream = upstream();
    let mut gateway = gateway(&upstream);
    assert_eq!(gateway.get("/").status(), 200);
    let reloads = gateway.metrics().sum("lockgate_reloads_total", &[]);
    gateway.reconfigure(|config| config["routes"][0]["timeout"] = json!("7s"));
    eventually("the reload is counted", Duration::from_secs(3), || {
        gateway.metrics().sum("lockgate_reloads_total", &[]) > reloads
    });
    assert_eq!(gateway.get("/").status(), 200);
    assert_eq!(
        gateway
            .metrics()
            .sum("lockgate_requests_total", &[("route", "all"), ("status", "200")]),
        2.0
    );
}

#[test]
fn connections_are_counted_while_they_are_open() {
    let upstream = upstream();
    let gateway = gateway(&upstream);
    let open: Vec<_> = (0..5).map(|_| gateway.connect()).collect();
    eventually("five are open", Duration::from_secs(3), || {
        gateway.metrics().sum("lockgate_connections", &[]) == 5.0
    });
    drop(open);
    eventually("none is open", Duration::from_secs(3), || {
        gateway.metrics().sum("lockgate_connections", &[]) == 0.0
    });
}

#[test]
fn the_access_log_has_each_request_with_the_time_of_each_plugin() {
    let upstream = upstream();
    let gateway = gateway(&upstream);
    assert_eq!(
        gateway
            .send(post("/some/path?key=secret", "12345").header("host", "api.test"))
            .status(),
        200
    );
    assert_eq!(gateway.get("/dead").status(), 502);
    let path = gateway.folder().join("access.log");
    let read = || {
        fs::read_to_string(&path)
            .unwrap_or_default()
            .lines()
            .map(String::from)
            .collect::<Vec<_>>()
    };
    eventually("both lines are there", Duration::from_secs(3), || read().len() == 2);
    let lines: Vec<Value> = read()
        .iter()
        .map(|line| serde_json::from_str(line).expect("a line is JSON"))
        .collect();
    let first = &lines[0];
    for (key, value) in [
        ("method", json!("POST")),
        ("path", json!("/some/path")),
        ("host", json!("api.test")),
        ("status", json!(200)),
        ("route", json!("all")),
        ("upstream", json!("app")),
        ("listener", json!("web")),
        ("client", json!("127.0.0.1")),
        ("bytes_in", json!(5)),
        ("bytes_out", json!(10)),
    ] {
        assert_eq!(first[key], value, "{key} in {first}");
    }
    assert!(
        first["duration_us"]
            .as_u64()
            .is_some_and(|time| (1..2_000_000).contains(&time)),
        "{first}"
    );
    assert_eq!(
        first["request_id"].as_str(),
        upstream.last_request().header("x-request-id")
    );
    assert_eq!(first["plugins"][0]["name"], "tag");
    assert!(
        first["plugins"][0]["request_us"].is_u64() && first["plugins"][0]["response_us"].is_u64(),
        "{first}"
    );
    assert!(!first.to_string().contains("secret"), "a query may carry a key");
    assert_eq!((&lines[1]["status"], &lines[1]["route"]), (&json!(502), &json!("dead")));
}

#[test]
fn sighup_reopens_the_access_log() {
    let upstream = upstream();
    let gateway = gateway(&upstream);
    let path = gateway.folder().join("access.log");
    assert_eq!(gateway.get("/before").status(), 200);
    eventually("a line is there", Duration::from_secs(3), || {
        fs::read_to_string(&path).is_ok_and(|text| text.contains("/before"))
    });
    fs::rename(&path, gateway.folder().join("access.log.1")).expect("the folder is writable");
    gateway.signal("HUP");
    eventually("a new file is written", Duration::from_secs(3), || {
        gateway.get("/after").status() == 200 && fs::read_to_string(&path).is_ok_and(|text| text.contains("/after"))
    });
}

#[test]
fn the_admin_address_shows_health_and_loaded_plugins() {
    let upstream = upstream();
    let gateway = gateway(&upstream);
    assert_eq!(gateway.ask_admin("/healthz").status(), 200);
    assert_eq!(gateway.ask_admin("/readyz").status(), 200);
    let metrics = gateway.ask_admin("/metrics");
    assert!(
        metrics
            .header("content-type")
            .is_some_and(|kind| kind.starts_with("text/plain"))
    );
    let plugins = gateway.ask_admin("/api/plugins");
    assert_eq!(
        (plugins.status(), plugins.header("content-type")),
        (200, Some("application/json"))
    );
    let text = plugins.text();
    for part in ["\"tag\"", "\"faulty\"", "\"faults\"", "sha256", "state"] {
        assert!(text.contains(part), "nothing of {part} in {text}");
    }
    let digest = text
        .split(|c: char| !c.is_ascii_hexdigit())
        .find(|word| word.len() == 64);
    assert!(digest.is_some(), "no digest in {text}");
    let nowhere = gateway.ask_admin("/nowhere");
    assert_eq!(
        (nowhere.status(), nowhere.header("content-type")),
        (404, Some("application/problem+json"))
    );
}

#[test]
fn a_failing_plugin_is_shown_with_its_last_error() {
    let upstream = upstream();
    let gateway = gateway(&upstream);
    assert_eq!(gateway.send(get("/faulty").header("x-fail", "1")).status(), 503);
    eventually("the error is shown", Duration::from_secs(3), || {
        let told = gateway.plugins();
        told.contains("fall_over") || told.contains("unreachable")
    });
}

#[test]
fn with_a_token_only_its_bearer_gets_more_than_health() {
    let upstream = upstream();
    let folder = tempfile::tempdir().expect("a temporary folder can be made");
    fs::create_dir(folder.path().join("plugins")).expect("the folder is writable");
    fs::write(folder.path().join("token"), "a-long-token").expect("the folder is writable");
    let gateway = Gateway::start_in(
        folder,
        json!({ "admin": { "token": "${file:token}" }, "upstreams": { "app": { "endpoints": [upstream.address().to_string()] } } }),
    );
    let ask = |target: &str, token: Option<&str>| {
        let request = token.map_or_else(|| get(target), |token| get(target).header("authorization", token));
        Wire::connect(gateway.admin())
            .exchange(&request.header("host", &gateway.admin().to_string()))
            .expect("the admin address answers")
            .status()
    };
    for open in ["/healthz", "/readyz", "/metrics"] {
        assert_eq!(ask(open, None), 200, "{open}");
    }
    assert_eq!(ask("/api/plugins", None), 401);
    assert_eq!(ask("/api/plugins", Some("Bearer a-long-tokem")), 401);
    assert_eq!(ask("/api/plugins", Some("Bearer a-long-token2")), 401);
    assert_eq!(ask("/api/plugins", Some("a-long-token")), 401);
    assert_eq!(ask("/api/plugins", Some("Bearer a-long-token")), 200);
}

#[test]
fn a_plugin_s_own_metrics_and_log_lines_appear() {
    let upstream = upstream();
    let gateway = Gateway::start(json!({
        "upstreams": { "app": { "endpoints": [upstream.address().to_string()] } },
        "plugins": { "talker": { "module": "conformance" } },
        "global_chain": ["talker"],
    }));
    assert_eq!(
        gateway
            .send(get("/").header("x-case", "metrics").header("x-token", "m"))
            .status(),
        200
    );
    assert_eq!(
        gateway
            .send(get("/").header("x-case", "log").header("x-token", "l"))
            .status(),
        200
    );
    let metrics = gateway.metrics();
    assert_eq!(
        metrics.sum("lockgate_plugin_conformance_counter", &[]),
        5.0,
        "{}",
        metrics.text()
    );
    assert_eq!(metrics.sum("lockgate_plugin_conformance_gauge", &[]), 8.0);
    assert_eq!(metrics.sum("lockgate_plugin_conformance_histogram_count", &[]), 1.0);
    let _ = gateway.logged(&["talker", "conformance speaks at level 3", "WARN"]);
    let _ = gateway.logged(&["talker", "conformance speaks at level 4", "ERROR"]);
}

/// The kernel would let both have it, and give each half of the connections.
#[test]
fn a_port_of_another_gateway_is_refused_but_not_its_own() {
    let upstream = upstream();
    let mut first = gateway(&upstream);
    let folder = tempfile::tempdir().expect("a temporary folder can be made");
    let config = json!({
        "listeners": { "web": { "listen": first.address().to_string() } },
        "upstreams": { "app": { "endpoints": [upstream.address().to_string()] } },
    });
    fs::write(folder.path().join("gateway.json"), config.to_string()).expect("the folder is writable");
    let second = Command::new(binary())
        .arg("run")
        .current_dir(folder.path())
        .stderr(Stdio::piped())
        .spawn();
    let mut second = second.expect("the binary is there");
    let mut status = None;
    eventually("it gives up", Duration::from_secs(10), || {
        status = second.try_wait().expect("it is ours");
        status.is_some()
    });
    let mut said = String::new();
    let mut pipe = second.stderr.take().expect("it is piped");
    pipe.read_to_string(&mut said).expect("it speaks UTF-8");
    assert_eq!(status.and_then(|status| status.code()), Some(1), "{said}");
    let told = "listener \"web\" cannot listen on";
    assert_eq!(said.matches("in use").count(), 1, "{said}");
    assert!(
        said.contains(told) && said.contains("help: another process uses this port"),
        "{said}"
    );

    first.reconfigure(|config| {
        let web = config["listeners"]["web"].take();
        config["listeners"] = json!({ "renamed": web });
    });
    let _ = first.logged(&["listening", "renamed"]);
}

/// Whoever looks for a fault turns the log up for a while, without a restart.
#[test]
fn log_levels_are_changed_by_the_admin_api_and_go_back_by_themselves() {
    let upstream = upstream();
    let gateway = gateway(&upstream);
    let put = |body: &str| {
        let request = lockgate_tests::http::request("PUT", "/api/log").body(body);
        gateway.tell_admin(request)
    };
    let levels = |response: &Message| serde_json::from_str::<Value>(&response.text()).expect("JSON");
    let before = levels(&gateway.ask_admin("/api/log"));
    assert_eq!(before["seconds_left"], Value::Null, "{before}");
    assert_eq!(before["filter"], before["started_with"], "{before}");

    let changed = put(r#"{ "filter": "error", "duration": "1s" }"#);
    assert_eq!(changed.status(), 200, "{changed:?}");
    let changed: Value = serde_json::from_str(&changed.text()).expect("JSON");
    assert_eq!(
        (&changed["filter"], &changed["started_with"]),
        (&json!("error"), &before["filter"])
    );
    assert_eq!(gateway.get("/dead?first").status(), 502);
    eventually("the levels of the start are back", Duration::from_secs(5), || {
        levels(&gateway.ask_admin("/api/log")) == before
    });
    assert_eq!(gateway.get("/dead?second").status(), 502);
    let _ = gateway.logged(&["lockgate::requests", "cannot connect"]);
    let told = gateway
        .log()
        .iter()
        .filter(|line| line.contains("cannot connect"))
        .count();
    assert_eq!(told, 1, "WARN was off at first");

    for (body, part) in [
        (r#"{ "filter": "info,a=b=c" }"#, "info,lockgate_gateway=debug"),
        (r#"{ "filter": "" }"#, "filter: expected"),
        (r#"{ "filter": "debug", "duration": "30h" }"#, "duration"),
        (r#"{ "level": "debug" }"#, "unknown field"),
    ] {
        let refused = put(body);
        assert_eq!(refused.status(), 400, "{refused:?}");
        assert!(refused.text().contains(part), "{refused:?}");
    }
    assert_eq!(put(r#"{ "filter": "debug" }"#).status(), 200);
    let request = lockgate_tests::http::request("DELETE", "/api/log");
    assert_eq!(levels(&gateway.tell_admin(request)), before);
}
