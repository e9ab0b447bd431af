//! What `lockgate check` warns of: routes that are valid and likely a mistake.

use std::fs;
use std::process::Command;

use lockgate_tests::binary::binary;
use serde_json::{Value, json};

/// The warnings on a gateway with a listener in the clear and one with TLS, and these routes: their pointers.
fn warned(routes: &Value) -> Vec<(String, String)> {
    let folder = tempfile::tempdir().expect("a temporary folder can be made");
    lockgate_tests::certificates::write(folder.path(), "api", "api.test");
    let config = json!({
        "listeners": {
            "web": { "listen": "127.0.0.1:8080" },
            "tls": { "listen": "127.0.0.1:8443", "tls": { "certificates": [{ "cert": "api.pem", "key": "api.key" }] } },
        },
        "upstreams": { "a": { "endpoints": ["127.0.0.1:1"] }, "b": { "endpoints": ["127.0.0.1:2"] } },
        "routes": routes,
    });
    let file = folder.path().join("gateway.json");
    fs::write(&file, config.to_string()).expect("the folder is writable");
    let output = Command::new(binary())
        .args(["check", "--json", "--config"])
        .arg(&file)
        .output()
        .expect("it runs");
    let report: Value = serde_json::from_slice(&output.stdout).expect("a report");
    assert_eq!(report["ok"], true, "{report}");
    let warnings = report["warnings"].as_array().expect("a list").iter();
    let text = |warning: &Value, key: &str| warning[key].as_str().unwrap_or_default().to_owned();
    warnings
        .map(|warning| (text(warning, "pointer"), text(warning, "message")))
        .collect()
}

#[test]
fn a_redirect_that_leads_to_itself_is_a_warning() {
    for (routes, warns) in [
        // All requests to HTTPS, the redirected ones, too.
        (json!([{ "redirect": { "scheme": "https" } }]), true),
        (
            json!([{ "match": { "scheme": "http" }, "redirect": { "scheme": "https" } }]),
            false,
        ),
        (
            json!([{ "match": { "listeners": ["web"] }, "redirect": { "scheme": "https" } }]),
            false,
        ),
        (json!([{ "redirect": { "scheme": "https", "port": 8443 } }]), true),
        (json!([{ "redirect": { "scheme": "https", "port": 443 } }]), false),
        // To a host that the route matches, or does not.
        (json!([{ "redirect": { "host": "new.example" } }]), true),
        (
            json!([{ "match": { "hosts": ["old.example"] }, "redirect": { "host": "new.example" } }]),
            false,
        ),
        (
            json!([{ "match": { "hosts": ["*.example"] }, "redirect": { "host": "www.example" } }]),
            true,
        ),
        // To a path below itself, unless another route takes it.
        (
            json!([{ "match": { "path_prefix": "/a" }, "redirect": { "prefix": "/a/b" } }]),
            true,
        ),
        (
            json!([{ "match": { "path_prefix": "/a" }, "redirect": { "prefix": "/b" } }]),
            false,
        ),
        (
            json!([{ "redirect": { "prefix": "/v2" } }, { "match": { "path_prefix": "/v2" }, "upstream": "a" }]),
            false,
        ),
        (
            json!([{ "match": { "path_prefix": "/a" }, "redirect": { "regex": "^/a", "to": "/a/x" } }]),
            true,
        ),
        (
            json!([{ "match": { "path_prefix": "/a" }, "redirect": { "strip_query": true } }]),
            true,
        ),
    ] {
        let warnings = warned(&routes);
        let found = warnings
            .iter()
            .any(|(pointer, text)| pointer == "/routes/0/redirect" && text.contains("leads to itself"));
        assert_eq!(found, warns, "{routes}: {warnings:?}");
    }
}

#[test]
fn a_mirror_to_the_live_upstream_is_a_warning() {
    for (route, place) in [
        (
            json!({ "upstream": "a", "mirror": { "upstream": "a" } }),
            Some("/routes/0/mirror/upstream"),
        ),
        (
            json!({ "upstream": "a", "mirror": [{ "upstream": "b" }, { "upstream": "a" }] }),
            Some("/routes/0/mirror/1/upstream"),
        ),
        (
            json!({ "split": [{ "upstream": "a" }, { "upstream": "b" }], "mirror": { "upstream": "b" } }),
            Some("/routes/0/mirror/upstream"),
        ),
        (
            json!({ "split": [{ "upstream": "a" }, { "upstream": "b", "weight": 0 }], "mirror": { "upstream": "b" } }),
            None,
        ),
        (json!({ "upstream": "a", "mirror": { "upstream": "b" } }), None),
    ] {
        let warnings = warned(&json!([route]));
        let found = warnings
            .iter()
            .find(|(_, text)| text.contains("twice"))
            .map(|(pointer, _)| pointer.as_str());
        assert_eq!(found, place, "{warnings:?}");
    }
}
