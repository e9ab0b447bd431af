//! What a plugin may use up and what it may touch: floods are bounded, isolated streams share nothing, capabilities are kept to.

use lockgate_tests::answers::{is_answered, is_refused};
use lockgate_tests::load::Load;
use lockgate_tests::upstream::eventually;
use lockgate_tests::{Gateway, Upstream, get};
use serde_json::{Value, json};
use std::time::{Duration, Instant};

#[test]
fn floods_are_bounded_and_disturb_no_other_plugin() {
    let (upstream, side) = (Upstream::fixed("the answer"), Upstream::slow(Duration::from_millis(50)));
    for flood in ["log", "metrics", "queue", "shared", "callouts", "headers"] {
        let mut gateway = Gateway::start(json!({
            "upstreams": {
                "app": { "endpoints": [upstream.address().to_string()] },
                "side": { "endpoints": [side.address().to_string()] },
            },
            "plugins": { "flood": { "module": "floods", "limits": { "deadline": "100ms", "memory": "32MiB" } }, "sound": { "module": "tag" } },
            "routes": [
                { "name": "flood", "match": { "path_prefix": "/flood" }, "chain": ["flood"], "upstream": "app" },
                { "name": "sound", "chain": ["sound"], "upstream": "app" },
            ],
        }));
        let others = Load::sound(&gateway);
        let before = gateway.memory().now;
        let sent = Instant::now();
        let status = gateway.send(get("/flood").header("x-flood", flood)).status();
        assert!([200, 431, 502, 503].contains(&status), "{flood}: {status}");
        assert!(
            sent.elapsed() < Duration::from_secs(3),
            "{flood}: took {:?}",
            sent.elapsed()
        );
        let scraped = gateway.metrics();
        assert!(
            scraped.text().len() < 2 << 20,
            "{flood}: the metrics have {} bytes",
            scraped.text().len()
        );
        let account = others.finish();
        assert!(
            account.failures.is_empty(),
            "{flood}: others failed: {:?}",
            account.failures
        );
        assert!(
            account.slowest < Duration::from_secs(2),
            "{flood}: another's request took {:?}",
            account.slowest
        );
        let grown = gateway.memory().peak.saturating_sub(before);
        assert!(grown < 160 << 20, "{flood}: memory grew by {grown} bytes");
        assert!(
            gateway.log().len() < 20_000,
            "{flood}: {} log lines",
            gateway.log().len()
        );
        assert!(gateway.runs(), "{flood}");
    }
}

#[test]
fn isolated_streams_share_nothing_and_others_share_their_instance() {
    let upstream = Upstream::fixed("the answer");
    let counted = |isolation: &str| {
        let gateway = Gateway::start(json!({
            "upstreams": { "app": { "endpoints": [upstream.address().to_string()] } },
            "plugins": { "calls": { "module": "calls", "isolation": isolation } },
            "global_chain": ["calls"],
        }));
        (0..3)
            .map(|_| gateway.get("/").header("x-calls").unwrap_or_default().to_string())
            .collect::<String>()
    };
    assert_eq!(counted("shared"), "ABC");
    assert_eq!(counted("stream"), "AAA");
}

#[test]
fn an_isolated_stream_fails_alone() {
    let upstream = Upstream::fixed("the answer");
    let gateway = Gateway::start(json!({
        "upstreams": { "app": { "endpoints": [upstream.address().to_string()] } },
        "plugins": { "faulty": { "module": "faults", "config": "th", "isolation": "stream" } },
        "global_chain": ["faulty"],
    }));
    assert!(is_refused(&gateway.send(get("/").header("x-fail", "1"))));
    assert!(
        is_answered(&gateway.get("/")),
        "no back-off where each stream has its own instance"
    );
}

#[test]
fn calls_without_their_capability_are_refused() {
    let upstream = Upstream::fixed("the answer");
    let config = |capabilities: Value| {
        json!({
            "upstreams": { "app": { "endpoints": [upstream.address().to_string()] } },
            "plugins": { "tag": { "module": "tag", "capabilities": capabilities } },
            "global_chain": ["tag"],
        })
    };
    let free = Gateway::start(config(json!({ "host_calls": ["proxy_replace_header_map_value"] })));
    assert_eq!(free.get("/").header("x-tag"), Some("untagged"));
    let bound = Gateway::start(config(json!({ "host_calls": ["proxy_log"] })));
    let response = bound.get("/");
    assert_eq!((response.status(), response.header("x-tag")), (200, None));
}

/// CPU seconds that the gateway has used so far.
fn cpu(gateway: &Gateway) -> f64 {
    let stat = std::fs::read_to_string(format!("/proc/{}/stat", gateway.pid())).expect("the gateway runs");
    let after_name = stat.rsplit(')').next().expect("the name ends in a parenthesis");
    let times = after_name.split_whitespace().skip(11).take(2);
    times
        .map(|ticks| ticks.parse::<f64>().expect("a number of ticks"))
        .sum::<f64>()
        / 100.0
}

#[test]
fn without_file_descriptors_accepting_waits_and_recovers() {
    let upstream = Upstream::fixed("the answer");
    let gateway = Gateway::start(json!({ "upstreams": { "app": { "endpoints": [upstream.address().to_string()] } } }));
    assert_eq!(gateway.get("/").status(), 200);
    let open = std::fs::read_dir(format!("/proc/{}/fd", gateway.pid()))
        .expect("the gateway runs")
        .count();
    let limit = std::process::Command::new("prlimit")
        .args(["--pid", &gateway.pid().to_string(), &format!("--nofile={}", open + 10)])
        .status()
        .expect("prlimit is installed");
    assert!(limit.success());
    let crowd: Vec<_> = (0..50).map(|_| gateway.connect()).collect();
    let before = cpu(&gateway);
    std::thread::sleep(Duration::from_secs(1));
    let spent = cpu(&gateway) - before;
    assert!(spent < 0.5, "{spent} s of CPU in a second of waiting for descriptors");
    drop(crowd);
    eventually("requests are answered again", Duration::from_secs(5), || {
        gateway
            .connect()
            .exchange(&get("/"))
            .is_ok_and(|answer| answer.status() == 200)
    });
}

#[test]
fn connections_over_the_limit_are_closed_and_the_others_work() {
    let upstream = Upstream::fixed("the answer");
    let gateway = Gateway::start(json!({
        "listeners": { "web": { "limits": { "connections": 5 } } },
        "upstreams": { "app": { "endpoints": [upstream.address().to_string()] } },
    }));
    let mut kept: Vec<_> = (0..5).map(|_| gateway.connect()).collect();
    for wire in &mut kept {
        assert_eq!(wire.exchange(&get("/")).expect("an answer comes").status(), 200);
    }
    let refused = gateway.connect().exchange(&get("/"));
    assert!(
        !refused.as_ref().is_ok_and(|answer| answer.status() < 500),
        "{refused:?}"
    );
    assert_eq!(kept[0].exchange(&get("/")).expect("an answer comes").status(), 200);
    drop(kept);
    eventually("there is room again", Duration::from_secs(3), || {
        gateway
            .connect()
            .exchange(&get("/"))
            .is_ok_and(|answer| answer.status() == 200)
    });
}

#[test]
fn a_json_body_of_the_default_size_is_rewritten_within_the_default_limits() {
    let item = r#"{"name":"Ada Lovelace","ssn":"123-45-6789","tags":["a","b"],"score":12.5}"#;
    let items = vec![item; (1 << 20) / (item.len() + 1) - 1].join(",");
    let body: &'static str = Box::leak(format!("[{items}]").into_boxed_str());
    assert!(body.len() > 1_000_000 && body.len() <= 1 << 20);
    let app = Upstream::answering(200, &[("content-type", "application/json")], body);
    let gateway = Gateway::start(json!({
        "upstreams": { "app": { "endpoints": [app.address().to_string()] } },
        "plugins": { "redact": { "module": "rewrite-json", "config": { "fields": ["ssn"] } } },
        "global_chain": ["redact"],
    }));
    let answer = gateway.get("/");
    assert_eq!(answer.status(), 200, "{}", answer.text());
    let people = answer.json();
    let people = people.as_array().expect("a list");
    assert_eq!(people.len(), body.matches("ssn").count());
    assert!(
        people
            .iter()
            .all(|person| person.get("ssn").is_none() && person["score"] == 12.5)
    );
}
