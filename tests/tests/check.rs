//! `lockgate check`: everything that is wrong with a configuration, at once, each with its place and a way out.

use lockgate_tests::binary::lockgate;
use lockgate_tests::certificates;
use lockgate_tests::config::filled;
use lockgate_tests::modules::tag;
use serde_json::json;
use std::fs;

const FIVE_MISTAKES: &str = r#"{
  "plugin_dir": "plugins",
  "listeners": { "web": { "listen": "127.0.0.1:8080", "trusted_proxys": [] } },
  "upstreams": { "orders": { "endpoints": [ "127.0.0.1:9001" ], "connect_timeout": 5 } },
  "plugins": { "label": { "module": "tag", "on_error": "bypas" } },
  "chains": { "default": [ "lable" ] },
  "routes": [
    { "name": "all", "match": { "path_prefix": "/" }, "chain": "default", "upstream": "order" }
  ]
}
"#;

/// The line, the JSON pointer, and the words that help, of each mistake.
const TOLD: [(usize, &str, &str); 5] = [
    (3, "/listeners/web/trusted_proxys", "trusted_proxies"),
    (4, "/upstreams/orders/connect_timeout", "5s"),
    (5, "/plugins/label/on_error", "bypass"),
    (6, "/chains/default/0", "label"),
    (8, "/routes/0/upstream", "orders"),
];

fn check(config: &str) -> (Option<i32>, String) {
    let folder = tempfile::tempdir().expect("a temporary folder can be made");
    fs::create_dir(folder.path().join("plugins")).expect("the folder is writable");
    fs::write(folder.path().join("plugins/tag.wasm"), tag("x")).expect("the folder is writable");
    fs::write(folder.path().join("gateway.json"), config).expect("the folder is writable");
    let output = lockgate(&["check", "--config", "gateway.json"], folder.path());
    (
        output.status.code(),
        (String::from_utf8_lossy(&output.stdout) + String::from_utf8_lossy(&output.stderr)).into_owned(),
    )
}

#[test]
fn five_mistakes_are_five_located_errors_with_suggestions() {
    let (code, said) = check(FIVE_MISTAKES);
    println!("{said}");
    assert_eq!(code, Some(1));
    for (line, pointer, help) in TOLD {
        let text = FIVE_MISTAKES.lines().nth(line - 1).expect("the line is there");
        let key = pointer.rsplit('/').next().expect("a pointer has a last part");
        let places = said.match_indices(&format!("gateway.json:{line}:")).count();
        assert_eq!(places, 1, "one error is located on line {line}");
        assert!(said.contains(pointer), "{pointer} is named");
        let block = &said[said.find(pointer).expect("it has just been found").saturating_sub(200)..];
        assert!(block.contains(help), "{help:?} is suggested for {text:?} ({key})");
    }
    assert_eq!(
        said.matches("gateway.json:").count(),
        5,
        "there are five errors and no more"
    );
}

#[test]
fn run_refuses_what_check_refuses() {
    let folder = tempfile::tempdir().expect("a temporary folder can be made");
    fs::create_dir(folder.path().join("plugins")).expect("the folder is writable");
    fs::write(folder.path().join("plugins/tag.wasm"), tag("x")).expect("the folder is writable");
    fs::write(folder.path().join("gateway.json"), FIVE_MISTAKES).expect("the folder is writable");
    let output = lockgate(&["run", "--config", "gateway.json"], folder.path());
    let said = String::from_utf8_lossy(&output.stderr);
    assert_eq!(output.status.code(), Some(1), "{said}");
    for (_, pointer, _) in TOLD {
        assert!(said.contains(pointer), "{pointer} is named in {said}");
    }
}

#[test]
fn a_valid_configuration_passes() {
    let sound = filled(json!({
        "upstreams": { "app": { "endpoints": ["127.0.0.1:1"] } },
        "plugins": { "tag": { "module": "tag" } },
        "global_chain": ["tag"],
    }));
    assert_eq!(check(&sound.to_string()).0, Some(0));
}

#[test]
fn an_unknown_foreign_function_is_reported_where_it_is_allowed() {
    let config = filled(json!({
        "upstreams": { "app": { "endpoints": ["127.0.0.1:1"] } },
        "plugins": { "label": { "module": "tag", "capabilities": {
            "foreign_functions": ["lockgate.*", "compress", "clear_route_cache", "lockgate.countre", "expr_*"],
        } } },
    }));
    let (code, said) = check(&config.to_string());
    assert_eq!(code, Some(1), "{said}");
    for (place, help) in [(3, "did you mean \"lockgate.counter\"?"), (4, "declare_property")] {
        let pointer = format!("/plugins/label/capabilities/foreign_functions/{place}");
        let block = &said[said.find(&pointer).unwrap_or_else(|| panic!("{pointer} in {said}"))..];
        assert!(block.contains(help), "{said}");
    }
    assert_eq!(said.matches("/capabilities/").count(), 2, "{said}");
}

#[test]
fn missing_modules_and_functions_are_reported_with_other_mistakes() {
    let config = filled(json!({
        "upstreams": { "app": { "endpoints": ["127.0.0.1:1"], "connect_timeout": 5 } },
        "plugins": {
            "label": { "module": "tga" },
            "other": { "module": "tag", "capabilities": { "foreign_functions": ["lockgate.countre"] } },
        },
    }));
    let (code, said) = check(&config.to_string());
    assert_eq!(code, Some(1), "{said}");
    for told in [
        "/upstreams/app/connect_timeout: ",
        "/plugins/label/module: module \"tga\" (tga.wasm in plugin_dir): the file does not exist",
        "/plugins/other/capabilities/foreign_functions/0: ",
    ] {
        assert_eq!(said.matches(told).count(), 1, "{told} in {said}");
    }
    assert_eq!(said.matches("gateway.json:").count(), 3, "{said}");
}

#[test]
fn unused_modules_are_checked_when_everything_else_is_valid() {
    let folder = tempfile::tempdir().expect("a temporary folder can be made");
    fs::create_dir(folder.path().join("plugins")).expect("the folder is writable");
    fs::write(folder.path().join("plugins/tag.wasm"), tag("x")).expect("the folder is writable");
    fs::write(folder.path().join("plugins/broken.wasm"), b"no module").expect("the folder is writable");
    let check = |module: &str| {
        let config = filled(json!({
            "upstreams": { "app": { "endpoints": ["127.0.0.1:1"] } },
            "plugins": { "label": { "module": module } },
        }));
        fs::write(folder.path().join("gateway.json"), config.to_string()).expect("the folder is writable");
        let output = lockgate(&["check"], folder.path());
        let said = String::from_utf8_lossy(&output.stdout) + String::from_utf8_lossy(&output.stderr);
        (output.status.code(), said.into_owned())
    };
    let (code, said) = check("something-else");
    assert_eq!(code, Some(1), "{said}");
    assert!(said.contains("help: plugin_dir holds broken, tag"), "{said}");
    assert!(!said.contains("not a valid WebAssembly module"), "{said}");
    let (code, said) = check("tag");
    assert_eq!(code, Some(0), "a broken module that nobody uses harms nobody: {said}");
    assert!(
        said.contains("not a valid WebAssembly module") && said.contains("broken.wasm"),
        "{said}"
    );
    fs::remove_dir_all(folder.path().join("plugins")).expect("the folder is there");
    let (code, said) = check("tag");
    assert_eq!((code, said.matches("gateway.json:").count()), (Some(1), 2), "{said}");
    for mistake in [
        "/plugin_dir: found \"plugins\"",
        "/plugins/label/module: module \"tag\"",
    ] {
        assert!(said.contains(mistake), "{mistake:?} is in {said}");
    }
}

#[test]
fn a_broken_module_is_reported_with_other_mistakes() {
    let folder = tempfile::tempdir().expect("a temporary folder can be made");
    fs::create_dir(folder.path().join("plugins")).expect("the folder is writable");
    fs::write(folder.path().join("plugins/broken.wasm"), b"no module").expect("the folder is writable");
    let config = filled(json!({
        "upstreams": { "app": { "endpoints": ["127.0.0.1:1"], "connect_timeout": 5 } },
        "plugins": { "label": { "module": "broken" } },
    }));
    fs::write(folder.path().join("gateway.json"), config.to_string()).expect("the folder is writable");
    let output = lockgate(&["check"], folder.path());
    let said = String::from_utf8_lossy(&output.stdout);
    for told in [
        "/plugins/label/module: ",
        "not a valid WebAssembly module",
        "/upstreams/app/connect_timeout: ",
    ] {
        assert_eq!(said.matches(told).count(), 1, "{told} in {said}");
    }
}

#[test]
fn unusable_certificates_are_reported_with_what_is_expected() {
    let folder = tempfile::tempdir().expect("a temporary folder can be made");
    certificates::write(folder.path(), "one", "one.example");
    certificates::write(folder.path(), "two", "two.example");
    fs::write(folder.path().join("none.pem"), "no certificate").expect("the folder is writable");
    for (cert, told) in [
        (
            "none.pem",
            "none.pem: no certificate or key found, expected PEM: -----BEGIN CERTIFICATE-----",
        ),
        ("two.pem", "the key does not match the certificate"),
        ("absent.pem", "found \"absent.pem\", expected a readable PEM file"),
    ] {
        let mut config = filled(json!({ "upstreams": { "app": { "endpoints": ["127.0.0.1:1"] } } }));
        config.as_object_mut().expect("it is an object").remove("plugin_dir");
        config["listeners"]["web"]["tls"] = json!({ "certificates": [ { "cert": cert, "key": "one.key" } ] });
        fs::write(folder.path().join("gateway.json"), config.to_string()).expect("the folder is writable");
        let output = lockgate(&["check"], folder.path());
        let said = String::from_utf8_lossy(&output.stdout);
        assert_eq!(output.status.code(), Some(1), "{said}");
        assert!(
            said.contains("/listeners/web/tls/certificates") && said.contains(told),
            "{told:?} is in {said}"
        );
    }
}

#[test]
fn broken_json_is_located() {
    let (code, said) = check(
        "{\n  \"listeners\": { \"web\": { \"listen\": \"127.0.0.1:8080\" } },\n  \"upstreams\": { \"app\": { \"endpoints\": [ \"127.0.0.1:9\" ] }\n",
    );
    assert_eq!(code, Some(1));
    assert!(
        said.contains("gateway.json:4:") || said.contains("gateway.json:3:"),
        "{said}"
    );
}

#[test]
fn a_missing_variable_is_named_and_no_secret_is_shown() {
    let config = filled(json!({
        "admin": { "token": "${env:LOCKGATE_NO_SUCH_VARIABLE}" },
        "upstreams": { "app": { "endpoints": ["127.0.0.1:1"] } },
    }));
    let (code, said) = check(&config.to_string());
    assert_eq!(code, Some(1));
    assert!(said.contains("LOCKGATE_NO_SUCH_VARIABLE"), "{said}");
}

#[test]
fn the_schema_is_json_and_knows_the_contract() {
    let output = lockgate(&["schema"], std::path::Path::new("."));
    assert_eq!(output.status.code(), Some(0));
    let schema: serde_json::Value = serde_json::from_slice(&output.stdout).expect("the schema is JSON");
    for key in [
        "listeners",
        "upstreams",
        "plugins",
        "chains",
        "routes",
        "global_chain",
        "admin",
        "workers",
        "plugin_dir",
    ] {
        assert!(schema["properties"][key].is_object(), "{key}");
    }
}

#[test]
fn usage_errors_exit_with_2_and_help_has_an_example() {
    let here = std::path::Path::new(".");
    assert_eq!(lockgate(&["serve"], here).status.code(), Some(2));
    assert_eq!(lockgate(&["check", "--no-such-flag"], here).status.code(), Some(2));
    for command in ["run", "check", "schema", "import", "echo", "completions"] {
        let help = lockgate(&[command, "--help"], here);
        assert_eq!(help.status.code(), Some(0), "{command}");
        assert!(
            String::from_utf8_lossy(&help.stdout).contains(&format!("lockgate {command}")),
            "{command} --help has an example"
        );
    }
}

#[test]
fn a_missing_file_is_reported() {
    let folder = tempfile::tempdir().expect("a temporary folder can be made");
    let output = lockgate(&["check", "--config", "nowhere.json"], folder.path());
    let said = String::from_utf8_lossy(&output.stderr) + String::from_utf8_lossy(&output.stdout);
    assert_eq!(output.status.code(), Some(1));
    assert!(said.contains("nowhere.json"), "{said}");
}

/// The reason that a plugin logs before it refuses its configuration is the mistake's text, and nothing besides.
#[test]
fn a_configuration_that_a_plugin_refuses_is_told_once() {
    let folder = tempfile::tempdir().expect("a temporary folder can be made");
    fs::create_dir(folder.path().join("plugins")).expect("the folder is writable");
    for name in ["headers", "refuses"] {
        fs::write(
            folder.path().join(format!("plugins/{name}.wasm")),
            lockgate_tests::modules::module(name),
        )
        .expect("the folder is writable");
    }
    for (plugin, told) in [
        (
            json!({ "module": "headers", "config": { "request": { "set": { "a b": "c" } } } }),
            "is not a valid header name",
        ),
        (json!({ "module": "refuses" }), "the moon is in the wrong house"),
    ] {
        let config = filled(json!({
            "plugin_dir": "plugins",
            "upstreams": { "app": { "endpoints": ["127.0.0.1:1"] } },
            "plugins": { "it": plugin }, "routes": [{ "name": "all", "chain": ["it"], "upstream": "app" }],
        }));
        fs::write(folder.path().join("gateway.json"), config.to_string()).expect("the folder is writable");
        let output = lockgate(&["check"], folder.path());
        let said = String::from_utf8_lossy(&output.stdout) + String::from_utf8_lossy(&output.stderr);
        assert_eq!(output.status.code(), Some(1), "{said}");
        assert_eq!(said.matches(told).count(), 1, "{said}");
    }
}
