//! The plugin author's tools: `lockgate new`, `lockgate test`, and what they say to wrong input.

use lockgate_tests::binary::lockgate;
use lockgate_tests::modules::{assembled, module, tag};
use std::fs;
use std::path::Path;
use std::process::Command;

fn run(arguments: &[&str], folder: &Path) -> (Option<i32>, String) {
    let output = lockgate(arguments, folder);
    let said = String::from_utf8_lossy(&output.stdout) + String::from_utf8_lossy(&output.stderr);
    println!("{said}");
    (output.status.code(), said.into_owned())
}

fn folder_with(cases: &str) -> tempfile::TempDir {
    let folder = tempfile::tempdir().expect("a temporary folder can be made");
    fs::write(folder.path().join("tag.wasm"), tag("x")).expect("the folder is writable");
    fs::write(folder.path().join("cases.json"), cases).expect("the folder is writable");
    folder
}

#[test]
fn failed_cases_are_reported_with_what_was_found() {
    let folder = folder_with(
        r#"{ "module": "tag.wasm", "cases": [
  { "name": "it holds", "request": { "path": "/a" }, "expect": { "status": 200, "forwarded": { "path": "/a" } } },
  { "name": "it does not", "request": { "body": { "json": { "n": 1 } } },
    "expect": { "status": 201, "body": { "json_contains": { "method": "PUT" } } } }
] }"#,
    );
    let (code, said) = run(&["test", "cases.json", "--junit", "report.xml"], folder.path());
    assert_eq!(code, Some(1));
    for told in [
        "FAILED it does not",
        "cases.json:3:3",
        "expected 201",
        "found    200",
        "/method: expected \"PUT\", found \"POST\"",
        "cases.json: 1 passed, 1 failed",
    ] {
        assert!(said.contains(told), "{told:?} is reported");
    }
    let report = fs::read_to_string(folder.path().join("report.xml")).expect("a report was written");
    assert!(report.contains("tests=\"2\" failures=\"1\""), "{report}");
    let (code, said) = run(&["test", "--filter", "holds", "cases.json"], folder.path());
    assert_eq!((code, said.contains("1 passed")), (Some(0), true));
    let (code, _) = run(&["test", "--filter", "nothing", "cases.json"], folder.path());
    assert_eq!(code, Some(1), "a filter that lets nothing through is no success");
}

#[test]
fn the_time_of_an_upstream_is_measured_by_the_clock_of_the_case() {
    let folder = folder_with(
        r#"{ "module": "tag.wasm", "cases": [
  { "name": "slow", "upstreams": { "upstream": { "delay": "3s" } }, "request": {},
    "expect": { "took": "3s", "metrics": { "lockgate_upstream_duration_seconds_sum{upstream=\"upstream\"}": 3 } } }
] }"#,
    );
    let (code, said) = run(&["test", "cases.json"], folder.path());
    assert_eq!(code, Some(0), "{said}");
}

#[test]
fn an_update_writes_results_and_leaves_the_rest_of_the_file_unchanged() {
    let folder = folder_with(
        "{\n  \"module\": \"tag.wasm\",\n  \"cases\": [\n    { \"name\": \"a\",   \"request\": {},\n      \"expect\": { \"status\": 404 } },\n    {\n      \"name\": \"b\",\n      \"request\": { \"method\": \"HEAD\" }\n    }\n  ]\n}\n",
    );
    let (code, said) = run(&["test", "--update", "cases.json"], folder.path());
    assert_eq!(code, Some(0), "{said}");
    let text = fs::read_to_string(folder.path().join("cases.json")).expect("the file is still there");
    assert_eq!(
        text,
        "{\n  \"module\": \"tag.wasm\",\n  \"cases\": [\n    { \"name\": \"a\",   \"request\": {},\n      \"expect\": { \"status\": 200 } },\n    {\n      \"name\": \"b\",\n      \"request\": { \"method\": \"HEAD\" },\n      \"expect\": { \"status\": 200 }\n    }\n  ]\n}\n"
    );
}

#[test]
fn mistakes_in_files_are_located_and_no_case_is_run() {
    for (cases, told) in [
        ("{ \"cases\": [ ", &["cases.json:1:"][..]),
        (
            r#"{ "cases": [ { "name": "x", "requst": {} } ] }"#,
            &["/cases/0/requst", "did you mean \"request\"?"],
        ),
        (
            r#"{ "cases": [ { "name": "x", "request": {}, "expect": { "headers": { "a": { "regex": "(" } } } } ] }"#,
            &["/cases/0/expect/headers/a/regex", "not a regular expression"],
        ),
        (
            r#"{ "module": "none.wasm", "cases": [ { "name": "x", "request": {} } ] }"#,
            &["/module", "none.wasm", "build the plugin first"],
        ),
        (
            r#"{ "cases": [ { "name": "x", "request": {} } ] }"#,
            &["/cases/0", "no module to test"],
        ),
        (
            r#"{ "module": "tag.wasm", "cases": [ { "name": "x", "request": {}, "steps": [] } ] }"#,
            &["/cases/0", "both \"request\" and \"steps\""],
        ),
    ] {
        let folder = folder_with(cases);
        let (code, said) = run(&["test", "cases.json"], folder.path());
        assert_eq!(code, Some(1), "{cases}");
        told.iter()
            .for_each(|told| assert!(said.contains(told), "{told:?} is reported for {cases}"));
    }
    let folder = folder_with("{}");
    assert_eq!(run(&["test", "none.wasm", "cases.json"], folder.path()).0, Some(1));
    assert_eq!(run(&["test"], folder.path()).0, Some(2));
}

#[test]
fn unused_or_missing_responses_fail_their_case() {
    let folder = folder_with(
        r#"{ "module": "tag.wasm", "cases": [
  { "name": "too many answers", "upstreams": { "upstream": [ {}, {} ] }, "request": {} },
  { "name": "too few answers", "upstreams": { "upstream": [ {} ] }, "steps": [ { "request": {}, "repeat": 2 } ] }
] }"#,
    );
    let (code, said) = run(&["test", "cases.json"], folder.path());
    assert_eq!(code, Some(1));
    assert!(said.contains("never used") && said.contains("cases.json:2:"));
    assert!(said.contains("none for GET / to upstream \"upstream\""));
}

#[test]
fn a_hundred_cases_take_well_under_a_second_once_the_module_is_loaded() {
    let case = |number: usize| {
        format!(
            r#"{{ "name": "case {number}", "config": {{ "rules": [ {{ "limit": {}, "window": "60s" }} ] }}, "steps": [
            {{ "request": {{}} }}, {{ "advance": "30s", "request": {{}}, "expect": {{ "status": 200 }} }} ] }}"#,
            number + 2
        )
    };
    let cases: Vec<String> = (0..100).map(case).collect();
    let folder = folder_with(&format!("{{ \"cases\": [ {} ] }}", cases.join(",")));
    fs::write(folder.path().join("quota.wasm"), module("quota")).expect("the folder is writable");
    let (code, _) = run(
        &["test", "--filter", "case 7", "quota.wasm", "cases.json"],
        folder.path(),
    );
    assert_eq!(code, Some(0));
    let (code, said) = run(&["test", "quota.wasm", "cases.json"], folder.path());
    assert_eq!(code, Some(0));
    assert!(said.contains("100 passed"));
    let took = said
        .rsplit(" in ")
        .next()
        .and_then(|took| took.split(' ').next()?.parse::<u64>().ok());
    // It takes a fraction of this; the rest is for a machine that is busy with other tests.
    assert!(took.expect("the time is told") < 3000, "{said}");
}

#[test]
fn a_new_plugin_builds_and_passes_its_tests_and_nothing_is_overwritten() {
    let folder = tempfile::tempdir().expect("a temporary folder can be made");
    assert_eq!(run(&["new", "plugin", "demo"], folder.path()).0, Some(0));
    let (code, said) = run(&["new", "plugin", "demo"], folder.path());
    assert_eq!((code, said.contains("exists already")), (Some(1), true));
    let (code, said) = run(&["new", "plugin", "Not/a name"], folder.path());
    assert_eq!((code, said.contains("is not a plugin name")), (Some(1), true));
    let demo = folder.path().join("demo");
    let (code, said) = run(&["test", "cases.json"], &demo);
    assert_eq!((code, said.contains("build the plugin first")), (Some(1), true));
    if !has_wasm_target() {
        eprintln!("skipped: this machine's rustc has no wasm32-wasip1");
        return;
    }
    build(&demo);
    let (code, said) = run(&["test", "cases.json"], &demo);
    assert_eq!((code, said.contains("4 passed")), (Some(0), true));
    assert_eq!(run(&["check"], &demo).0, Some(0), "its gateway.json is in order");
}

#[test]
fn a_new_plugin_for_connections_builds_and_passes_its_tests() {
    if !has_wasm_target() {
        eprintln!("skipped: this machine's rustc has no wasm32-wasip1");
        return;
    }
    let folder = tempfile::tempdir().expect("a temporary folder can be made");
    assert_eq!(
        run(&["new", "plugin", "line-guard", "--kind", "l4"], folder.path()).0,
        Some(0)
    );
    let made = folder.path().join("line-guard");
    build(&made);
    let (code, said) = run(&["test", "cases.json"], &made);
    assert_eq!((code, said.contains("4 passed")), (Some(0), true));
    assert_eq!(run(&["check"], &made).0, Some(0), "its gateway.json is in order");
}

#[test]
fn connections_that_fail_their_expectations_are_reported() {
    let folder = folder_with(
        r#"{ "module": "tcp-rewrite.wasm",
  "defaults": { "config": { "from_client": { "find": "QUIT", "put": "BYE" }, "from_upstream": { "find": "a", "put": "b" } } },
  "cases": [
    { "name": "other bytes", "connection": { "steps": [ { "client": "QUIT\n", "expect": { "upstream": "QUIT\n" } } ] } },
    { "name": "another end", "connection": { "steps": [ { "end": "client", "expect": { "upstream_end": false } } ] } },
    { "name": "nobody there", "upstreams": { "upstream": { "fault": "refused" } },
      "connection": { "steps": [ { "expect": { "connected": "", "client_end": true } }, { "upstream": "x" } ] } },
    { "name": "another result", "connection": { "steps": [ { "client": "x\n", "expect": { "result": "complete" } } ] } }
  ] }"#,
    );
    fs::write(folder.path().join("tcp-rewrite.wasm"), module("tcp-rewrite")).expect("the folder is writable");
    let (code, said) = run(&["test", "cases.json"], folder.path());
    assert_eq!(code, Some(1));
    for told in [
        "bytes received by the upstream\n    expected \"QUIT\\n\"\n    found    \"BYE\\n\"",
        "end of stream at the upstream\n    expected more may come (false)\n    found    nothing more comes (true)",
        "the upstream has no connection yet",
        "step 1: result\n    expected \"complete\"\n    found    \"\"",
        "0 passed, 4 failed",
    ] {
        assert!(said.contains(told), "{told:?} is reported");
    }
    let folder = folder_with(
        r#"{ "module": "tag.wasm", "cases": [ { "name": "x", "request": {}, "connection": { "steps": [ { "cleint": "x" } ] } } ] }"#,
    );
    let (_, said) = run(&["test", "cases.json"], folder.path());
    assert!(said.contains("/cases/0/connection/steps/0/cleint") && said.contains("did you mean \"client\""));
}

const REWRITE: &str = r#""module": "tcp-rewrite.wasm",
  "defaults": { "config": { "from_client": { "find": "QUIT", "put": "BYE" }, "from_upstream": { "find": "a", "put": "b" } } },"#;

fn folder_with_connections(cases: &str) -> tempfile::TempDir {
    let folder = folder_with(&format!("{{ {REWRITE}\n  \"cases\": [\n{cases}\n  ] }}\n"));
    fs::write(folder.path().join("tcp-rewrite.wasm"), module("tcp-rewrite")).expect("the folder is writable");
    folder
}

#[test]
fn a_reset_of_one_side_is_a_reset_for_the_other_and_no_end() {
    let folder = folder_with_connections(
        r#"{ "name": "by the client", "connection": { "steps": [
      { "client": "QUIT", "expect": { "upstream": "" } },
      { "upstream": "x\n", "reset": "client", "expect": { "upstream": "", "upstream_end": "reset", "client": "x\n", "client_end": false, "result": "client_reset" } }
    ] } },
    { "name": "by the upstream, after its end", "connection": { "steps": [
      { "upstream": "last", "end": "upstream", "expect": { "client": "lbst", "client_end": true } },
      { "client": "more\n", "expect": { "upstream": "more\n" } },
      { "reset": "upstream", "expect": { "client_end": true } },
      { "client": "lost\n", "end": "client", "expect": { "result": "upstream_closed" } }
    ] } },
    { "name": "taken for an end", "connection": { "steps": [ { "reset": "upstream", "expect": { "client_end": true, "result": "complete" } } ] } },
    { "name": "an end taken for it", "connection": { "steps": [ { "end": "client", "expect": { "upstream_end": "reset" } } ] } }"#,
    );
    let (code, said) = run(&["test", "cases.json"], folder.path());
    assert_eq!(code, Some(1));
    for told in [
        "end of stream at the client\n    expected nothing more comes (true)\n    found    the connection was reset (\"reset\")",
        "result\n    expected \"complete\"\n    found    \"upstream_reset\"",
        "end of stream at the upstream\n    expected the connection was reset (\"reset\")\n    found    nothing more comes (true)",
        "2 passed, 2 failed",
    ] {
        assert!(said.contains(told), "{told:?} is reported");
    }
}

#[test]
fn a_plugin_that_traps_resets_its_connection() {
    let folder = folder_with(
        r#"{ "module": "raw.wasm", "cases": [ { "name": "x", "plugin": { "limits": { "deadline": "20ms" } },
            "connection": { "steps": [ { "client": "x", "expect": { "client_end": "reset", "result": "plugin_failed" } } ] } } ] }"#,
    );
    let trap = r#"(module (memory (export "memory") 1)
        (func (export "proxy_abi_version_0_2_1"))
        (func (export "proxy_on_context_create") (param i32 i32))
        (func (export "malloc") (param i32) (result i32) i32.const 1024)
        (func (export "proxy_on_downstream_data") (param i32 i32 i32) (result i32) unreachable))"#;
    fs::write(folder.path().join("raw.wasm"), assembled(trap)).expect("the folder is writable");
    assert_eq!(run(&["test", "cases.json"], folder.path()).0, Some(0));
}

#[test]
fn an_update_gives_steps_of_connections_their_results() {
    let folder = folder_with_connections(
        r#"    {
      "name": "a",
      "connection": {
        "steps": [
          { "client": "QUIT\n" },
          {
            "advance": "1s",
            "client": "half"
          },
          { "upstream": { "base64": "/wo=" }, "expect": { "client": "x", "client_end": "reset" } }
        ]
      }
    },
    { "name": "b", "connection": { "steps": [ { "upstream": "x\n", "end": "client" }, { "advance": "1s" }, { "reset": "upstream" } ] } }"#,
    );
    let (code, said) = run(&["test", "--update", "cases.json"], folder.path());
    assert_eq!(code, Some(0), "{said}");
    let text = fs::read_to_string(folder.path().join("cases.json")).expect("the file is still there");
    for written in [
        r#"          { "client": "QUIT\n", "expect": { "connected": "upstream", "upstream": "BYE\n" } },"#,
        "            \"client\": \"half\",\n            \"expect\": { \"client\": \"\", \"upstream\": \"\" }\n",
        r#"          { "upstream": { "base64": "/wo=" }, "expect": { "client": { "base64": "/wo=" }, "client_end": false } }"#,
        r#"{ "upstream": "x\n", "end": "client", "expect": { "client": "x\n", "connected": "upstream", "upstream_end": true } }"#,
        r#"{ "advance": "1s", "expect": { "client": "", "upstream": "" } }"#,
        r#"{ "reset": "upstream", "expect": { "client": "", "client_end": "reset", "result": "upstream_reset", "upstream": "" } }"#,
    ] {
        assert!(text.contains(written), "{written} is in {text}");
    }
    assert_eq!(
        run(&["test", "cases.json"], folder.path()).0,
        Some(0),
        "what was written holds"
    );
}

#[test]
fn steps_of_connections_without_effect_are_refused() {
    for (steps, told) in [
        ("{}", &["/steps/0", "the step does nothing"][..]),
        (
            r#"{ "end": "client" }, { "client": "x" }"#,
            &[
                "/steps/1/client",
                "the client has ended in step 1 and can send nothing more",
            ],
        ),
        (
            r#"{ "reset": "upstream" }, { "end": "upstream" }"#,
            &["/steps/1/end", "the upstream has broken off in step 1"],
        ),
        (
            r#"{ "end": "client", "reset": "client" }"#,
            &["/steps/0/reset", "or \"reset\", not both"],
        ),
        (
            r#"{ "client": "x", "expect": { "client_end": "rest" } }"#,
            &["/steps/0/expect/client_end", "\"rest\"", "\"reset\""],
        ),
        (
            r#"{ "client": "x", "expect": { "clientend": true, "metrix": {} } }"#,
            &["did you mean \"client_end\"", "did you mean \"metrics\""],
        ),
    ] {
        let folder = folder_with_connections(&format!(
            r#"{{ "name": "x", "connection": {{ "steps": [ {steps} ] }} }}"#
        ));
        let (code, said) = run(&["test", "cases.json"], folder.path());
        assert_eq!(code, Some(1), "{steps}");
        told.iter()
            .for_each(|told| assert!(said.contains(told), "{told:?} is reported for {steps}"));
    }
}

#[test]
fn the_workers_of_a_case_share_values_and_a_request_can_choose_its_worker() {
    let folder = tempfile::tempdir().expect("a temporary folder can be made");
    fs::write(folder.path().join("state.wasm"), module("state")).expect("the folder is writable");
    let cases = |gateway: &str| {
        format!(
            r#"{{ "module": "state.wasm", "defaults": {{ "gateway": {gateway}, "upstreams": {{ "service": {{ "body": "fine", "delay": "500ms" }} }} }}, "cases": [
  {{ "name": "they count into one value", "upstreams": {{ "service": "echo" }}, "steps": [
    {{ "request": {{ "path": "/kv/k" }}, "expect": {{ "body": "1" }} }},
    {{ "request": {{ "path": "/kv/k", "worker": 1 }}, "expect": {{ "body": "2" }} }},
    {{ "request": {{ "path": "/data/k", "worker": 1 }}, "expect": {{ "body": "1" }} }} ] }},
  {{ "name": "one fetches for all", "steps": [
    {{ "request": {{ "path": "/cache/k" }}, "at_once": 7, "expect": {{ "body": "fine", "callouts": {{ "upstream": "service" }} }} }} ] }} ] }}"#
        )
    };
    let written = |gateway: &str| {
        fs::write(folder.path().join("cases.json"), cases(gateway)).expect("the folder is writable");
        run(&["test", "cases.json"], folder.path())
    };
    let (code, said) = written(r#"{ "workers": 2 }"#);
    assert_eq!(code, Some(0));
    assert!(
        said.contains("ok one fetches for all (request_headers ") && said.contains(" of 20 ms)"),
        "{said}"
    );
    let (code, said) = written("{}");
    assert_eq!(code, Some(1));
    let told = "/cases/0/steps/1/request/worker: no worker 1: the case has 1 worker, counted from 0";
    assert!(said.contains(told), "{said}");
    let (code, said) = written(r#"{ "workers": 17 }"#);
    assert_eq!(
        (code, said.contains("17 workers, but a case has at most 16")),
        (Some(1), true),
        "{said}"
    );
}

#[test]
fn a_new_plugin_in_a_workspace_is_a_member_and_finds_the_folder_that_is_built_into() {
    let folder = tempfile::tempdir().expect("a temporary folder can be made");
    let workspace = "[workspace]\nmembers = [\"plugins/*\"]\nresolver = \"3\"\n";
    fs::write(folder.path().join("Cargo.toml"), workspace).expect("the folder is writable");
    let plugins = folder.path().join("plugins");
    fs::create_dir(&plugins).expect("the folder is writable");
    let built_in = folder.path().join("elsewhere");
    for (name, variable) in [("one", None), ("two", Some(&built_in))] {
        let mut command = Command::new(lockgate_tests::binary::binary());
        command
            .args(["new", "plugin", name])
            .current_dir(&plugins)
            .env_remove("CARGO_TARGET_DIR");
        if let Some(folder) = variable {
            command.env("CARGO_TARGET_DIR", folder);
        }
        let output = command.output().expect("the binary is there");
        let said = String::from_utf8_lossy(&output.stdout);
        assert!(
            output.status.success() && said.contains("It is a member of the workspace"),
            "{said}"
        );
        let read = |file: &str| fs::read_to_string(plugins.join(name).join(file)).expect("it was made");
        let manifest = read("Cargo.toml");
        assert!(
            !manifest.contains("[workspace]") && !manifest.contains("[profile"),
            "{manifest}"
        );
        assert!(
            manifest.contains("lockgate-sdk = { path = \"../../lockgate-sdk\" }"),
            "{manifest}"
        );
        let target = if variable.is_some() {
            "../../elsewhere"
        } else {
            "../../target"
        };
        let module = format!("{target}/wasm32-wasip1/release/{name}.wasm");
        assert!(read("cases.json").contains(&module), "{}", read("cases.json"));
    }
    // Cargo takes both, with one copy of the SDK.
    let metadata = Command::new("cargo")
        .args(["metadata", "--no-deps", "--offline", "--format-version", "1"])
        .current_dir(plugins.join("one"))
        .output()
        .expect("cargo is there");
    assert!(
        metadata.status.success(),
        "{}",
        String::from_utf8_lossy(&metadata.stderr)
    );
}

fn build(folder: &Path) {
    let built = Command::new("cargo")
        .args(["build", "--release", "--quiet", "--target", "wasm32-wasip1"])
        .env_remove("CARGO_TARGET_DIR")
        .current_dir(folder)
        .status();
    assert!(built.expect("cargo is there").success(), "the new plugin builds");
}

fn has_wasm_target() -> bool {
    let asked = Command::new("rustc")
        .args(["--print", "sysroot"])
        .output()
        .expect("rustc is there");
    let sysroot = String::from_utf8_lossy(&asked.stdout).trim().to_owned();
    Path::new(&sysroot).join("lib/rustlib/wasm32-wasip1").is_dir()
}

/// Cases against the guest that waits in every way, with one upstream `grpc`.
fn grpc_cases(path: &str, script: &str, expect: &str) -> (Option<i32>, String) {
    let folder = tempfile::tempdir().expect("a temporary folder can be made");
    fs::write(folder.path().join("waits.wasm"), module("waits")).expect("the folder is writable");
    let cases = format!(
        r#"{{ "module": "waits.wasm", "cases": [ {{ "name": "it", "request": {{ "path": "{path}" }},
            "upstreams": {{ "grpc": {script} }}, "expect": {expect} }} ] }}"#
    );
    fs::write(folder.path().join("cases.json"), cases).expect("the folder is writable");
    run(&["test", "cases.json"], folder.path())
}

#[test]
fn grpc_calls_of_plugins_are_compared_message_by_message() {
    let echo = r#"{ "grpc": { "messages": [ { "text": "a", "awaits": 1 }, "b" ] } }"#;
    let expect = |grpc: &str| format!(r#"{{ "callouts": {{ "grpc": {grpc} }} }}"#);
    let right = r#"{ "service": "test.Echo", "method": { "regex": "^Str" }, "messages": [ "left" ] }"#;
    let (code, said) = grpc_cases(
        "/grpc-stream-late",
        r#"{ "grpc": {}, "fault": "timeout" }"#,
        &expect("{}"),
    );
    assert_eq!(code, Some(0), "{said}");
    let script = r#"{ "grpc": { "messages": [ "x" ] } }"#;
    let two = format!(r#"{{ "callouts": [ {{ "grpc": {right} }}, {{ "grpc": {{ "message": "right" }} }} ] }}"#);
    let (code, said) = grpc_cases("/grpc-streams", script, &two);
    assert_eq!(code, Some(0), "{said}");
    for (path, script, grpc, told) in [
        (
            "/grpc",
            script,
            r#"{ "service": "test.Other" }"#,
            "found    \"test.Echo\"",
        ),
        ("/grpc", script, r#"{ "message": "good bye" }"#, "found    \"hello\""),
        (
            "/grpc-stream",
            echo,
            r#"{ "messages": [ "one" ] }"#,
            "found    3 messages",
        ),
        (
            "/grpc",
            r#"{ "when": { "grpc": { "message": "x" } }, "grpc": {} }"#,
            "{}",
            "none for POST /test.Echo/Unary",
        ),
        ("/ask", r#"[ { "grpc": {} } ]"#, "{}", "never used"),
    ] {
        let (code, said) = grpc_cases(path, script, &expect(grpc));
        assert!(
            code == Some(1) && said.contains(told),
            "{path} {grpc}: {told:?} is reported"
        );
    }
}

#[test]
fn mistakes_in_grpc_responses_are_located() {
    for (script, told) in [
        (r#"{ "grpc": { "mesage": "x" } }"#, "did you mean \"message\"?"),
        (
            r#"{ "grpc": { "status": "DENIED" } }"#,
            "expected one of \"OK\", \"CANCELLED\"",
        ),
        (
            r#"{ "grpc": {}, "body": "x" }"#,
            "/grpc/body: a response with \"grpc\" has",
        ),
        (
            r#"{ "grpc": { "message": "x", "messages": [] } }"#,
            "both \"message\" and \"messages\"",
        ),
        (
            r#"{ "grpc": { "messages": [ { "base64": "%" } ] } }"#,
            "/messages/0/base64: not base64",
        ),
        (r#"{ "grpc": { "trailers": { "a b": "x" } } }"#, "is not a header name"),
        (
            r#"{ "when": { "grpc": {} }, "body": "x" }"#,
            "the upstream speaks HTTP/1.1",
        ),
    ] {
        let (code, said) = grpc_cases("/grpc", script, "{}");
        assert!(code == Some(1) && said.contains(told), "{script}: {told:?} is reported");
    }
}
