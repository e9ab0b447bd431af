//! No plugin of a TCP listener can hurt anybody else: what `isolation` proves for requests, for connections whose bytes plugins see.

use lockgate_tests::gateway::install;
use lockgate_tests::interference::{BAD, Baseline, config, has_misbehaved, upstream};
use lockgate_tests::modules;
use lockgate_tests::upstream::answer_chunked;
use lockgate_tests::{Gateway, Upstream};
use serde_json::{Value, json};
use std::io::{Read, Write};
use std::net::TcpStream;
use std::sync::Mutex;
use std::time::Duration;

/// These tests measure, so they run one after the other.
static ALONE: Mutex<()> = Mutex::new(());

fn alone() -> std::sync::MutexGuard<'static, ()> {
    ALONE.lock().unwrap_or_else(std::sync::PoisonError::into_inner)
}

/// A gateway with modules that were made for the purpose, beside `tag`.
fn gateway_with(made: &[(&str, &[u8])], config: Value) -> Gateway {
    let folder = tempfile::tempdir().expect("a folder");
    let plugins = folder.path().join("plugins");
    std::fs::create_dir(&plugins).expect("a folder");
    for (name, module) in made {
        install(&plugins, name, module);
    }
    install(&plugins, "tag", &modules::module("tag"));
    Gateway::start_in(folder, config)
}

/// Connects to the listener `bad` and says something, whatever becomes of it.
fn provoke(gateway: &Gateway, bytes: &[u8]) {
    let mut bad = TcpStream::connect(gateway.listener("bad")).expect("the gateway listens");
    bad.set_read_timeout(Some(Duration::from_millis(200)))
        .expect("a socket takes options");
    let _ = bad.write_all(bytes).and_then(|()| bad.read(&mut [0; 5]));
}

/// A module that makes a PUT of each GET: what the upstream asks for to know that it was at work.
fn sound() -> Vec<u8> {
    modules::assembled(
        r#"(module
            (import "env" "proxy_set_buffer_bytes" (func $set (param i32 i32 i32 i32 i32) (result i32)))
            (memory (export "memory") 1)
            (data (i32.const 16) "PUT")
            (func (export "proxy_abi_version_0_2_1"))
            (func (export "proxy_on_memory_allocate") (param i32) (result i32) (i32.const 4096))
            (func (export "proxy_on_downstream_data") (param i32 i32 i32) (result i32)
                (if (local.get 1)
                    (then (drop (call $set (i32.const 2) (i32.const 0) (i32.const 3) (i32.const 16) (i32.const 3)))))
                (i32.const 0)))"#,
    )
}

#[test]
fn traps_of_a_plugin_that_reads_tcp_connections_disturb_no_other_one() {
    let _alone = alone();
    let baseline = Baseline::default();
    for hook in [
        "proxy_on_context_create",
        "proxy_on_new_connection",
        "proxy_on_downstream_data",
        "proxy_on_upstream_data",
        "proxy_on_downstream_connection_close",
        "proxy_on_upstream_connection_close",
        "proxy_on_done",
        "proxy_on_log",
        "proxy_on_delete",
        "proxy_on_tick",
    ] {
        let upstream = Upstream::scripted(|request, wire| {
            let tag = if request.method() == "PUT" {
                "untagged"
            } else {
                "nobody was there"
            };
            answer_chunked(wire, &[("x-tag", tag)], &["the ", "answer"], &[("x-last", "1")])
        });
        let mut config = config(&upstream, json!({ "module": "made" }));
        config["plugins"]["sound"] = json!({ "module": "sound" });
        config["listeners"] = json!({
            "web": { "protocol": "tcp", "upstream": "app", "chain": ["sound"] },
            "bad": { "protocol": "tcp", "upstream": "app", "chain": [BAD] },
        });
        let _ = config.as_object_mut().expect("an object").remove("routes");
        let gateway = gateway_with(&[("made", &modules::trapping(hook)), ("sound", &sound())], config);
        baseline.stays(hook, &gateway, 24 << 20, || {
            provoke(&gateway, b"GET / HTTP/1.1\r\nhost: a\r\nconnection: close\r\n\r\n");
        });
        has_misbehaved(hook, &gateway);
        let phase = hook
            .trim_start_matches("proxy_on_")
            .replace("_connection_close", "_close");
        let _ = gateway.logged(&["fall_over", &phase]);
    }
}

/// A module for TCP listeners that does `body` a hundred thousand times when bytes come, or when it ticks.
fn floods_when(hook: &str, body: &str) -> Vec<u8> {
    let (data, tick) = if hook == "tick" { ("", body) } else { (body, "") };
    modules::assembled(&format!(
        r#"(module
            (import "env" "proxy_log" (func $log (param i32 i32 i32) (result i32)))
            (import "env" "proxy_http_call" (func $http (param i32 i32 i32 i32 i32 i32 i32 i32 i32 i32) (result i32)))
            (import "env" "proxy_set_tick_period_milliseconds" (func $period (param i32) (result i32)))
            (memory (export "memory") 1)
            (data (i32.const 16) "side")
            (data (i32.const 64) "\03\00\00\00\07\00\00\00\03\00\00\00\05\00\00\00\01\00\00\00\0a\00\00\00\04\00\00\00:method\00GET\00:path\00/\00:authority\00side\00")
            (func (export "proxy_abi_version_0_2_1"))
            (func (export "proxy_on_memory_allocate") (param i32) (result i32) (i32.const 4096))
            (func $log_one (drop (call $log (i32.const 4) (i32.const 64) (i32.const 66))))
            (func $call_one (drop (call $http (i32.const 16) (i32.const 4) (i32.const 64) (i32.const 66) (i32.const 0) (i32.const 0)
                (i32.const 0) (i32.const 0) (i32.const 5000) (i32.const 0))))
            (func $tick_one (drop (call $period (i32.const 1))))
            (func (export "proxy_on_vm_start") (param i32 i32) (result i32) (drop (call $period (i32.const 1))) (i32.const 1))
            (func $times (param $n i32)
                (loop $again
                    {data} {tick}
                    (local.set $n (i32.sub (local.get $n) (i32.const 1)))
                    (br_if $again (local.get $n))))
            (func (export "proxy_on_tick") (param i32) {on_tick})
            (func (export "proxy_on_downstream_data") (param i32 i32 i32) (result i32) {on_data} (i32.const 0)))"#,
        on_tick = if tick.is_empty() {
            ""
        } else {
            "(call $times (i32.const 100000))"
        },
        on_data = if data.is_empty() {
            ""
        } else {
            "(call $times (i32.const 100000))"
        },
    ))
}

#[test]
fn floods_of_plugins_for_connections_disturb_no_other_plugin() {
    let _alone = alone();
    let baseline = Baseline::default();
    for (what, hook, body) in [
        ("logs on data", "data", "(call $log_one)"),
        ("callouts on data", "data", "(call $call_one)"),
        ("timers on data", "data", "(call $tick_one)"),
        ("logs on ticks", "tick", "(call $log_one)"),
        ("callouts on ticks", "tick", "(call $call_one)"),
        ("loops on ticks", "tick", "(br $again)"),
    ] {
        let upstream = upstream();
        let echo = Upstream::raw(|wire| {
            let mut buffer = [0; 1024];
            loop {
                match wire.socket().read(&mut buffer)? {
                    0 => return Ok(()),
                    count => wire.write(&buffer[..count])?,
                }
            }
        });
        let mut config = config(&upstream, json!({ "module": "made" }));
        config["upstreams"]["echo"] = json!({ "endpoints": [echo.address().to_string()] });
        config["routes"] = json!([{ "name": "sound", "chain": ["sound"], "upstream": "app" }]);
        config["listeners"] = json!({
            "web": {},
            "bad": { "protocol": "tcp", "upstream": "echo", "chain": [BAD] },
            "tcp": { "protocol": "tcp", "upstream": "echo" },
        });
        let gateway = gateway_with(&[("made", &floods_when(hook, body))], config);
        let mut sound = TcpStream::connect(gateway.listener("tcp")).expect("the gateway listens");
        let sound_echo = |sound: &mut TcpStream| {
            let mut answer = [0; 5];
            sound.write_all(b"sound").expect("taken");
            sound.read_exact(&mut answer).expect("an answer comes");
            assert_eq!(&answer, b"sound", "{what}");
        };
        sound_echo(&mut sound);
        baseline.stays(what, &gateway, 24 << 20, || provoke(&gateway, b"bytes"));
        sound_echo(&mut sound);
        has_misbehaved(what, &gateway);
    }
}
