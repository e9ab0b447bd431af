//! Plugins describe themselves, and the gateway uses it: a mistake in a plugin's configuration is told at its place before
//! anything runs, editors get the schema, and what a module asks for is shown.

use lockgate_tests::binary::lockgate;
use lockgate_tests::config::filled;
use lockgate_tests::gateway::install;
use lockgate_tests::modules::{assembled, module, root, tag, with_section};
use lockgate_tests::upstream::eventually;
use lockgate_tests::{Gateway, Upstream};
use serde_json::{Value, json};
use std::fs;
use std::time::{Duration, Instant};

const SECTION: &str = "lockgate.manifest";

const MISTAKES: &str = r#"{
  "plugin_dir": "plugins",
  "listeners": { "web": { "listen": "127.0.0.1:8080" } },
  "upstreams": { "orders": { "endpoints": [ "127.0.0.1:9001" ], "connect_timeout": 5 } },
  "plugins": {
    "rate": { "module": "quota", "config": {
      "rules": [
        { "limit": 10, "window": "1m" },
        { "limit": 0, "window": "2y", "bursts": 3, "on_store_error": "alow" }
      ],
      "legacy_headers": "yes"
    } },
    "keys": { "module": "auth", "config": { "kind": "key" } },
    "rules": { "module": "acl" }
  },
  "routes": [
    { "name": "all", "match": { "path_prefix": "/" }, "upstream": "orders",
      "chain": [ "rate", { "module": "headers", "config": { "request": { "remove": "x-a" } } } ] }
  ]
}
"#;

/// The line, the JSON pointer, and the words that help, of each mistake.
const TOLD: [(usize, &str, &str); 8] = [
    (4, "/upstreams/orders/connect_timeout", "5s"),
    (
        9,
        "/plugins/rate/config/rules/1/limit",
        "found 0, expected a whole number from 1 to 1000000000",
    ),
    (
        9,
        "/plugins/rate/config/rules/1/window",
        "found \"2y\", expected a duration with its unit",
    ),
    (9, "/plugins/rate/config/rules/1/bursts", "did you mean \"burst\"?"),
    (
        9,
        "/plugins/rate/config/rules/1/on_store_error",
        "did you mean \"allow\"?",
    ),
    (
        11,
        "/plugins/rate/config/legacy_headers",
        "found \"yes\", expected true or false",
    ),
    (13, "/plugins/keys/config", "the key \"consumers\" is missing"),
    (
        18,
        "/routes/0/chain/1/config/request/remove",
        "found \"x-a\", expected an array",
    ),
];

/// A folder with these modules in it.
fn folder(modules: &[(&str, Vec<u8>)]) -> tempfile::TempDir {
    let folder = tempfile::tempdir().expect("a temporary folder can be made");
    fs::create_dir(folder.path().join("plugins")).expect("the folder is writable");
    for (name, bytes) in modules {
        install(&folder.path().join("plugins"), name, bytes);
    }
    folder
}

fn said(folder: &tempfile::TempDir, arguments: &[&str]) -> (Option<i32>, String) {
    let output = lockgate(arguments, folder.path());
    let text = String::from_utf8_lossy(&output.stdout) + String::from_utf8_lossy(&output.stderr);
    (output.status.code(), text.into_owned())
}

fn check(modules: &[(&str, Vec<u8>)], config: &str) -> (Option<i32>, String) {
    let folder = folder(modules);
    fs::write(folder.path().join("gateway.json"), config).expect("the folder is writable");
    said(&folder, &["check", "--config", "gateway.json"])
}

/// A configuration with one plugin, which runs the module `tag`.
fn one_plugin(plugin: Value) -> String {
    let mut plugin = plugin;
    plugin["module"] = "tag".into();
    filled(json!({ "upstreams": { "app": { "endpoints": ["127.0.0.1:1"] } }, "plugins": { "one": plugin } }))
        .to_string()
}

fn described(manifest: &str) -> Vec<u8> {
    with_section(tag("x"), SECTION, manifest.as_bytes())
}

fn shipped() -> Vec<(&'static str, Vec<u8>)> {
    ["quota", "auth", "acl", "headers"]
        .map(|name| (name, module(name)))
        .to_vec()
}

#[test]
fn mistakes_in_plugins_configurations_are_located_with_all_others() {
    let (code, said) = check(&shipped(), MISTAKES);
    println!("{said}");
    assert_eq!(code, Some(1));
    for (line, pointer, help) in TOLD {
        let told = said
            .split("gateway.json:")
            .find(|told| told.starts_with(&format!("{line}:")) && told.contains(&format!(" {pointer}: ")));
        let told = told.unwrap_or_else(|| panic!("{pointer} is told on line {line}"));
        assert!(told.contains(help), "{told}");
    }
    assert_eq!(said.matches("gateway.json:").count(), TOLD.len());
}

#[test]
fn mistakes_that_only_the_plugin_finds_are_located_in_the_file_too() {
    let config = MISTAKES
        .replace(", \"connect_timeout\": 5", "")
        .replace(
            "{ \"limit\": 0, \"window\": \"2y\", \"bursts\": 3, \"on_store_error\": \"alow\" }",
            "{ \"limit\": 1, \"window\": \"1s\", \"cost\": 2 }",
        )
        .replace("\"yes\"", "true")
        .replace("\"kind\": \"key\"", "\"kind\": \"key\", \"consumers\": []")
        .replace(
            "\"acl\" }",
            "\"acl\", \"config\": { \"deny\": [\n{ \"name\": \"none\" } ] } }",
        )
        .replace("\"x-a\"", "[\"x-a\", \"Host\"]");
    let (code, said) = check(&shipped(), &config);
    println!("{said}");
    assert_eq!(code, Some(1));
    for told in [
        "gateway.json:9:47: /plugins/rate/config/rules/1/cost: module \"quota\" refuses this value: found 2, expected a number from 1 to 1, the size of the bucket",
        "gateway.json:15:1: /plugins/rules/config/deny/0: module \"acl\" refuses this value: a rule without a condition",
        "/routes/0/chain/1/config/request/remove/1: module \"headers\" refuses this value: \"host\" belongs to the message's framing or the connection",
    ] {
        assert!(said.contains(told), "{told}");
    }
}

#[test]
fn a_value_from_the_environment_is_checked_and_not_shown() {
    let schema = r#"{ "config_schema": { "type": "object", "properties": {
        "mode": { "enum": ["on", "off"] }, "url": { "type": "string", "pattern": "^https://", "writeOnly": true } } } }"#;
    let folder = folder(&[("tag", described(schema))]);
    fs::write(folder.path().join("secret"), "hunter2").expect("the folder is writable");
    let config = one_plugin(json!({ "config": { "mode": "${file:secret}", "url": "${file:secret}" } }));
    fs::write(folder.path().join("gateway.json"), config).expect("the folder is writable");
    let (code, said) = said(&folder, &["check", "--config", "gateway.json"]);
    assert_eq!(code, Some(1));
    assert!(!said.contains("hunter2"), "{said}");
    assert!(
        said.contains("/plugins/one/config/mode: found \"${file:secret}\" (its value is not shown), expected"),
        "{said}"
    );
    assert!(said.contains("/plugins/one/config/url: found"), "{said}");
}

#[test]
fn a_reload_with_such_a_mistake_is_refused_and_changes_nothing() {
    let upstream = Upstream::fixed("the answer");
    let schema = r#"{ "version": "3.1.4", "description": "Tags.", "config_schema": { "properties": { "rate": { "type": "integer", "maximum": 9 } } } }"#;
    let folder = folder(&[("tag", described(schema))]);
    let mut gateway = Gateway::start_in(
        folder,
        json!({
            "upstreams": { "app": { "endpoints": [upstream.address().to_string()] } },
            "plugins": { "one": { "module": "tag", "config": { "rate": 1 } } },
            "global_chain": ["one"],
        }),
    );
    assert_eq!(gateway.get("/").header("x-tag"), Some("x"));
    let plugins: Value = serde_json::from_str(&gateway.plugins()).expect("JSON");
    assert_eq!(plugins["plugins"][0]["module_version"], "3.1.4");
    assert_eq!(plugins["plugins"][0]["description"], "Tags.");
    assert_eq!(plugins["modules"][0]["version"], "3.1.4");
    gateway.reconfigure(|config| config["plugins"]["one"]["config"]["rate"] = 10.into());
    let _ = gateway.logged(&[
        "reload refused",
        "/plugins/one/config/rate: found 10, expected a whole number of at most 9",
    ]);
    assert_eq!(gateway.get("/").header("x-tag"), Some("x"));
    gateway.reconfigure(|config| config["plugins"]["one"]["config"]["rate"] = 9.into());
    let _ = gateway.logged(&["reloaded"]);
    // A module that wants another configuration is held back like one that refuses it.
    let stricter = with_section(tag("y"), SECTION, schema.replace('9', "5").as_bytes());
    gateway.install("tag", &stricter);
    let _ = gateway.logged(&[
        "the previous one stays in use",
        "does not accept the plugin's configuration",
    ]);
    assert_eq!(gateway.get("/").header("x-tag"), Some("x"));
    gateway.reconfigure(|config| config["plugins"]["one"]["config"]["rate"] = 5.into());
    eventually("the new module is taken", Duration::from_secs(5), || {
        gateway.get("/").header("x-tag") == Some("y")
    });
}

#[test]
fn an_invalid_manifest_is_reported_and_the_module_runs() {
    let upstream = Upstream::fixed("the answer");
    let folder = folder(&[("tag", described("{ \"name\": ["))]);
    let gateway = Gateway::start_in(
        folder,
        json!({
            "upstreams": { "app": { "endpoints": [upstream.address().to_string()] } },
            "plugins": { "one": { "module": "tag" } },
            "global_chain": ["one"],
        }),
    );
    assert_eq!(gateway.get("/").header("x-tag"), Some("x"));
    let _ = gateway.logged(&["WARN", "the section lockgate.manifest is invalid"]);
}

#[test]
fn no_schema_takes_long_to_check() {
    let wide: Vec<Value> = (0..50).map(|_| json!({ "$ref": "#/$defs/a" })).collect();
    let nested = (0..40).fold(String::from("a"), |pattern, _| format!("({pattern}{{1,100}})"));
    let hostile = [
        json!({ "$ref": "#" }),
        json!({ "anyOf": [{ "$ref": "#" }, { "$ref": "#" }] }),
        json!({ "$defs": { "a": { "anyOf": wide } }, "$ref": "#/$defs/a" }),
        json!({ "not": { "$ref": "#" } }),
        json!({ "properties": { "text": { "pattern": nested } } }),
        json!({ "properties": { "text": { "pattern": "(a+)+$" } } }),
        json!({ "additionalProperties": { "if": { "$ref": "#" }, "then": { "$ref": "#" } } }),
    ];
    for schema in hostile {
        let manifest = json!({ "config_schema": schema }).to_string();
        let config = one_plugin(json!({ "config": { "text": "a".repeat(50_000) + "!", "b": { "c": [1, 2, 3] } } }));
        let begun = Instant::now();
        let (code, said) = check(&[("tag", described(&manifest))], &config);
        assert!(
            code == Some(0) || said.contains("/plugins/one/config"),
            "{schema}: {said}"
        );
        assert!(
            begun.elapsed() < Duration::from_secs(10),
            "{schema}: {:?}",
            begun.elapsed()
        );
    }
}

#[test]
fn requested_capabilities_that_are_not_granted_are_shown() {
    let tag = described(r#"{ "capabilities": { "upstreams": ["tokens"], "headers": ["x-tag"] } }"#);
    let modules = [("tag", tag)];
    let (code, said) = check(
        &modules,
        &one_plugin(json!({ "capabilities": { "upstreams": [], "headers": ["x-*"] } })),
    );
    assert_eq!(code, Some(0), "{said}");
    assert!(
        said.contains("/plugins/one/capabilities: module \"tag\" asks for upstreams: \"tokens\", which \"capabilities\" does not grant"),
        "{said}"
    );
    assert!(!said.contains("x-tag"), "{said}");
    let (_, unrestricted) = check(&modules, &one_plugin(json!({})));
    assert!(!unrestricted.contains("asks for"), "{unrestricted}");
}

#[test]
fn a_module_that_is_never_called_and_imports_that_are_of_no_use_are_shown() {
    let frame = |imports: &str, hook: &str| {
        assembled(&format!(
            r#"(module {imports} (memory (export "memory") 1)
               (func (export "proxy_abi_version_0_2_1"))
               (func (export "proxy_on_memory_allocate") (param i32) (result i32) (i32.const 4096)) {hook})"#
        ))
    };
    let hook = r#"(func (export "proxy_on_request_headers") (param i32 i32 i32) (result i32) (i32.const 0))"#;
    let tick = r#"(func (export "proxy_on_tick") (param i32))"#;
    let import = |name: &str, parameters: &str| {
        format!(r#"(import "wasi_snapshot_preview1" "{name}" (func {parameters} (result i32)))"#)
    };
    let sleep = import("poll_oneoff", "(param i32 i32 i32 i32)");
    let open = import("path_open", "(param i32 i32 i32 i32 i32 i64 i64 i32 i32)");
    let go = import("sched_yield", "");
    for (module, told) in [
        (frame("", ""), Some("module \"tag\" has no hook")),
        (frame("", tick), None),
        (frame("", hook), None),
        (
            frame(&sleep, hook),
            Some("module \"tag\" imports poll_oneoff, but waiting (`thread::sleep`) is impossible here"),
        ),
        (
            frame(&open, hook),
            Some("module \"tag\" imports path_open, but opening files is impossible here"),
        ),
        // A runtime's imports say nothing about the program.
        (frame(&format!("{go}{sleep}{open}"), hook), None),
    ] {
        let config = one_plugin(json!({}));
        let (code, said) = check(&[("tag", module)], &config);
        assert_eq!(code, Some(0), "{said}");
        match told {
            Some(told) => assert!(said.contains(&format!("/plugins/one/module: {told}")), "{told}: {said}"),
            None => assert!(!said.contains("/plugins/one/module"), "{said}"),
        }
    }
}

#[test]
fn the_schema_for_editors_includes_the_modules_in_the_folder() {
    let folder = folder(&[("quota", module("quota")), ("tag", tag("x"))]);
    fs::write(folder.path().join("gateway.json"), MISTAKES).expect("the folder is writable");
    let schema = |arguments: &[&str]| -> Value {
        let output = lockgate(arguments, folder.path());
        assert!(output.status.success(), "{output:?}");
        serde_json::from_slice(&output.stdout).expect("JSON")
    };
    let with_modules = schema(&["schema", "--config", "gateway.json"]);
    assert_eq!(with_modules, schema(&["schema", "--plugin-dir", "plugins"]));
    let rules = with_modules["$defs"]["Plugin"]["allOf"].as_array().expect("rules");
    assert_eq!(rules.len(), 1, "a module without a manifest adds nothing");
    assert_eq!(rules[0]["if"]["properties"]["module"]["const"], "quota");
    let config = &with_modules["$defs"]["config of quota"];
    let limit = &config["properties"]["rules"]["items"]["properties"]["limit"];
    assert_eq!(limit["minimum"], 1);
    let window = &config["properties"]["rules"]["items"]["properties"]["window"]["pattern"];
    assert!(
        window.as_str().expect("a pattern").contains("(env|file):"),
        "a substitution will do: {window}"
    );
    assert_eq!(schema(&["schema"])["$defs"]["Plugin"]["allOf"], Value::Null);
}

#[test]
fn every_shipped_plugin_describes_itself() {
    let folder = tempfile::tempdir().expect("a temporary folder can be made");
    for name in ["acl", "auth", "cache", "canary", "headers", "hello", "quota"] {
        fs::write(folder.path().join("m.wasm"), module(name)).expect("the folder is writable");
        let output = lockgate(&["inspect", "--json", "m.wasm"], folder.path());
        let shown: Value = serde_json::from_slice(&output.stdout).expect("JSON");
        let manifest = &shown["manifest"];
        assert!(
            manifest["description"].as_str().is_some_and(|text| !text.is_empty()),
            "{name}: {shown}"
        );
        assert!(
            manifest["version"].is_string() && manifest["hooks"][0].is_string(),
            "{name}: {shown}"
        );
        let settings = manifest["config_schema"]["properties"].as_object().expect("settings");
        assert!(!settings.is_empty(), "{name}");
        for (setting, schema) in settings {
            assert!(schema["description"].is_string(), "{name}: {setting} is described");
        }
        let in_memory = module(name)
            .windows(16)
            .filter(|bytes| bytes == b"\"config_schema\":")
            .count();
        assert_eq!(
            in_memory, 1,
            "{name}: the manifest is in its section and not in the guest's memory"
        );
    }
}

#[test]
fn inspect_shows_a_module_as_text() {
    let folder = folder(&[("quota", module("quota")), ("tag", tag("x"))]);
    let (code, quota) = said(&folder, &["inspect", "plugins/quota.wasm"]);
    assert_eq!(code, Some(0), "{quota}");
    for part in [
        "proxy-wasm 0.2.1",
        "proxy_on_request_headers",
        "on_request",
        "sha256",
        "rules (required)",
        "legacy_headers (default: false)",
    ] {
        assert!(quota.contains(part), "{part}: {quota}");
    }
    let (_, plain) = said(&folder, &["inspect", "plugins/tag.wasm"]);
    assert!(plain.contains("the module does not describe itself"), "{plain}");
    let (code, missing) = said(&folder, &["inspect", "plugins/none.wasm"]);
    assert_eq!(code, Some(1));
    assert!(missing.contains("plugins/none.wasm"), "{missing}");
}

#[test]
fn the_quickstart_fits_the_schemas_of_its_plugins() {
    let folder =
        folder(&["quota", "auth", "acl", "headers", "cache", "canary", "hello"].map(|name| (name, module(name))));
    let config = fs::read_to_string(root().join("examples/quickstart/gateway.json")).expect("the example is there");
    let mut config: Value = serde_json::from_str(&config).expect("JSON");
    config["plugin_dir"] = "plugins".into();
    fs::write(folder.path().join("gateway.json"), config.to_string()).expect("the folder is writable");
    let (code, said) = said(&folder, &["check", "--config", "gateway.json"]);
    assert_eq!(code, Some(0), "{said}");
}
