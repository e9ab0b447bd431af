//! Whose modules are run: pins and signatures, at the start and when another file is dropped under load of nobody's trust.

use lockgate_tests::binary::lockgate;
use lockgate_tests::config::filled;
use lockgate_tests::modules::{root, tag};
use lockgate_tests::upstream::eventually;
use lockgate_tests::{Gateway, Upstream};
use serde_json::{Value, json};
use std::fs;
use std::path::Path;
use std::process::Command;
use std::time::Duration;

const SOON: Duration = Duration::from_secs(5);

fn sh(folder: &Path, script: &str) {
    let output = Command::new("sh").args(["-ec", script]).current_dir(folder).output();
    let output = output.expect("there is a shell");
    let said = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{script}: {said}");
}

/// The commands that the documentation shows for a module called `auth`: the two that make a key, and the one that signs.
fn documented() -> (String, String) {
    let page = fs::read_to_string(root().join("docs/operating.md")).expect("the page is there");
    let commands: Vec<_> = page.lines().filter(|line| line.starts_with("openssl ")).collect();
    let [one, two, sign] = commands[..] else {
        panic!("three commands, not {commands:?}")
    };
    (format!("{one}\n{two}"), sign.to_owned())
}

/// A folder with the keys `release` and `other`, and what each needs to sign.
fn folder_with_keys() -> tempfile::TempDir {
    let folder = tempfile::tempdir().expect("a folder");
    let (keys, _) = documented();
    sh(folder.path(), &keys);
    sh(folder.path(), &keys.replace("release", "other"));
    fs::create_dir(folder.path().join("plugins")).expect("a folder");
    folder
}

/// The module's signature, made with the key called `key`.
fn signature(folder: &Path, module: &[u8], key: &str) -> Vec<u8> {
    fs::write(folder.join("auth.wasm"), module).expect("the folder is writable");
    sh(folder, &documented().1.replace("release", key));
    fs::read(folder.join("auth.wasm.sig")).expect("it has been written")
}

/// Puts a module and its signature in place, each in one step.
fn drop_in(folder: &Path, module: &[u8], signature: Option<&[u8]>) {
    for (name, bytes) in [("auth.wasm.sig", signature), ("auth.wasm", Some(module))] {
        let Some(bytes) = bytes else { continue };
        fs::write(folder.join("new"), bytes).expect("the folder is writable");
        fs::rename(folder.join("new"), folder.join("plugins").join(name)).expect("the folder is writable");
    }
}

fn config(upstream: &Upstream) -> Value {
    json!({
        "upstreams": { "app": { "endpoints": [upstream.address().to_string()] } },
        "plugins": { "keys": { "module": "auth" } },
        "global_chain": ["keys"],
    })
}

fn in_force(gateway: &Gateway, version: &str) {
    eventually(&format!("{version} is in force"), SOON, || {
        gateway.get("/").header("x-tag") == Some(version)
    });
}

/// The reason is told in the log and by the admin address, and this version serves.
fn is_refused(gateway: &Gateway, reason: &str, serving: &str) {
    let _ = gateway.logged(&["the previous one stays in use", reason]);
    let seen = || gateway.ask_admin("/api/plugins").json();
    eventually(&format!("{reason:?} in {}", seen()), SOON, || {
        let seen = seen();
        let told = |value: &Value| value.as_str().is_some_and(|told| told.contains(reason));
        let plugins = seen["plugins"].as_array().into_iter().flatten();
        let shown = plugins
            .filter(|plugin| plugin["name"] == "keys")
            .any(|plugin| told(&plugin["last_error"]));
        shown && told(&seen["modules"][0]["error"])
    });
    let response = gateway.get("/");
    assert_eq!((response.status(), response.header("x-tag")), (200, Some(serving)));
}

#[test]
fn a_pinned_plugin_runs_no_other_module() {
    let upstream = Upstream::fixed("the answer");
    let folder = tempfile::tempdir().expect("a folder");
    fs::create_dir(folder.path().join("plugins")).expect("a folder");
    drop_in(folder.path(), &tag("v1"), None);
    let mut gateway = Gateway::start_in(folder, config(&upstream));
    let digest = |gateway: &Gateway| gateway.ask_admin("/api/plugins").json()["modules"][0]["sha256"].clone();
    let first = digest(&gateway);
    gateway.reconfigure(|config| config["plugins"]["keys"]["sha256"] = first.clone());
    let _ = gateway.logged(&["reloaded", "\"revision\":2"]);

    drop_in(gateway.folder(), &tag("v2"), None);
    is_refused(&gateway, "which differs from the pinned", "v1");
    let second = digest(&gateway);
    assert_ne!(first, second);
    gateway.reconfigure(|config| config["plugins"]["keys"]["sha256"] = second);
    in_force(&gateway, "v2");
}

#[test]
fn only_modules_signed_by_the_right_key_run() {
    let upstream = Upstream::fixed("the answer");
    let folder = folder_with_keys();
    let here = folder.path().to_owned();
    drop_in(&here, &tag("v1"), Some(&signature(&here, &tag("v1"), "release")));
    let mut wanted = config(&upstream);
    wanted["signatures"] = json!({ "keys": { "release": "${file:release.pub}" }, "required": true });
    let mut gateway = Gateway::start_in(folder, wanted);
    in_force(&gateway, "v1");

    // Other bytes beside the old signature, then a signature of somebody else, then one that is none.
    drop_in(&here, &tag("v2"), None);
    is_refused_for(&gateway, "its signature (.wasm.sig) does not verify with release", "v1");
    drop_in(&here, &tag("v3"), Some(&signature(&here, &tag("v3"), "other")));
    is_refused_for(&gateway, "its signature (.wasm.sig) does not verify with release", "v1");
    drop_in(&here, &tag("v4"), Some(b"no signature"));
    is_refused_for(&gateway, "its signature (.wasm.sig) does not verify with release", "v1");
    fs::remove_file(here.join("plugins/auth.wasm.sig")).expect("it was there");
    is_refused_for(&gateway, "it is not signed", "v1");

    drop_in(&here, &tag("v5"), Some(&signature(&here, &tag("v5"), "release")));
    in_force(&gateway, "v5");
    signature(&here, &tag("v6"), "release");
    sh(&here, "openssl base64 -A -in auth.wasm.sig -out text; echo >> text");
    drop_in(
        &here,
        &tag("v6"),
        Some(&fs::read(here.join("text")).expect("it has been written")),
    );
    in_force(&gateway, "v6");

    // A key that is no longer trusted: the configuration is refused, and what serves goes on.
    gateway.reconfigure(|config| config["signatures"]["keys"] = json!({ "release": "${file:other.pub}" }));
    let _ = gateway.logged(&["reload refused", "/plugins/keys/module", "does not verify with release"]);
    in_force(&gateway, "v6");
    drop_in(&here, &tag("v7"), Some(&signature(&here, &tag("v7"), "other")));
    in_force(&gateway, "v7");
}

/// The same for a module that is not even compiled.
fn is_refused_for(gateway: &Gateway, reason: &str, serving: &str) {
    let _ = gateway.logged(&["module refused", reason]);
    eventually(&format!("{reason:?} is shown"), SOON, || {
        gateway.plugins().contains(reason)
    });
    let response = gateway.get("/");
    assert_eq!((response.status(), response.header("x-tag")), (200, Some(serving)));
}

#[test]
fn a_plugin_may_name_its_signers_and_others_go_unsigned() {
    let upstream = Upstream::fixed("the answer");
    let folder = folder_with_keys();
    let here = folder.path().to_owned();
    drop_in(&here, &tag("v1"), Some(&signature(&here, &tag("v1"), "release")));
    fs::write(here.join("plugins/free.wasm"), tag("free")).expect("the folder is writable");
    let mut wanted = config(&upstream);
    wanted["signatures"] = json!({ "keys": { "release": "${file:release.pub}", "other": "${file:other.pub}" } });
    wanted["plugins"]["keys"]["signed_by"] = json!(["release"]);
    wanted["plugins"]["free"] = json!({ "module": "free" });
    let gateway = Gateway::start_in(folder, wanted);
    in_force(&gateway, "v1");
    drop_in(&here, &tag("v2"), Some(&signature(&here, &tag("v2"), "other")));
    is_refused(&gateway, "it is signed with a key other than release", "v1");
    drop_in(&here, &tag("v3"), Some(&signature(&here, &tag("v3"), "release")));
    in_force(&gateway, "v3");
}

#[test]
fn mistakes_in_signatures_are_located() {
    let folder = folder_with_keys();
    let here = folder.path();
    drop_in(here, &tag("v1"), None);
    let base = json!({
        "upstreams": { "app": { "endpoints": ["127.0.0.1:1"] } },
        "plugins": { "keys": { "module": "auth" } },
        "signatures": { "keys": { "release": "${file:release.pub}" } },
    });
    let check = |change: &dyn Fn(&mut Value)| {
        let mut config = filled(base.clone());
        change(&mut config);
        fs::write(here.join("gateway.json"), config.to_string()).expect("the folder is writable");
        let output = lockgate(&["check", "--config", "gateway.json"], here);
        let said = String::from_utf8_lossy(&output.stdout) + String::from_utf8_lossy(&output.stderr);
        (output.status.code(), said.into_owned())
    };
    assert_eq!(check(&|_| ()).0, Some(0));
    let signed_by = |names: Value| move |config: &mut Value| config["plugins"]["keys"]["signed_by"] = names.clone();
    let keys = |keys: Value| move |config: &mut Value| config["signatures"] = keys.clone();
    let rsa = "-----BEGIN PUBLIC KEY-----\nMCowBQYDK2VuAyEAGb9ECWmEzf6FQbrBZ9w7lshQhqowtrbLDFw4rXAxZuE=\n-----END PUBLIC KEY-----\n";
    for (change, parts) in [
        (
            &signed_by(json!(["release"])) as &dyn Fn(&mut Value),
            ["/plugins/keys/module", "it is not signed"],
        ),
        (
            &signed_by(json!(["relase"])),
            ["/plugins/keys/signed_by/0", "did you mean \"release\"?"],
        ),
        (&signed_by(json!([])), ["/plugins/keys/signed_by", "at least one"]),
        (
            &keys(json!({ "required": true })),
            ["/signatures/required", "at least one key in \"keys\""],
        ),
        (
            &keys(json!({ "keys": { "mine": rsa } })),
            ["/signatures/keys/mine", "openssl genpkey"],
        ),
        (&keys(json!({ "key": {} })), ["/signatures/key", "keys"]),
    ] {
        let (code, said) = check(change);
        assert_eq!(code, Some(1), "{said}");
        for part in parts {
            assert!(said.contains(part), "{part:?} in {said}");
        }
    }
}
