//! No plugin can hurt another request: while one misbehaves in every way that there is, another one's requests are answered, all of
//! them and about as fast as without, and the gateway's memory stays where it was. And the operator sees what happened.

use lockgate_tests::gateway::install;
use lockgate_tests::http::{Ending, Request};
use lockgate_tests::interference::{Baseline, config, has_misbehaved, upstream};
use lockgate_tests::load::Load;
use lockgate_tests::modules::{self, tag};
use lockgate_tests::upstream::eventually;
use lockgate_tests::{Gateway, GrpcServer, Upstream, get, request};
use serde_json::{Value, json};
use std::sync::Mutex;
use std::time::{Duration, Instant};

/// These tests measure, so they run one after the other.
static ALONE: Mutex<()> = Mutex::new(());

fn alone() -> std::sync::MutexGuard<'static, ()> {
    ALONE.lock().unwrap_or_else(std::sync::PoisonError::into_inner)
}

fn gateway(upstream: &Upstream, bad: Value) -> Gateway {
    Gateway::start(config(upstream, bad))
}

/// The same with a module that was made for the purpose, as `made.wasm`.
fn gateway_with(module: &[u8], config: Value) -> Gateway {
    let folder = tempfile::tempdir().expect("a folder");
    let plugins = folder.path().join("plugins");
    std::fs::create_dir(&plugins).expect("a folder");
    install(&plugins, "made", module);
    install(&plugins, "tag", &modules::module("tag"));
    Gateway::start_in(folder, config)
}

/// Others are not disturbed while this request is sent again and again, whatever becomes of it: refused, cut, or answered.
fn disturbs_no_other(baseline: &Baseline, what: &str, gateway: &Gateway, bad: &Request) {
    // Shared data and queues have room for 64 MiB each, which a flood may fill once.
    let room = if matches!(what, "shared" | "queue") { 96 } else { 24 };
    baseline.stays(what, gateway, room << 20, || drop(gateway.connect().exchange(bad)));
}

fn failing() -> Request {
    request("POST", "/bad")
        .header("x-fail", "1")
        .chunks(&["some", "thing"], &[("x-last", "1")])
}

#[test]
fn loops_growth_recursion_and_traps_disturb_no_other_plugin() {
    let _alone = alone();
    let baseline = Baseline::default();
    for fault in [
        "lh", "gh", "rh", "th", "tb", "tx", "tH", "tB", "tX", "tn", "td", "to", "te", "tk", "lk",
    ] {
        let upstream = upstream();
        let gateway = gateway(&upstream, json!({ "module": "faults", "config": fault }));
        disturbs_no_other(&baseline, fault, &gateway, &failing());
        has_misbehaved(fault, &gateway);
    }
}

/// A module that in a request's headers does what will be answered later, holds the request for it, and falls over in the
/// callback for that.
fn traps_in(callback: &str, parameters: usize) -> Vec<u8> {
    let pairs = |pairs: &[(&str, &str)]| {
        let lengths = pairs.iter().flat_map(|(name, value)| [name.len(), value.len()]);
        let numbers = std::iter::once(pairs.len()).chain(lengths).map(|number| number as u32);
        let mut bytes: Vec<u8> = numbers.flat_map(u32::to_le_bytes).collect();
        pairs
            .iter()
            .for_each(|(name, value)| bytes.extend(format!("{name}\0{value}\0").into_bytes()));
        bytes
    };
    let head = pairs(&[(":method", "GET"), (":path", "/"), (":authority", "side")]);
    let escaped: String = head.iter().map(|byte| format!("\\{byte:02x}")).collect();
    modules::assembled(&format!(
        r#"(module
            (import "env" "proxy_http_call" (func $http (param i32 i32 i32 i32 i32 i32 i32 i32 i32 i32) (result i32)))
            (import "env" "proxy_grpc_call" (func $grpc (param i32 i32 i32 i32 i32 i32 i32 i32 i32 i32 i32 i32) (result i32)))
            (import "env" "proxy_grpc_stream" (func $stream (param i32 i32 i32 i32 i32 i32 i32 i32 i32) (result i32)))
            (import "env" "proxy_grpc_send" (func $send (param i32 i32 i32 i32) (result i32)))
            (import "env" "proxy_register_shared_queue" (func $register (param i32 i32 i32) (result i32)))
            (import "env" "proxy_enqueue_shared_queue" (func $enqueue (param i32 i32 i32) (result i32)))
            (memory (export "memory") 1)
            (data (i32.const 16) "side") (data (i32.const 24) "test.Echo") (data (i32.const 40) "Unary")
            (data (i32.const 64) "{escaped}")
            (func (export "proxy_abi_version_0_2_1"))
            (func (export "proxy_on_memory_allocate") (param i32) (result i32) (i32.const 4096))
            (func (export "proxy_on_context_create") (param i32 i32))
            (func (export "proxy_on_request_headers") (param i32 i32 i32) (result i32)
                (drop (call $http (i32.const 16) (i32.const 4) (i32.const 64) (i32.const {length}) (i32.const 0) (i32.const 0)
                    (i32.const 0) (i32.const 0) (i32.const 1000) (i32.const 0)))
                (drop (call $stream (i32.const 16) (i32.const 4) (i32.const 24) (i32.const 9) (i32.const 40) (i32.const 5)
                    (i32.const 0) (i32.const 0) (i32.const 8)))
                (drop (call $send (i32.load (i32.const 8)) (i32.const 16) (i32.const 4) (i32.const 1)))
                (drop (call $register (i32.const 16) (i32.const 4) (i32.const 4)))
                (drop (call $enqueue (i32.load (i32.const 4)) (i32.const 16) (i32.const 4)))
                (i32.const 1))
            (func $fall_over (export "{callback}") (param {parameters}) unreachable))"#,
        length = head.len(),
        parameters = "i32 ".repeat(parameters),
    ))
}

#[test]
fn traps_in_later_callbacks_disturb_no_other_plugin() {
    let _alone = alone();
    let baseline = Baseline::default();
    for (callback, parameters, speaks_grpc) in [
        ("proxy_on_http_call_response", 5, false),
        ("proxy_on_queue_ready", 2, false),
        ("proxy_on_grpc_close", 3, true),
        ("proxy_on_grpc_receive_initial_metadata", 3, true),
        ("proxy_on_grpc_receive", 3, true),
        ("proxy_on_grpc_receive_trailing_metadata", 3, true),
    ] {
        let (upstream, server) = (upstream(), GrpcServer::start());
        let mut config = config(&upstream, json!({ "module": "made" }));
        if speaks_grpc {
            config["upstreams"]["side"] = json!({ "endpoints": [server.address().to_string()], "protocol": "http2" });
        }
        let gateway = gateway_with(&traps_in(callback, parameters), config);
        disturbs_no_other(&baseline, callback, &gateway, &get("/bad"));
        let phase = callback.trim_start_matches("proxy_on_");
        let _ = gateway.logged(&["fall_over", phase]);
    }
}

#[test]
fn floods_and_wild_pointers_disturb_no_other_plugin() {
    let _alone = alone();
    let baseline = Baseline::default();
    for flood in ["log", "metrics", "queue", "shared", "callouts", "headers"] {
        let upstream = upstream();
        let gateway = gateway(&upstream, json!({ "module": "floods" }));
        disturbs_no_other(&baseline, flood, &gateway, &get("/bad").header("x-flood", flood));
        has_misbehaved(flood, &gateway);
    }
    let upstream = upstream();
    let gateway = gateway(&upstream, json!({ "module": "wild" }));
    disturbs_no_other(&baseline, "wild pointers", &gateway, &get("/bad"));
    assert_eq!(
        gateway.get("/bad").header("x-wild"),
        Some("refused"),
        "no wild pointer was taken"
    );
}

#[test]
fn two_hundred_reloads_under_load_fail_no_request_and_leak_no_memory() {
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
fn a_poison_request_is_blocked_and_reported() {
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
        &[("plugin", "bad"), ("kind", "poison_request")],
    );
    assert!(kept >= 3.0, "{kept}");
    let blocked = counted("lockgate_plugin_events_total", &[("event", "request_blocked")]);
    assert!((blocked - 1.0).abs() < f64::EPSILON, "{blocked}");
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
    assert!(seen["host_calls"][0]["calls"].as_u64() > Some(0), "{seen}");
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
