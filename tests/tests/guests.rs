//! Guests that misbehave: each fails only its own request, within its budget, and the log says which plugin, in which phase, in
//! which of its functions. Meanwhile the requests of others go on as if nothing had happened.

use lockgate_tests::answers::{is_answered, is_refused};
use lockgate_tests::http::{Ending, Request};
use lockgate_tests::load::Load;
use lockgate_tests::modules::root;
use lockgate_tests::upstream::{answer_chunked, eventually};
use lockgate_tests::{Gateway, Upstream, get, request};
use serde_json::json;
use std::fs;
use std::path::PathBuf;
use std::time::{Duration, Instant};

/// What a guest is allowed to take, as the client sees it: 20 ms of CPU, and what a busy machine adds.
const BUDGET: Duration = Duration::from_millis(1000);

/// A fault, its letter in the guest's configuration, and the guest's function that it happens in.
const FAULTS: &[(&str, &str, &str)] = &[
    ("trap", "t", "fall_over"),
    ("endless loop", "l", "loop_forever"),
    ("memory without end", "g", "grow_forever"),
    ("recursion without end", "r", "recurse_forever"),
];

/// A phase, its letter, and what becomes of its request when the plugin is not to be bypassed.
const PHASES: &[(&str, &str, Outcome)] = &[
    ("context_create", "n", Outcome::Refused),
    ("request_headers", "h", Outcome::Refused),
    ("request_body", "b", Outcome::Refused),
    ("request_trailers", "x", Outcome::Refused),
    ("response_headers", "H", Outcome::Refused),
    ("response_body", "B", Outcome::RefusedOrCut),
    ("response_trailers", "X", Outcome::RefusedOrCut),
    ("done", "d", Outcome::Answered),
    ("log", "o", Outcome::Answered),
    ("delete", "e", Outcome::Answered),
];

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Outcome {
    /// 503 as problem+json.
    Refused,
    /// The same, or an answer that has begun and is cut: never one that looks whole.
    RefusedOrCut,
    /// As if there were no plugin.
    Answered,
}

/// An upstream whose answer has every part that a phase can be called for.
fn upstream() -> Upstream {
    Upstream::scripted(|_, wire| answer_chunked(wire, &[], &["the ", "answer"], &[("x-last", "1")]))
}

fn gateway(upstream: &Upstream, fault: &str, on_error: &str) -> Gateway {
    Gateway::start(json!({
        "upstreams": { "app": { "endpoints": [upstream.address().to_string()] } },
        "plugins": {
            "faulty": { "module": "faults", "config": fault, "on_error": on_error, "limits": { "deadline": "20ms", "memory": "8MiB" } },
            "sound": { "module": "tag" },
        },
        "routes": [
            { "name": "faulty", "match": { "path_prefix": "/faulty" }, "chain": ["sound", "faulty"], "upstream": "app" },
            { "name": "sound", "match": { "path_prefix": "/sound" }, "chain": ["sound"], "upstream": "app" },
        ],
    }))
}

/// A request whose every part a phase can be called for, and that asks for the fault.
fn failing() -> Request {
    request("POST", "/faulty")
        .header("x-fail", "1")
        .chunks(&["some", "thing"], &[("x-last", "1")])
}

fn fails_only_its_own_request((fault, letter, function): (&str, &str, &str)) {
    for (phase, place, outcome) in PHASES {
        let what = format!("{fault} in {phase}");
        let upstream = upstream();
        let gateway = gateway(&upstream, &format!("{letter}{place}"), "deny");
        let others = Load::sound(&gateway);
        if *phase != "context_create" {
            assert!(
                is_answered(&gateway.get("/faulty")),
                "{what}: a request that does not ask for the fault passes"
            );
        }
        let sent = Instant::now();
        let response = gateway.send(failing());
        let took = sent.elapsed();
        match outcome {
            Outcome::Refused => assert!(is_refused(&response), "{what}: {response:?}"),
            Outcome::RefusedOrCut => assert!(
                is_refused(&response) || response.ending == Ending::Cut,
                "{what}: {response:?}"
            ),
            Outcome::Answered => assert!(is_answered(&response), "{what}: {response:?}"),
        }
        assert!(took < BUDGET, "{what}: took {took:?}");
        let line = gateway.logged(&["faulty", phase, function]);
        assert!(line.len() < 64 * 1024, "{what}: the log line has {} bytes", line.len());
        let failures = gateway
            .metrics()
            .sum("lockgate_plugin_failures_total", &[("plugin", "faulty")]);
        assert!(failures >= 1.0, "{what}: {failures} failures are counted");
        if *phase != "context_create" {
            eventually(&format!("{what}: the VM is replaced"), Duration::from_secs(4), || {
                is_answered(&gateway.get("/faulty"))
            });
        }
        let account = others.finish();
        assert!(
            account.failures.is_empty(),
            "{what}: others failed: {:?}",
            account.failures
        );
        assert!(
            account.slowest < BUDGET,
            "{what}: another's request took {:?}",
            account.slowest
        );
    }
}

#[test]
fn a_trap_fails_only_its_own_request() {
    fails_only_its_own_request(FAULTS[0]);
}

#[test]
fn an_endless_loop_fails_only_its_own_request() {
    fails_only_its_own_request(FAULTS[1]);
}

#[test]
fn memory_without_end_fails_only_its_own_request() {
    fails_only_its_own_request(FAULTS[2]);
}

#[test]
fn recursion_without_end_fails_only_its_own_request() {
    fails_only_its_own_request(FAULTS[3]);
}

#[test]
fn a_failing_plugin_that_may_be_bypassed_lets_the_request_pass() {
    for (fault, letter, function) in FAULTS {
        for (phase, place, _) in PHASES {
            let upstream = upstream();
            let gateway = gateway(&upstream, &format!("{letter}{place}"), "bypass");
            let response = gateway.send(failing());
            assert!(is_answered(&response), "{fault} in {phase}: {response:?}");
            assert_eq!(
                response.header("x-tag"),
                Some("untagged"),
                "{fault} in {phase}: the other plugin of the chain has run"
            );
            assert_eq!(
                upstream.last_request().text(),
                "something",
                "{fault} in {phase}: the body has passed"
            );
            let _ = gateway.logged(&["faulty", phase, function]);
        }
    }
}

#[test]
fn the_failure_says_what_kind_it_was() {
    for (fault, kind) in [("th", "trap"), ("lh", "deadline"), ("rh", "trap")] {
        let upstream = upstream();
        let gateway = gateway(&upstream, fault, "deny");
        assert!(is_refused(&gateway.send(failing())));
        let count = gateway.metrics().sum(
            "lockgate_plugin_failures_total",
            &[("plugin", "faulty"), ("kind", kind)],
        );
        assert_eq!(count, 1.0, "{fault}: {}", gateway.metrics().text());
    }
}

#[test]
fn a_fault_in_configure_is_reported_by_check_and_refused_by_run() {
    for (fault, letter, function) in FAULTS {
        let folder = tempfile::tempdir().expect("a temporary folder can be made");
        fs::create_dir(folder.path().join("plugins")).expect("the folder is writable");
        lockgate_tests::gateway::install(
            &folder.path().join("plugins"),
            "faults",
            &lockgate_tests::modules::module("faults"),
        );
        let config = lockgate_tests::config::filled(json!({
            "upstreams": { "app": { "endpoints": ["127.0.0.1:1"] } },
            "plugins": { "faulty": { "module": "faults", "config": format!("{letter}c") } },
            "global_chain": ["faulty"],
        }));
        fs::write(folder.path().join("gateway.json"), config.to_string()).expect("the folder is writable");
        for command in ["check", "run"] {
            let started = Instant::now();
            let output = lockgate_tests::binary::lockgate(&[command, "--config", "gateway.json"], folder.path());
            let said = String::from_utf8_lossy(&output.stderr) + String::from_utf8_lossy(&output.stdout);
            assert_eq!(output.status.code(), Some(1), "{command}, {fault}: {said}");
            for part in ["faulty", "configure", function] {
                assert!(said.contains(part), "{command}, {fault}: nothing of {part} in {said}");
            }
            assert!(
                started.elapsed() < Duration::from_secs(10),
                "{command}, {fault}: took {:?}",
                started.elapsed()
            );
        }
    }
}

#[test]
fn a_fault_in_a_tick_is_logged_and_disturbs_no_request() {
    for (fault, letter, function) in FAULTS {
        let upstream = upstream();
        let mut gateway = gateway(&upstream, &format!("{letter}k"), "bypass");
        let others = Load::sound(&gateway);
        assert!(
            is_answered(&gateway.get("/faulty")),
            "{fault}: a request may pass before the first tick or after it"
        );
        let _ = gateway.logged(&["faulty", "tick", function]);
        assert!(is_answered(&gateway.get("/faulty")), "{fault}: bypassed");
        assert!(gateway.runs(), "{fault}");
        let account = others.finish();
        assert!(
            account.failures.is_empty(),
            "{fault}: others failed: {:?}",
            account.failures
        );
    }
}

#[test]
fn a_guest_without_end_stays_within_its_memory() {
    let upstream = upstream();
    let gateway = gateway(&upstream, "gh", "deny");
    assert!(is_answered(&gateway.get("/faulty")));
    let before = gateway.memory().now;
    assert!(is_refused(&gateway.send(failing())));
    let grown = gateway.memory().peak.saturating_sub(before);
    assert!(
        grown < 24 << 20,
        "a plugin with a limit of 8 MiB has cost {grown} bytes"
    );
}

#[test]
fn streams_that_had_passed_a_lost_plugin_get_its_on_error_at_their_next_callback() {
    let upstream = Upstream::scripted(|request, wire| {
        if request.target() == "/faulty/slow" {
            std::thread::sleep(Duration::from_millis(400));
        }
        answer_chunked(wire, &[], &["the ", "answer"], &[])
    });
    for on_error in ["deny", "bypass"] {
        let before = upstream.requests().len();
        let gateway = gateway(&upstream, "th", on_error);
        let mut slow = gateway.connect();
        slow.write(get("/faulty/slow").bytes()).expect("the gateway reads");
        eventually("the slow request is at the upstream", Duration::from_secs(5), || {
            upstream.requests().len() == before + 1
        });
        drop(gateway.send(failing()));
        let response = slow.response("GET").expect("an answer comes");
        match on_error {
            "deny" => assert!(is_refused(&response), "the module has callbacks for the response"),
            _ => assert!(is_answered(&response)),
        }
    }
}

#[test]
fn a_panic_in_rust_is_a_trap_with_its_message_in_the_log() {
    let upstream = Upstream::fixed("the answer");
    let gateway = Gateway::start(json!({
        "upstreams": { "app": { "endpoints": [upstream.address().to_string()] } },
        "plugins": { "nervous": { "module": "panics" } },
        "global_chain": ["nervous"],
    }));
    assert!(is_answered(&gateway.get("/")));
    assert!(is_refused(&gateway.send(get("/").header("x-fail", "request"))));
    let _ = gateway.logged(&["nervous", "the guest has lost its nerve"]);
    let _ = gateway.logged(&["nervous", "request_headers"]);
    eventually("the VM is replaced", Duration::from_secs(4), || {
        is_answered(&gateway.get("/"))
    });
    assert!(is_refused(&gateway.send(get("/").header("x-fail", "response"))));
    let _ = gateway.logged(&["nervous", "response_headers"]);
}

#[test]
fn wild_pointers_are_refused_by_every_host_call() {
    let upstream = Upstream::fixed("the answer");
    let gateway = Gateway::start(json!({
        "upstreams": { "app": { "endpoints": [upstream.address().to_string()] } },
        "plugins": { "wild": { "module": "wild", "limits": { "deadline": "500ms" } } },
        "global_chain": ["wild"],
    }));
    let response = gateway.get("/");
    assert_eq!(
        (response.status(), response.header("x-wild")),
        (200, Some("refused")),
        "{response:?}"
    );
}

#[test]
fn addresses_of_a_lying_allocator_are_checked() {
    let upstream = Upstream::fixed("the answer");
    let mut gateway = Gateway::start(json!({
        "upstreams": { "app": { "endpoints": [upstream.address().to_string()] } },
        "plugins": { "liar": { "module": "bad_allocator" } },
        "routes": [
            { "name": "liar", "match": { "path_prefix": "/liar" }, "chain": ["liar"], "upstream": "app" },
            { "name": "rest", "upstream": "app" },
        ],
    }));
    let response = gateway.get("/liar");
    assert!(is_answered(&response) || is_refused(&response), "{response:?}");
    assert!(
        !gateway.log().iter().any(|line| line.contains("unreachable")),
        "the guest was told OK"
    );
    assert!(is_answered(&gateway.get("/")));
    assert!(gateway.runs());
}

/// A guest that no test uses is a guest that may be broken.
#[test]
fn every_guest_is_used_by_a_test() {
    let sources = fs::read_dir(root().join("tests/tests"))
        .expect("the tests are there")
        .flatten()
        .map(|entry| entry.path());
    // A large test is a folder of files, beside its root or around it.
    let in_folder = |path: PathBuf| match fs::read_dir(&path) {
        Ok(files) => files.flatten().map(|file| file.path()).collect(),
        Err(_) => vec![path],
    };
    let sources = sources.flat_map(in_folder).filter(|path| path.is_file());
    let tests: String = sources
        .filter_map(|path| fs::read(path).ok())
        .map(|bytes| String::from_utf8_lossy(&bytes).into_owned())
        .collect();
    let helpers = fs::read_to_string(root().join("tests/src/modules.rs")).expect("the harness is readable");
    for entry in fs::read_dir(root().join("tests/guests"))
        .expect("the guests are there")
        .flatten()
    {
        let name = entry
            .path()
            .file_stem()
            .expect("a guest has a name")
            .to_string_lossy()
            .to_string();
        let used = tests.contains(&format!("\"{name}\"")) || (name == "tag" && helpers.contains("tag.wat"));
        assert!(used, "no test uses the guest {name}");
    }
}
