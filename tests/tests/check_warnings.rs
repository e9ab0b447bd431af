//! What `lockgate check` warns of: a configuration that is valid and likely a mistake. Nothing else gets a warning.

use std::fs;
use std::path::Path;
use std::time::Duration;

use lockgate_tests::binary::lockgate;
use lockgate_tests::certificates;
use lockgate_tests::config::filled;
use lockgate_tests::modules::{module, root};
use serde_json::{Value, json};

/// The pointers and texts of the warnings that `check --json` has for a configuration, in a folder with the shipped plugins.
fn warnings(folder: &Path, config: Value) -> Vec<(String, String)> {
    fs::write(folder.join("gateway.json"), filled(config).to_string()).expect("the folder is writable");
    let output = lockgate(&["check", "--json"], folder);
    let said = String::from_utf8_lossy(&output.stdout);
    assert_eq!(output.status.code(), Some(0), "{said}");
    let strict = lockgate(&["check", "--strict"], folder);
    let report: Value = serde_json::from_str(&said).expect(&said);
    let list = report["warnings"].as_array().expect("a list").clone();
    assert_eq!(strict.status.code(), Some(i32::from(!list.is_empty())), "{said}");
    let text = |warning: &Value, key: &str| warning[key].as_str().expect(key).to_owned();
    list.iter()
        .map(|warning| {
            assert!(warning["line"].is_u64() && warning["column"].is_u64(), "{warning}");
            (text(warning, "pointer"), text(warning, "message"))
        })
        .collect()
}

fn folder() -> tempfile::TempDir {
    let folder = tempfile::tempdir().expect("a temporary folder can be made");
    fs::create_dir(folder.path().join("plugins")).expect("the folder is writable");
    for name in ["auth", "acl", "cache", "headers"] {
        fs::write(folder.path().join(format!("plugins/{name}.wasm")), module(name)).expect("the folder is writable");
    }
    folder
}

fn plugins() -> Value {
    json!({
        "keys": { "module": "auth", "config": { "kind": "key", "consumers": [{ "name": "a", "groups": ["staff"], "keys": [
            "sha256:2c70e12b7a0646f92279f427c7b38e7334d8e5389cff167a1dc30e73f826b683"
        ] }] } },
        "staff": { "module": "acl", "config": { "allow": [{ "groups": ["staff"] }] } },
        "office": { "module": "acl", "config": { "allow": [{ "cidrs": ["10.0.0.0/8"] }] } },
        "stored": { "module": "cache", "config": {} },
        "sign": { "module": "headers", "config": { "request": { "set": { "x-gateway": "here" } } } },
    })
}

/// A configuration with one route and this chain.
fn with_chain(global: Value, chain: Value) -> Value {
    json!({
        "upstreams": { "app": { "endpoints": ["127.0.0.1:1"] } },
        "plugins": plugins(), "global_chain": global,
        "routes": [{ "name": "all", "chain": chain, "upstream": "app" }],
    })
}

#[test]
fn chains_in_an_order_that_defeats_a_plugin_are_warned_of() {
    let folder = folder();
    for (global, chain, pointer, part) in [
        (
            json!([]),
            json!(["stored", "keys", "staff"]),
            "/routes/0/chain",
            "answers from the cache before \"keys\"",
        ),
        (
            json!(["stored"]),
            json!(["office"]),
            "/routes/0/chain",
            "answers from the cache before \"office\"",
        ),
        (
            json!([]),
            json!(["staff"]),
            "/routes/0/chain",
            "no plugin before it identifies consumers",
        ),
        (
            json!([]),
            json!(["staff", "keys"]),
            "/routes/0/chain",
            "no plugin before it identifies consumers",
        ),
        (
            json!([]),
            json!(["sign", "keys", "sign"]),
            "/routes/0/chain",
            "\"sign\" stands twice in this chain",
        ),
        (
            json!(["sign"]),
            json!(["sign"]),
            "/routes/0/chain",
            "in this chain and in global_chain",
        ),
    ] {
        let told = warnings(folder.path(), with_chain(global, chain.clone()));
        assert!(
            told.iter().any(|(at, text)| at == pointer && text.contains(part)),
            "{chain}: {told:?}"
        );
    }
    for (global, chain) in [
        (json!(["keys"]), json!(["staff", "stored"])),
        (json!([]), json!(["office", "keys", "staff", "stored", "sign"])),
        (json!(["sign"]), json!(["stored"])),
    ] {
        assert_eq!(
            warnings(folder.path(), with_chain(global, chain.clone())),
            [],
            "{chain}"
        );
    }
}

#[test]
fn certificates_that_end_are_warned_of() {
    const DAY: Duration = Duration::from_secs(24 * 60 * 60);
    let folder = folder();
    let days = |days: u32| DAY * days + Duration::from_secs(60);
    certificates::write_valid(folder.path(), "old", days(90), None);
    certificates::write_valid(folder.path(), "short", days(1), Some(days(5)));
    certificates::write_valid(folder.path(), "good", days(1), Some(days(60)));
    for (file, part) in [
        ("old", Some("expired 30 days ago")),
        ("short", Some("expires in 5 days")),
        ("good", None),
    ] {
        let told = warnings(
            folder.path(),
            json!({
                "listeners": { "web": { "tls": { "certificates": [{ "cert": format!("{file}.pem"), "key": format!("{file}.key") }] } } },
                "upstreams": { "app": { "endpoints": ["127.0.0.1:1"] } },
            }),
        );
        match (&told[..], part) {
            ([], None) => {}
            ([(at, text)], Some(part)) => {
                assert_eq!(at, "/listeners/web/tls/certificates/0/cert");
                assert!(text.contains(part), "{text}");
            }
            _ => panic!("{file}: {told:?}"),
        }
    }
}

#[test]
fn routes_that_no_request_reaches_and_patterns_of_others_are_warned_of() {
    let folder = folder();
    let route = |name: &str, matches: Value| json!({ "name": name, "match": matches, "upstream": "app" });
    for (routes, pointer, part) in [
        (
            json!([
                route("all", json!({ "path_prefix": "/" })),
                route("digits", json!({ "path_regex": "/[0-9]+" }))
            ]),
            "/routes/1/match",
            "go to the route \"all\"",
        ),
        (
            json!([
                route("one", json!({ "path": "/a" })),
                route("same", json!({ "path": "/a" }))
            ]),
            "/routes/1/match",
            "go to the route \"one\"",
        ),
        (
            json!([route("users", json!({ "path_prefix": "/users/*" }))]),
            "/routes/0/match/path_prefix",
            "\"*\" is plain text",
        ),
        (
            json!([route("user", json!({ "path": "/users/:id" }))]),
            "/routes/0/match/path",
            "\":id\" is plain text",
        ),
        (
            json!([route("user", json!({ "path": "/users/{id}" }))]),
            "/routes/0/match/path",
            "\"{id}\" is plain text",
        ),
        (
            json!([route("tls", json!({ "scheme": "https" }))]),
            "/routes/0/match/scheme",
            "none of its listeners speaks https",
        ),
    ] {
        let config = json!({ "upstreams": { "app": { "endpoints": ["127.0.0.1:1"] } }, "routes": routes });
        let told = warnings(folder.path(), config);
        assert!(
            matches!(&told[..], [(at, text)] if at == pointer && text.contains(part)),
            "{pointer}: {told:?}"
        );
    }
}

/// No example has a warning.
#[test]
fn no_example_is_warned_of() {
    let mut seen = 0;
    for entry in fs::read_dir(root().join("examples")).expect("the examples are there") {
        let folder = entry.expect("a folder can be read").path();
        if !folder.join("gateway.json").exists() {
            continue;
        }
        let copy = tempfile::tempdir().expect("a temporary folder can be made");
        let text = fs::read_to_string(folder.join("gateway.json")).expect("it is a file");
        let text = text.replace("${env:TOKEN_SECRET}", &"0123456789abcdef".repeat(2));
        let config: Value = serde_json::from_str(&text).expect("an example is JSON");
        fs::create_dir(copy.path().join("plugins")).expect("the folder is writable");
        let mut named = Vec::new();
        modules(&config, &mut named);
        for name in named {
            fs::write(copy.path().join(format!("plugins/{name}.wasm")), module(&name)).expect("the folder is writable");
        }
        let mut config = config;
        config["plugin_dir"] = json!("plugins");
        fs::write(copy.path().join("gateway.json"), config.to_string()).expect("the folder is writable");
        let output = lockgate(&["check", "--strict"], copy.path());
        let said = String::from_utf8_lossy(&output.stdout);
        assert_eq!(output.status.code(), Some(0), "{}: {said}", folder.display());
        seen += 1;
    }
    assert!(seen > 0, "an example has a gateway.json");
}

/// The values of all keys `module`.
fn modules(value: &Value, named: &mut Vec<String>) {
    match value {
        Value::Object(members) => {
            named.extend(members.get("module").and_then(Value::as_str).map(str::to_owned));
            members.values().for_each(|member| modules(member, named));
        }
        Value::Array(items) => items.iter().for_each(|item| modules(item, named)),
        _ => {}
    }
}
