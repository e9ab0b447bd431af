//! Modules that cannot be loaded: told by `check`, refused by `run`, and never put in the place of one that serves.

use lockgate_tests::binary::lockgate;
use lockgate_tests::config::filled;
use lockgate_tests::gateway::install;
use lockgate_tests::modules::{module, tag};
use lockgate_tests::upstream::eventually;
use lockgate_tests::{Gateway, Upstream};
use serde_json::{Value, json};
use std::fs;
use std::path::Path;
use std::time::Duration;

/// What is wrong with a module, its bytes, and what must be told of it.
fn broken() -> Vec<(&'static str, Vec<u8>, &'static [&'static str])> {
    let whole = tag("whole");
    vec![
        ("a missing import", module("missing_import"), &["proxy_read_minds"]),
        ("no ABI", module("no_abi"), &["abi"]),
        ("an unknown ABI", module("wrong_abi"), &["abi"]),
        (
            "a callback of another type",
            module("wrong_types"),
            &["proxy_on_request_headers"],
        ),
        ("a trap at the start", module("start_trap"), &["stumble"]),
        (
            "a refused configuration",
            module("refuses"),
            &["the moon is in the wrong house"],
        ),
        ("half a module", whole[..whole.len() / 2].to_vec(), &[]),
        ("all but the last byte", whole[..whole.len() - 1].to_vec(), &[]),
        ("text", b"this is a text file named .wasm\n".to_vec(), &[]),
        ("an empty file", Vec::new(), &[]),
        (
            "noise",
            (0..4096u32)
                .map(|nth| (nth.wrapping_mul(2_654_435_761) >> 13) as u8)
                .collect(),
            &[],
        ),
        (
            "the magic number and noise",
            [b"\0asm\x01\0\0\0".as_slice(), &[0xff; 512]].concat(),
            &[],
        ),
        ("a component", b"\0asm\x0d\0\x01\0".to_vec(), &[]),
    ]
}

fn config() -> Value {
    filled(json!({
        "upstreams": { "app": { "endpoints": ["127.0.0.1:1"] } },
        "plugins": { "watched": { "module": "subject" } },
        "global_chain": ["watched"],
    }))
}

fn folder_with(bytes: &[u8]) -> tempfile::TempDir {
    let folder = tempfile::tempdir().expect("a temporary folder can be made");
    fs::create_dir(folder.path().join("plugins")).expect("the folder is writable");
    install(&folder.path().join("plugins"), "subject", bytes);
    folder
}

fn run(command: &str, folder: &Path) -> (Option<i32>, String) {
    fs::write(folder.join("gateway.json"), config().to_string()).expect("the folder is writable");
    let output = lockgate(&[command, "--config", "gateway.json"], folder);
    (
        output.status.code(),
        (String::from_utf8_lossy(&output.stderr) + String::from_utf8_lossy(&output.stdout)).into_owned(),
    )
}

#[test]
fn check_reports_a_broken_module_and_run_refuses_it() {
    for (what, bytes, told) in broken() {
        let folder = folder_with(&bytes);
        for command in ["check", "run"] {
            let (code, said) = run(command, folder.path());
            assert_eq!(code, Some(1), "{command} with {what}: {said}");
            assert!(
                said.contains("subject"),
                "{command} with {what}: the module is not named in {said}"
            );
            for part in told {
                assert!(
                    said.to_lowercase().contains(&part.to_lowercase()),
                    "{command} with {what}: nothing of {part} in {said}"
                );
            }
        }
    }
}

#[test]
fn check_passes_a_valid_module() {
    let folder = folder_with(&tag("well"));
    assert_eq!(run("check", folder.path()).0, Some(0));
}

#[test]
fn a_missing_module_is_named() {
    let folder = folder_with(&tag("well"));
    fs::remove_file(folder.path().join("plugins/subject.wasm")).expect("the file is there");
    let (code, said) = run("check", folder.path());
    assert_eq!(code, Some(1));
    assert!(
        said.contains("subject") && said.contains("/plugins/watched/module"),
        "{said}"
    );
}

#[test]
fn a_broken_module_never_replaces_one_in_use() {
    let upstream = Upstream::fixed("the answer");
    let folder = folder_with(&tag("v1"));
    let mut config = config();
    config["upstreams"]["app"]["endpoints"] = json!([upstream.address().to_string()]);
    let gateway = Gateway::start_in(folder, config);
    for (what, bytes, told) in broken() {
        let lines = gateway.log().len();
        gateway.install("subject", &bytes);
        let wanted = [&["subject"], told].concat();
        let tells = |text: &str| {
            wanted
                .iter()
                .all(|part| text.to_lowercase().contains(&part.to_lowercase()))
        };
        eventually(
            &format!("{what}: {wanted:?} in the log"),
            Duration::from_secs(2),
            || tells(&gateway.log()[lines..].join("\n")),
        );
        let response = gateway.get("/");
        assert_eq!(
            (response.status(), response.header("x-tag")),
            (200, Some("v1")),
            "with {what}"
        );
        // The log tells it first.
        eventually(
            &format!("{what}: {wanted:?} at the admin address"),
            Duration::from_secs(2),
            || tells(&gateway.plugins()),
        );
    }
    gateway.install("subject", &tag("v2"));
    eventually("a good module is taken after all those", Duration::from_secs(5), || {
        gateway.get("/").header("x-tag") == Some("v2")
    });
}

#[test]
fn a_module_with_another_digest_than_the_configured_one_is_refused() {
    let folder = folder_with(&tag("well"));
    let mut config = config();
    config["plugins"]["watched"]["sha256"] = json!("0000000000000000000000000000000000000000000000000000000000000000");
    fs::write(folder.path().join("gateway.json"), config.to_string()).expect("the folder is writable");
    let output = lockgate(&["check", "--config", "gateway.json"], folder.path());
    let said = String::from_utf8_lossy(&output.stderr) + String::from_utf8_lossy(&output.stdout);
    assert_eq!(output.status.code(), Some(1), "{said}");
    assert!(said.contains("sha256"), "{said}");
}
