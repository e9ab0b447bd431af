//! Starts, reloads, signals and ends: nothing outside the data path delays them or is delayed by them, and no connection is lost.

use lockgate_tests::binary::binary;
use lockgate_tests::certificates;
use lockgate_tests::config::filled;
use lockgate_tests::gateway::{folder_with, install, signal};
use lockgate_tests::modules::{assembled, tag};
use lockgate_tests::process::{Process, admin};
use lockgate_tests::upstream::eventually;
use lockgate_tests::{Gateway, Upstream, Wire, get};
use serde_json::{Value, json};
use std::fmt::Write as _;
use std::fs::{self, File};
use std::io::Write;
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::process::{Command, Stdio};
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering::Relaxed};
use std::thread;
use std::time::Duration;

/// Time that an end may take beyond the drain.
const END_WITHIN: Duration = Duration::from_secs(1);

/// A module that takes the compiler many seconds.
fn large_module() -> Vec<u8> {
    let mut functions = String::new();
    for function in 0..4_000 {
        let mut body = String::new();
        for step in 0..120 {
            let _ = write!(
                body,
                "(local.set 1 (i32.add (i32.mul (local.get 0) (i32.const {step})) (i32.load (local.get 1))))"
            );
        }
        let _ = write!(
            functions,
            "(func (export \"f{function}\") (param i32) (local i32) {body})"
        );
    }
    assembled(&format!(
        r#"(module (memory (export "memory") 1) (func (export "proxy_abi_version_0_2_1")) {functions})"#
    ))
}

fn config(upstream: SocketAddr) -> Value {
    json!({ "workers": 2, "drain_timeout": "2s", "upstreams": { "app": { "endpoints": [upstream.to_string()] } } })
}

#[test]
fn sigterm_ends_a_start_and_a_reload_that_compile() {
    let upstream = Upstream::fixed("the answer");
    let large = large_module();
    let folder = folder_with(&[("large", &large)]);
    let mut with_large = config(upstream.address());
    with_large["plugins"] = json!({ "large": { "module": "large" } });
    let with_large = filled(with_large);
    let mut process = Process::start(folder.path(), &with_large, "info");
    thread::sleep(Duration::from_millis(1_500));
    assert_eq!(admin(&with_large, "/readyz"), None, "it still compiles");
    signal(process.0.id(), "TERM");
    process.ended(END_WITHIN);

    let folder = folder_with(&[]);
    let mut gateway = Gateway::start_in(folder, config(upstream.address()));
    gateway.install("large", &large);
    gateway.reconfigure(|config| config["plugins"] = json!({ "large": { "module": "large" } }));
    thread::sleep(Duration::from_millis(700));
    assert_eq!(gateway.get("/").status(), 200);
    assert!(gateway.stop(END_WITHIN).success());
}

#[test]
fn modules_that_nobody_uses_delay_neither_the_start_nor_a_change() {
    let upstream = Upstream::fixed("the answer");
    let large = large_module();
    let modules: Vec<String> = (0..4).map(|number| format!("unused-{number}")).collect();
    let modules: Vec<(&str, &[u8])> = modules.iter().map(|name| (&**name, &*large)).collect();
    let folder = folder_with(&[&modules[..], &[("first", &tag("v1")), ("second", &tag("v2"))]].concat());
    let mut config = config(upstream.address());
    config["plugins"] = json!({ "first": { "module": "first" }, "second": { "module": "second" } });
    config["global_chain"] = json!(["first"]);
    let mut gateway = Gateway::start_in(folder, config);
    let compiled = |gateway: &Gateway| {
        let lines = gateway.log();
        lines
            .iter()
            .filter(|line| line.contains("module compiled") && line.contains("unused-"))
            .count()
    };
    assert_eq!(compiled(&gateway), 0, "it listens before it compiles what nobody uses");
    gateway.reconfigure(|config| config["global_chain"] = json!(["second"]));
    eventually("the change", Duration::from_secs(2), || {
        gateway.get("/").header("x-tag") == Some("v2")
    });
    assert!(compiled(&gateway) < 4, "the change did not wait for them");
    assert!(gateway.stop(END_WITHIN + Duration::from_millis(500)).success());
}

#[test]
fn each_signal_does_what_the_documentation_says() {
    let upstream = Upstream::slow(Duration::from_secs(20));
    let mut gateway = Gateway::start(json!({
        "drain_timeout": "30s",
        "access_log": { "path": "access.log" },
        "upstreams": { "app": { "endpoints": [upstream.address().to_string()] } },
    }));
    let log = gateway.folder().join("access.log");
    fs::rename(&log, log.with_extension("1")).expect("the folder is writable");
    gateway.signal("USR1");
    eventually("a new access log", Duration::from_secs(3), || log.exists());
    gateway.signal("USR2");
    let _ = gateway.logged(&["SIGUSR2", "WARN"]);
    assert!(gateway.runs());

    let mut wire = gateway.connect();
    wire.write(get("/").bytes()).expect("it is connected");
    eventually("the request is under way", Duration::from_secs(3), || {
        upstream.requests().len() == 1
    });
    gateway.signal("QUIT");
    let _ = gateway.logged(&["draining"]);
    thread::sleep(Duration::from_millis(300));
    assert!(gateway.runs(), "an open request has the drain timeout");
    gateway.signal("TERM");
    assert!(gateway.ended(END_WITHIN).success(), "the second signal ends the drain");
}

#[test]
fn the_limit_of_descriptors_is_raised_at_the_start() {
    let upstream = Upstream::fixed("the answer");
    let folder = folder_with(&[]);
    let config = filled(config(upstream.address()));
    fs::write(folder.path().join("gateway.json"), config.to_string()).expect("the folder is writable");
    let child = Command::new("sh")
        .args(["-c", &format!("ulimit -Sn 256; exec {} run", binary().display())])
        .current_dir(folder.path())
        .stderr(Stdio::null())
        .spawn();
    let process = Process(child.expect("there is a shell"));
    eventually("it is ready", Duration::from_secs(20), || {
        admin(&config, "/readyz").is_some_and(|(status, _)| status == 200)
    });
    let limits = fs::read_to_string(format!("/proc/{}/limits", process.0.id())).expect("it runs");
    let line = limits.lines().find(|line| line.starts_with("Max open files"));
    let mut numbers = line.expect("the kernel has it").split_whitespace().skip(3);
    let (soft, hard) = (numbers.next().expect("soft"), numbers.next().expect("hard"));
    assert!(soft != "256" && soft == hard, "{soft} of {hard}");
}

#[test]
fn the_address_space_of_vms_falls_with_a_setting() {
    let folder = folder_with(&[("tag", &tag("v1"))]);
    let mut config = config(Upstream::nobody());
    config["plugins"] = json!({ "tag": { "module": "tag" } });
    fs::write(folder.path().join("gateway.json"), filled(config).to_string()).expect("the folder is writable");
    let passes = |setting: &str| {
        let output = Command::new("sh")
            .args(["-c", &format!("ulimit -v 3145728; exec {} check", binary().display())])
            .current_dir(folder.path())
            .env("LOCKGATE_CACHE_DIR", "")
            .env("LOCKGATE_VM_ADDRESS_SPACE", setting)
            .output()
            .expect("there is a shell");
        output.status.success()
    };
    assert!(passes("64MiB"));
    assert!(
        !passes(""),
        "3 GiB are enough for a VM without a bound: the test proves nothing"
    );
}

#[test]
fn a_slow_upload_and_a_fifo_hold_back_no_other_change() {
    let upstream = Upstream::fixed("the answer");
    let folder = folder_with(&[("first", &tag("v1")), ("second", &tag("v2"))]);
    let mut config = config(upstream.address());
    config["plugins"] = json!({ "first": { "module": "first" }, "second": { "module": "second" } });
    config["global_chain"] = json!(["first"]);
    let mut gateway = Gateway::start_in(folder, config);
    let plugins = gateway.folder().join("plugins");
    let made = Command::new("mkfifo")
        .arg(plugins.join("pipe.wasm"))
        .status()
        .expect("mkfifo is installed");
    assert!(made.success());
    let _ = gateway.logged(&["pipe", "not a regular file"]);

    let whole = tag("v3");
    let mut slow = File::create(plugins.join("third.wasm")).expect("the folder is writable");
    let mut second = File::create(plugins.join("second.wasm.part")).expect("the folder is writable");
    second.write_all(&tag("v4")).expect("the folder is writable");
    for (nth, byte) in whole.chunks(1).take(8).enumerate() {
        slow.write_all(byte).expect("the folder is writable");
        thread::sleep(Duration::from_millis(100));
        if nth == 2 {
            gateway.reconfigure(|config| config["global_chain"] = json!(["second"]));
        }
        if nth == 6 {
            assert_eq!(
                gateway.get("/").header("x-tag"),
                Some("v2"),
                "the change waited for the upload"
            );
        }
    }
    assert!(
        !gateway.log().iter().any(|line| line.contains("third")),
        "nobody has looked at it"
    );
    slow.write_all(&whole[8..]).expect("the folder is writable");
    drop(slow);
    let _ = gateway.logged(&["third", "module compiled"]);
}

#[test]
fn a_refused_reload_counts_once_and_a_refused_certificate_counts() {
    let upstream = Upstream::fixed("the answer");
    let folder = folder_with(&[("first", &tag("v1"))]);
    certificates::write(folder.path(), "web", "api.test");
    let mut config = config(upstream.address());
    config["plugins"] = json!({ "first": { "module": "first" } });
    config["listeners"] =
        json!({ "web": {}, "tls": { "tls": { "certificates": [ { "cert": "web.pem", "key": "web.key" } ] } } });
    let mut gateway = Gateway::start_in(folder, config);
    let failures = |gateway: &Gateway| {
        gateway
            .metrics()
            .sum("lockgate_reloads_total", &[("result", "failure")])
    };
    fs::write(gateway.folder().join("web.pem"), "no certificate").expect("the folder is writable");
    let _ = gateway.logged(&["new certificates refused"]);
    eventually("it is counted", Duration::from_secs(3), || failures(&gateway) == 1.0);

    // Both at once: the folder of modules is replaced with the configuration.
    let next = gateway.folder().join("next");
    fs::create_dir(&next).expect("the folder is writable");
    install(&next, "first", b"no module");
    install(&next, "unknown", b"no module either");
    gateway.reconfigure(|config| {
        config["plugin_dir"] = json!("next");
        config["plugins"]["unknown"] = json!({ "module": "unknown" });
    });
    let _ = gateway.logged(&["reload refused", "unknown"]);
    thread::sleep(Duration::from_millis(300));
    assert_eq!(failures(&gateway), 2.0);
}

#[test]
fn a_reload_that_was_refused_for_a_passing_reason_is_tried_again() {
    let upstream = Upstream::fixed("the answer");
    let mut gateway = Gateway::start(config(upstream.address()));
    let other = TcpListener::bind("127.0.0.1:0").expect("a free port");
    let address = other.local_addr().expect("it is bound");
    gateway.reconfigure(|config| config["listeners"]["more"] = json!({ "listen": address.to_string() }));
    let _ = gateway.logged(&["reload refused", "in use"]);
    thread::sleep(Duration::from_millis(1_500));
    let refusals = gateway
        .log()
        .iter()
        .filter(|line| line.contains("reload refused"))
        .count();
    assert_eq!(refusals, 1, "another attempt with the same result is no news");
    assert_eq!(
        gateway
            .metrics()
            .sum("lockgate_reloads_total", &[("result", "failure")]),
        1.0
    );
    drop(other);
    eventually("the listener", Duration::from_secs(8), || {
        Wire::try_connect(address)
            .and_then(|mut wire| wire.exchange(&get("/")))
            .is_ok_and(|answer| answer.status() == 200)
    });
}

/// Connects and asks, again and again. A connection that was opened and got no answer is a failure; one that was refused is none.
fn flood(addresses: &[SocketAddr], stop: &AtomicBool, answered: &AtomicUsize) -> Vec<String> {
    let mut failures = Vec::new();
    for address in addresses.iter().cycle() {
        if stop.load(Relaxed) {
            break;
        }
        let Ok(stream) = TcpStream::connect_timeout(address, Duration::from_millis(300)) else {
            continue;
        };
        match Wire::of(stream).exchange(&get("/").header("connection", "close")) {
            Ok(answer) if answer.status() == 200 => drop(answered.fetch_add(1, Relaxed)),
            Ok(answer) => failures.push(answer.start),
            Err(error) => failures.push(error.to_string()),
        }
    }
    failures
}

#[test]
fn no_opened_connection_is_lost_when_listeners_move_and_at_the_end() {
    let upstream = Upstream::fixed("the answer");
    let mut gateway = Gateway::start(config(upstream.address()));
    let addresses = [gateway.address(), Upstream::nobody()];
    let (stop, answered) = (AtomicBool::new(false), AtomicUsize::new(0));
    let failures: Vec<String> = thread::scope(|scope| {
        let floods: Vec<_> = (0..8)
            .map(|_| scope.spawn(|| flood(&addresses, &stop, &answered)))
            .collect();
        for turn in 0..10 {
            gateway.reconfigure(|config| {
                let name = if turn % 3 == 0 { "web" } else { "other" };
                config["listeners"] = json!({ name: { "listen": addresses[(turn / 2) % 2].to_string() } });
            });
            thread::sleep(Duration::from_millis(500));
        }
        gateway.signal("TERM");
        gateway.ended(Duration::from_secs(5));
        stop.store(true, Relaxed);
        floods
            .into_iter()
            .flat_map(|flood| flood.join().expect("no panic"))
            .collect()
    });
    println!("{} answered", answered.load(Relaxed));
    assert!(answered.load(Relaxed) > 100);
    assert_eq!(failures, Vec::<String>::new());
}
