//! No plugin can hurt another request: while one misbehaves in every way that there is, another one's requests are answered, all of
//! them and about as fast as without, and the gateway's memory stays where it was. And the operator sees what happened.

use lockgate_tests::http::{Ending, Message, Request};
use lockgate_tests::load::Load;
use lockgate_tests::modules::tag;
use lockgate_tests::upstream::{answer_chunked, eventually};
use lockgate_tests::{Gateway, Upstream, get, request};
use serde_json::{Value, json};
use std::sync::Mutex;
use std::time::{Duration, Instant};

/// These tests measure, so they run one after the other.
static ALONE: Mutex<()> = Mutex::new(());

fn alone() -> std::sync::MutexGuard<'static, ()> {
    ALONE.lock().unwrap_or_else(std::sync::PoisonError::into_inner)
}

/// An upstream whose answer has every part that a phase can be called for.
fn upstream() -> Upstream {
    Upstream::scripted(|_, wire| answer_chunked(wire, &[], &["the ", "answer"], &[("x-last", "1")]))
}

fn gateway(upstream: &Upstream, bad: Value) -> Gateway {
    let mut bad = bad;
    bad["limits"] = json!({ "deadline": "5ms", "request_deadline": "20ms", "memory": "8MiB" });
    Gateway::start(json!({
        "upstreams": {
            "app": { "endpoints": [upstream.address().to_string()] },
            "side": { "endpoints": [upstream.address().to_string()] },
        },
        "plugins": { "bad": bad, "sound": { "module": "tag" } },
        "routes": [
            { "name": "bad", "match": { "path_prefix": "/bad" }, "chain": ["bad"], "upstream": "app" },
            { "name": "sound", "chain": ["sound"], "upstream": "app" },
        ],
    }))
}

fn is_sound(response: &Message) -> bool {
    response.status() == 200 && response.ending == Ending::Whole && response.header("x-tag") == Some("untagged")
}

/// The 99th percentile over some seconds of the sound plugin's requests, none of which may fail, while `meanwhile` is done again
/// and again.
fn p99(gateway: &Gateway, meanwhile: impl Fn()) -> Duration {
    let load = Load::start(gateway.address(), 100, &get("/sound"), is_sound);
    let end = Instant::now() + Duration::from_millis(800);
    while Instant::now() < end {
        meanwhile();
        std::thread::sleep(Duration::from_millis(30));
    }
    let account = load.finish();
    assert!(account.failures.is_empty(), "others failed: {:?}", account.failures);
    account.percentile(0.99)
}

/// The middle of three runs with the misbehaving requests, against the middle of three without.
fn disturbs_nobody(what: &str, gateway: &Gateway, bad: &Request) {
    let middle = |run: &dyn Fn() -> Duration| {
        let mut runs = [run(), run(), run()];
        runs.sort();
        runs[1]
    };
    let quiet = middle(&|| p99(gateway, || ()));
    let before = gateway.memory().now;
    let disturbed = middle(&|| {
        p99(gateway, || {
            // Whatever becomes of it: refused, cut, or answered.
            drop(gateway.connect().exchange(bad));
        })
    });
    // The budget of the loop, and what the machine adds when a thread has to wait for one of two cores.
    let bound = quiet * 2 + Duration::from_millis(30);
    assert!(
        disturbed <= bound,
        "{what}: p99 {disturbed:?}, and {quiet:?} when it is quiet"
    );
    let grown = gateway.memory().now.saturating_sub(before);
    // Shared data and queues have room for 64 MiB each, which a flood may fill once.
    let room = if matches!(what, "shared" | "queue") {
        96 << 20
    } else {
        24 << 20
    };
    assert!(grown < room, "{what}: memory grew by {grown} bytes");
}

fn failing() -> Request {
    request("POST", "/bad")
        .header("x-fail", "1")
        .chunks(&["some", "thing"], &[("x-last", "1")])
}

#[test]
fn loops_growth_recursion_and_traps_disturb_nobody() {
    let _alone = alone();
    for fault in [
        "lh", "gh", "rh", "th", "tb", "tx", "tH", "tB", "tX", "tn", "td", "to", "te",
    ] {
        let upstream = upstream();
        let gateway = gateway(&upstream, json!({ "module": "faults", "config": fault }));
        disturbs_nobody(fault, &gateway, &failing());
    }
}

#[test]
fn floods_and_wild_pointers_disturb_nobody() {
    let _alone = alone();
    for flood in ["log", "metrics", "queue", "shared", "callouts", "headers"] {
        let upstream = upstream();
        let gateway = gateway(&upstream, json!({ "module": "floods" }));
        disturbs_nobody(flood, &gateway, &get("/bad").header("x-flood", flood));
    }
    let upstream = upstream();
    let gateway = gateway(&upstream, json!({ "module": "wild" }));
    disturbs_nobody("wild pointers", &gateway, &get("/bad"));
}

#[test]
fn two_hundred_reloads_under_load_fail_nothing_and_leave_the_memory_where_it_was() {
    let _alone = alone();
    let upstream = upstream();
    let gateway = Gateway::start(json!({
        "upstreams": { "app": { "endpoints": [upstream.address().to_string()] } },
        "plugins": { "sound": { "module": "tag" } },
        "global_chain": ["sound"],
    }));
    let in_force = |version: &str| {
        eventually(&format!("{version} is in force"), Duration::from_secs(10), || {
            gateway.get("/").header("x-tag") == Some(version)
        });
    };
    // Both modules have been seen before the memory is looked at: the allocator has what it needs for a reload.
    for round in 0..20 {
        let version = format!("warm{round}");
        gateway.install("tag", &tag(&version));
        in_force(&version);
    }
    let before = gateway.memory().now;
    let load = Load::start(gateway.address(), 100, &get("/"), |response| {
        response.status() == 200 && response.ending == Ending::Whole
    });
    for round in 0..200 {
        let version = format!("version{round}");
        gateway.install("tag", &tag(&version));
        in_force(&version);
    }
    let account = load.finish();
    assert!(account.failures.is_empty(), "{:?}", account.failures);
    let settled = || gateway.memory().now as f64 / before as f64;
    eventually("the memory is where it was", Duration::from_secs(10), || {
        settled() < 1.05
    });
}

#[test]
fn a_query_of_death_is_kept_from_the_plugin_and_the_operator_sees_all() {
    let _alone = alone();
    let upstream = upstream();
    let gateway = gateway(&upstream, json!({ "module": "faults", "config": "th" }));
    for _ in 0..2 {
        assert_eq!(gateway.send(failing()).status(), 503);
    }
    let counted = |name: &str, labels: &[(&str, &str)]| gateway.metrics().sum(name, labels);
    for _ in 0..3 {
        assert_eq!(gateway.send(failing()).status(), 503);
    }
    let kept = counted(
        "lockgate_plugin_failures_total",
        &[("plugin", "bad"), ("kind", "query_of_death")],
    );
    assert!(kept >= 3.0, "{kept}");
    let shunned = counted("lockgate_plugin_events_total", &[("event", "request_shunned")]);
    assert!((shunned - 1.0).abs() < f64::EPSILON, "{shunned}");
    eventually("others are served again", Duration::from_secs(4), || {
        gateway.get("/bad").status() == 200
    });
    assert_eq!(gateway.send(failing()).status(), 503, "it is still kept away");
    assert_eq!(gateway.get("/bad").status(), 200, "and has ended no VM");
    let seen = gateway.ask_admin("/api/plugins/bad").json();
    let traps = seen["last_traps"].as_array().expect("a list");
    assert_eq!(traps.len(), 2, "{seen}");
    assert!(
        traps[0]["backtrace"]
            .as_str()
            .is_some_and(|trace| trace.starts_with("fall_over")),
        "{seen}"
    );
    assert_eq!(
        (&traps[0]["phase"], &traps[0]["kind"]),
        (&json!("request_headers"), &json!("trap"))
    );
    assert!(traps[0]["request_id"].is_string(), "{seen}");
    assert!(seen["work"][0]["host_calls"].as_u64() > Some(0), "{seen}");
    assert!(
        seen["phases"].as_array().is_some_and(|phases| !phases.is_empty()),
        "{seen}"
    );
    assert!(seen["vms"][0]["memory_bytes"].as_u64() > Some(0), "{seen}");
    assert_eq!(gateway.ask_admin("/api/plugins/nobody").status(), 404);
}

#[test]
fn a_profile_shows_where_a_plugin_spends_its_time() {
    let _alone = alone();
    let upstream = upstream();
    let gateway = Gateway::start(json!({
        "upstreams": { "app": { "endpoints": [upstream.address().to_string()] } },
        "plugins": { "busy": { "module": "faults", "config": "lh", "limits": { "deadline": "30ms" } } },
        "global_chain": ["busy"],
    }));
    let folded = std::thread::scope(|scope| {
        let profile = scope.spawn(|| gateway.ask_admin("/api/plugins/busy/profile?seconds=2").text());
        while !profile.is_finished() {
            let nth = Instant::now().elapsed().subsec_nanos();
            drop(gateway.send(failing().header("x-other", &format!("{nth}{:?}", Instant::now()))));
            std::thread::sleep(Duration::from_millis(50));
        }
        profile.join().expect("the admin address answers")
    });
    let line = folded.lines().find(|line| line.contains("loop_forever"));
    let line = line.unwrap_or_else(|| panic!("no sample in the loop: {folded}"));
    assert!(line.starts_with("busy;request_headers;"), "{line}");
    let (_, count) = line.rsplit_once(' ').expect("a count at the end");
    assert!(count.parse::<u64>().is_ok_and(|count| count > 0), "{line}");
}
