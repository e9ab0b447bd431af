//! Plugins whose start makes callouts, and what goes on for plugins once nobody wants it any more.

use lockgate_tests::gateway::install;
use lockgate_tests::modules::assembled;
use lockgate_tests::upstream::{Then, answer, eventually};
use lockgate_tests::wire::Wire;
use lockgate_tests::{Gateway, Upstream, get};
use serde_json::{Value, json};
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::time::{Duration, Instant};

/// A module that makes a callout to `upstream` in `callback` of the root context, or in a request's headers, which it holds.
fn calling(upstream: &str, callback: &str) -> Vec<u8> {
    let pairs = [(":method", "GET"), (":path", "/rules"), (":authority", "")];
    let lengths = pairs.iter().flat_map(|(name, value)| [name.len(), value.len()]);
    let numbers = std::iter::once(pairs.len()).chain(lengths).map(|number| number as u32);
    let mut bytes: Vec<u8> = numbers.flat_map(u32::to_le_bytes).collect();
    for (name, value) in pairs {
        bytes.extend(format!("{name}\0{value}\0").into_bytes());
    }
    let head: String = bytes.iter().map(|byte| format!("\\{byte:02x}")).collect();
    let (root, request) = match callback {
        "request_headers" => (String::new(), "(call $fetch) (i32.const 1)"),
        callback => (
            format!(
                r#"(func (export "proxy_on_{callback}") (param i32 i32) (result i32) (call $fetch) (i32.const 1))"#
            ),
            "(i32.const 0)",
        ),
    };
    assembled(&format!(
        r#"(module
            (import "env" "proxy_http_call" (func $http (param i32 i32 i32 i32 i32 i32 i32 i32 i32 i32) (result i32)))
            (import "env" "proxy_set_tick_period_milliseconds" (func $tick (param i32) (result i32)))
            (memory (export "memory") 1)
            (data (i32.const 16) "{upstream}") (data (i32.const 128) "{head}")
            (func (export "proxy_abi_version_0_2_1"))
            (func (export "proxy_on_memory_allocate") (param i32) (result i32) (i32.const 4096))
            (func (export "proxy_on_context_create") (param i32 i32))
            (func $fetch
                (if (call $http (i32.const 16) (i32.const {name}) (i32.const 128) (i32.const {length}) (i32.const 0) (i32.const 0)
                    (i32.const 0) (i32.const 0) (i32.const 60000) (i32.const 0)) (then unreachable)))
            {root}
            (func (export "proxy_on_http_call_response") (param i32 i32 i32 i32 i32))
            (func (export "proxy_on_request_headers") (param i32 i32 i32) (result i32) {request}))"#,
        name = upstream.len(),
        length = bytes.len(),
    ))
}

fn started(modules: &[(&str, Vec<u8>)], config: Value) -> Gateway {
    let folder = tempfile::tempdir().expect("a folder");
    let plugins = folder.path().join("plugins");
    std::fs::create_dir(&plugins).expect("a folder");
    install_all(&plugins, modules);
    Gateway::start_in(folder, config)
}

fn install_all(plugins: &Path, modules: &[(&str, Vec<u8>)]) {
    for (name, bytes) in modules {
        install(plugins, name, bytes);
    }
}

/// An upstream that answers once it is let go.
fn held() -> (Upstream, Arc<AtomicBool>) {
    let go_on = Arc::new(AtomicBool::new(false));
    let waits = go_on.clone();
    let upstream = Upstream::scripted(move |_, wire| {
        let end = Instant::now() + Duration::from_secs(20);
        while !waits.load(Ordering::SeqCst) && Instant::now() < end {
            std::thread::sleep(Duration::from_millis(5));
        }
        answer(wire, 200, &[], "rules")
    });
    (upstream, go_on)
}

#[test]
fn a_plugin_that_fetches_at_its_start_serves_once_it_has_what_it_needs() {
    for callback in ["vm_start", "configure"] {
        let (rules, go_on) = held();
        let app = Upstream::fixed("answer");
        let mut gateway = started(
            &[
                ("made", calling("rules", callback)),
                ("later", calling("new", callback)),
            ],
            json!({
                "upstreams": {
                    "app": { "endpoints": [app.address().to_string()] },
                    "rules": { "endpoints": [rules.address().to_string()] },
                },
                "plugins": { "engine": { "module": "made" } },
                "routes": [{ "name": "all", "match": { "path_prefix": "/" }, "chain": ["engine"], "upstream": "app" }],
            }),
        );
        assert_eq!(gateway.get("/").status(), 503, "{callback}: the rules are not there");
        assert!(gateway.plugins().contains("\"starting\""), "{}", gateway.plugins());
        go_on.store(true, Ordering::SeqCst);
        eventually("it serves", Duration::from_secs(5), || gateway.get("/").status() == 200);
        let asked = rules.last_request();
        assert_eq!(
            (asked.target(), asked.header("host")),
            ("/rules", Some("rules")),
            "the upstream's name"
        );

        // The plugin and the upstream that it asks come with one reload.
        let (new, go_on) = held();
        gateway.reconfigure(|config| {
            config["upstreams"]["new"] = json!({ "endpoints": [new.address().to_string()] });
            config["plugins"]["engine"]["module"] = json!("later");
        });
        eventually("the new one starts", Duration::from_secs(10), || {
            gateway.get("/").status() == 503
        });
        go_on.store(true, Ordering::SeqCst);
        eventually("the new one serves", Duration::from_secs(5), || {
            gateway.get("/").status() == 200
        });
        assert_eq!(new.requests().len(), 1);
    }
}

/// An upstream that never answers, and how many requests wait at it.
fn silent() -> (Upstream, Arc<AtomicUsize>) {
    let open = Arc::new(AtomicUsize::new(0));
    let count = open.clone();
    let upstream = Upstream::raw(move |wire: &mut Wire| {
        wire.head()?;
        count.fetch_add(1, Ordering::SeqCst);
        while let Ok(1..) = wire.some(&mut [0; 64]) {}
        count.fetch_sub(1, Ordering::SeqCst);
        Ok(())
    });
    (upstream, open)
}

#[test]
fn callouts_end_with_the_client_that_they_were_made_for() {
    for isolation in ["shared", "stream"] {
        let ((side, open), app) = (silent(), Upstream::fixed("answer"));
        let gateway = started(
            &[("made", calling("side", "request_headers"))],
            json!({
                "upstreams": {
                    "app": { "endpoints": [app.address().to_string()] },
                    "side": { "endpoints": [side.address().to_string()] },
                },
                "plugins": { "asking": { "module": "made", "isolation": isolation, "limits": { "callouts": 4 } } },
                "routes": [{ "name": "all", "match": { "path_prefix": "/" }, "chain": ["asking"], "upstream": "app" }],
            }),
        );
        for _ in 0..5 {
            let wires: Vec<_> = (0..4)
                .map(|_| {
                    let mut wire = gateway.connect();
                    wire.write(get("/").bytes()).expect("the gateway reads");
                    wire
                })
                .collect();
            eventually("all are under way", Duration::from_secs(5), || {
                open.load(Ordering::SeqCst) == 4
            });
            drop(wires);
            eventually("none is left", Duration::from_secs(5), || {
                open.load(Ordering::SeqCst) == 0
            });
        }
    }
}

#[test]
fn timers_of_vms_that_are_gone_cost_nothing() {
    let app = Upstream::fixed("answer");
    let ticking = r#"(module
        (import "env" "proxy_set_tick_period_milliseconds" (func $tick (param i32) (result i32)))
        (memory (export "memory") 1)
        (func (export "proxy_abi_version_0_2_1"))
        (func (export "proxy_on_memory_allocate") (param i32) (result i32) (i32.const 4096))
        (func (export "proxy_on_context_create") (param i32 i32))
        (func (export "proxy_on_configure") (param i32 i32) (result i32) (drop (call $tick (i32.const 600000))) (i32.const 1))
        (func (export "proxy_on_tick") (param i32))
        (func (export "proxy_on_request_headers") (param i32 i32 i32) (result i32) (i32.const 0)))"#;
    let gateway = started(
        &[("made", assembled(ticking))],
        json!({
            "upstreams": { "app": { "endpoints": [app.address().to_string()] } },
            "plugins": { "ticking": { "module": "made", "isolation": "stream" } },
            "global_chain": ["ticking"],
        }),
    );
    let mut wire = gateway.connect();
    let mut burst = |count: usize| {
        let begun = Instant::now();
        for _ in 0..count {
            assert_eq!(wire.exchange(&get("/")).expect("an answer comes").status(), 200);
        }
        begun.elapsed()
    };
    burst(200);
    let memory = gateway.memory().now;
    let first = burst(1000);
    burst(4000);
    let last = burst(1000);
    assert!(
        last < first * 3,
        "{first:?} at the start, {last:?} after 5,000 requests"
    );
    let grown = gateway.memory().now.saturating_sub(memory);
    assert!(grown < 4 << 20, "{grown} bytes more");
}

#[test]
fn slow_clients_of_one_plugin_leave_instances_for_the_others() {
    let app = Upstream::echo();
    let passing = r#"(module
        (memory (export "memory") 1)
        (func (export "proxy_abi_version_0_2_1"))
        (func (export "proxy_on_memory_allocate") (param i32) (result i32) (i32.const 4096))
        (func (export "proxy_on_context_create") (param i32 i32))
        (func (export "proxy_on_request_body") (param i32 i32 i32) (result i32) (i32.const 0)))"#;
    let plugin = || json!({ "module": "made", "isolation": "stream" });
    let gateway = started(
        &[("made", assembled(passing))],
        json!({
            "upstreams": { "app": { "endpoints": [app.address().to_string()] } },
            "plugins": { "slow": plugin(), "other": plugin() },
            "routes": [
                { "name": "slow", "match": { "path_prefix": "/slow" }, "chain": ["slow"], "upstream": "app" },
                { "name": "other", "match": { "path_prefix": "/" }, "chain": ["other"], "upstream": "app" },
            ],
        }),
    );
    let head = "POST /slow HTTP/1.1\r\nhost: a\r\ntransfer-encoding: chunked\r\n\r\n";
    let mut wires = Vec::new();
    for _ in 0..700 {
        let mut wire = gateway.connect();
        wire.write(head).expect("the gateway reads");
        wires.push(wire);
    }
    eventually("the plugin has its share", Duration::from_secs(10), || {
        gateway.get("/slow").status() == 503
    });
    for _ in 0..20 {
        assert_eq!(gateway.get("/").status(), 200);
    }
    drop(wires);
    eventually("the instances are free again", Duration::from_secs(10), || {
        gateway.get("/slow").status() == 200
    });
}

#[test]
fn a_module_without_a_chain_runs_as_a_service() {
    let asked = Arc::new(AtomicUsize::new(0));
    let count = asked.clone();
    let rules = Upstream::scripted(move |_, wire| {
        count.fetch_add(1, Ordering::SeqCst);
        answer(wire, 200, &[], "rules")?;
        Ok(Then::KeepAlive)
    });
    let app = Upstream::fixed("answer");
    let name = "outbound|80||rules.default.svc.cluster.local";
    let gateway = started(
        &[("made", calling(name, "configure"))],
        json!({
            "upstreams": {
                "app": { "endpoints": [app.address().to_string()] },
                "rules": { "endpoints": [rules.address().to_string()], "aliases": [name] },
            },
            "services": [{ "module": "made", "capabilities": { "upstreams": [name] } }],
            "routes": [{ "name": "all", "match": { "path_prefix": "/" }, "upstream": "app" }],
        }),
    );
    eventually("it asks", Duration::from_secs(5), || asked.load(Ordering::SeqCst) == 1);
    assert_eq!(gateway.get("/").status(), 200, "requests do not pass it");
}
