//! Readers that stall, connections that are of no use, plugins that do not start: no request waits for them, and operators learn of them.

use lockgate_tests::config::filled;
use lockgate_tests::gateway::{folder_with, signal};
use lockgate_tests::modules::assembled;
use lockgate_tests::process::{Process, admin};
use lockgate_tests::upstream::eventually;
use lockgate_tests::{Gateway, Upstream, Wire, get};
use serde_json::{Value, json};
use std::io::Read;
use std::net::{SocketAddr, TcpStream};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering::Relaxed};
use std::thread;
use std::time::{Duration, Instant};

fn config(upstream: SocketAddr) -> Value {
    json!({ "workers": 2, "drain_timeout": "2s", "upstreams": { "app": { "endpoints": [upstream.to_string()] } } })
}

#[test]
fn a_reader_of_stderr_that_stalls_stops_no_request_and_not_the_end() {
    let upstream = Upstream::fixed("the answer");
    let talker = assembled(
        r#"(module
          (import "env" "proxy_log" (func $log (param i32 i32 i32) (result i32)))
          (memory (export "memory") 2)
          (func (export "proxy_abi_version_0_2_1"))
          (func (export "proxy_on_memory_allocate") (param i32) (result i32) (i32.const 4096))
          (func (export "proxy_on_vm_start") (param i32 i32) (result i32)
            (memory.fill (i32.const 8192) (i32.const 120) (i32.const 32768)) (i32.const 1))
          (func (export "proxy_on_request_headers") (param i32 i32 i32) (result i32)
            (drop (call $log (i32.const 2) (i32.const 8192) (i32.const 32768))) (i32.const 0)))"#,
    );
    let folder = folder_with(&[("talker", &talker)]);
    let mut config = config(upstream.address());
    let limits = json!({ "log_lines": 100_000, "log_bytes": "256MiB" });
    config["plugins"] = json!({ "talker": { "module": "talker", "limits": limits } });
    config["global_chain"] = json!(["talker"]);
    let config = filled(config);
    let mut process = Process::start(folder.path(), &config, "info");
    eventually("it is ready", Duration::from_secs(20), || {
        admin(&config, "/readyz").is_some_and(|(status, _)| status == 200)
    });
    let web: SocketAddr = config["listeners"]["web"]["listen"]
        .as_str()
        .expect("an address")
        .parse()
        .expect("an address");
    let dropped = || {
        let (_, metrics) = admin(&config, "/metrics").expect("the admin address answers");
        let line = metrics
            .lines()
            .find(|line| line.starts_with("lockgate_log_dropped_total "))
            .map(str::to_owned);
        line.and_then(|line| line.rsplit(' ').next()?.parse::<f64>().ok())
            .expect("a number")
    };
    let until = Instant::now() + Duration::from_secs(60);
    while dropped() == 0.0 {
        assert!(Instant::now() < until, "nothing was ever dropped");
        for _ in 0..200 {
            assert_eq!(Wire::connect(web).exchange(&get("/")).expect("an answer").status(), 200);
        }
    }
    assert_eq!(admin(&config, "/healthz").map(|(status, _)| status), Some(200));

    // It flows again, and says what is missing.
    let mut stderr = process.0.stderr.take().expect("it is piped");
    let stop = Arc::new(AtomicBool::new(false));
    let reader = thread::spawn({
        let stop = stop.clone();
        move || {
            let (mut text, mut buffer) = (String::new(), vec![0; 1 << 16]);
            while !stop.load(Relaxed) && !text.contains("log lines were dropped") {
                let count = stderr.read(&mut buffer).expect("a pipe");
                text.push_str(&String::from_utf8_lossy(&buffer[..count]));
            }
            (stderr, text.contains("log lines were dropped"))
        }
    });
    eventually("the line that says it", Duration::from_secs(10), || {
        reader.is_finished()
    });
    stop.store(true, Relaxed);
    let (stderr, said) = reader.join().expect("no panic");
    assert!(said);

    // Nobody reads again: the end comes all the same.
    let before = dropped();
    while dropped() == before {
        (0..200).for_each(|_| drop(Wire::connect(web).exchange(&get("/"))));
    }
    signal(process.0.id(), "TERM");
    process.ended(Duration::from_secs(3));
    drop(stderr);
}

#[test]
fn connections_that_nobody_reads_do_not_shut_out_health() {
    let upstream = Upstream::fixed("the answer");
    let gateway = Gateway::start(config(upstream.address()));
    let _idle: Vec<TcpStream> = (0..100)
        .map(|_| TcpStream::connect(gateway.admin()).expect("it listens"))
        .collect();
    let unread: Vec<Wire> = (0..100)
        .map(|_| {
            let mut wire = Wire::connect(gateway.admin());
            let _ = wire.write(get("/metrics").header("host", "localhost").bytes().repeat(200));
            wire
        })
        .collect();
    let asked = Instant::now();
    assert_eq!(gateway.ask_admin("/healthz").status(), 200);
    assert!(asked.elapsed() < Duration::from_secs(1), "{:?}", asked.elapsed());
    drop(unread);
}

/// The first VM with a shared data of its own leaves a mark; the next one stumbles over it. A trial VM's marks have no effect.
#[test]
fn a_plugin_that_did_not_start_on_a_worker_makes_the_gateway_unready() {
    let module = assembled(
        r#"(module
          (import "env" "proxy_get_shared_data" (func $get (param i32 i32 i32 i32 i32) (result i32)))
          (import "env" "proxy_set_shared_data" (func $set (param i32 i32 i32 i32 i32) (result i32)))
          (memory (export "memory") 1) (data (i32.const 16) "mark")
          (func (export "proxy_abi_version_0_2_1"))
          (func (export "proxy_on_memory_allocate") (param i32) (result i32) (i32.const 4096))
          (func (export "proxy_on_vm_start") (param i32 i32) (result i32)
            (if (i32.eqz (call $get (i32.const 16) (i32.const 4) (i32.const 0) (i32.const 4) (i32.const 8))) (then unreachable))
            (drop (call $set (i32.const 16) (i32.const 4) (i32.const 16) (i32.const 4) (i32.const 0)))
            (i32.const 1))
          (func (export "proxy_on_request_headers") (param i32 i32 i32) (result i32) (i32.const 0)))"#,
    );
    let upstream = Upstream::fixed("the answer");
    let folder = folder_with(&[("marks", &module)]);
    let mut config = config(upstream.address());
    config["plugins"] = json!({ "marks": { "module": "marks" } });
    config["global_chain"] = json!(["marks"]);
    let config = filled(config);
    let _process = Process::start(folder.path(), &config, "info");
    let mut answer = None;
    eventually("the gateway runs", Duration::from_secs(20), || {
        answer = admin(&config, "/readyz");
        answer.as_ref().is_some_and(|(_, text)| !text.contains("not_ready"))
    });
    let (status, text) = answer.expect("it has answered");
    assert_eq!(status, 503, "{text}");
    assert!(text.contains("plugin_not_started") && text.contains("marks"), "{text}");
}
