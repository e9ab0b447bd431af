//! Destinations of routes, and what routes do beside them: mistakes with their exact messages, and what a valid file means.

#![allow(clippy::unwrap_used, reason = "a test that cannot go on says where")]

use std::fs;

use lockgate_config::{Destination, Loaded, load_text};
use lockgate_json::Report;
use tempfile::TempDir;

fn folder() -> TempDir {
    let folder = tempfile::tempdir().unwrap();
    fs::write(folder.path().join("sorry.html"), "<p>sorry</p>").unwrap();
    folder
}

/// Loads a file with two upstreams and one route, which is written here without its braces.
fn load(route: &str) -> Result<Loaded, String> {
    let folder = folder();
    let text = format!(
        "{{ \"listeners\": {{ \"web\": {{ \"listen\": \"127.0.0.1:0\" }} }},\n  \"upstreams\": {{ \"orders\": {{ \"endpoints\": [\"a:1\"] }}, \
         \"beta\": {{ \"endpoints\": [\"b:1\"] }} }},\n  \"routes\": [\n{{ {route} }}\n] }}"
    );
    let path = folder.path().join("gateway.json");
    load_text(&path, text, &|_| None).map_err(|error| {
        let text = Report::from(error).to_string();
        text.replace(&format!("{}/", folder.path().display()), "")
    })
}

#[test]
fn mistakes_are_reported_at_their_places() {
    for (route, report) in [
        // Destinations.
        (
            r#""name": "a""#,
            "gateway.json:4:1: /routes/0: the key \"upstream\" is missing, expected a destination: exactly one of \"upstream\", \"split\", \"redirect\" and \"respond\"\n  help: \"upstream\": Name of the upstream",
        ),
        (
            r#""upstream": "orders", "redirect": { "scheme": "https" }"#,
            "gateway.json:4:25: /routes/0/redirect: \"redirect\" excludes \"upstream\", expected one destination: exactly one of \"upstream\", \"split\", \"redirect\" and \"respond\"",
        ),
        (
            r#""redirect": { "scheme": "https" }, "rewrite": { "prefix": "/v1" }"#,
            "gateway.json:4:38: /routes/0/rewrite: \"rewrite\" has no effect with \"redirect\": its requests go to no upstream\n  help: \"redirect\" has \"path\", \"prefix\" and \"regex\" itself",
        ),
        (
            r#""respond": {}, "mirror": { "upstream": "beta" }"#,
            "gateway.json:4:18: /routes/0/mirror: \"mirror\" has no effect with \"respond\": its requests go to no upstream, expected \"upstream\" or \"split\"",
        ),
        // Splits.
        (
            r#""split": [{ "upstream": "orders", "weight": 9 }, { "upstream": "bta" }]"#,
            "gateway.json:4:66: /routes/0/split/1/upstream: found \"bta\", expected the name of an upstream: \"orders\" or \"beta\"\n  help: did you mean \"beta\"?",
        ),
        (
            r#""split": [{ "upstream": "orders", "weight": 0 }, { "upstream": "beta", "weight": 0 }]"#,
            "gateway.json:4:12: /routes/0/split: every upstream of the split has weight 0, expected at least one weight above 0",
        ),
        (
            r#""split": []"#,
            "gateway.json:4:12: /routes/0/split: found an empty array, expected at least one item",
        ),
        // Redirects.
        (
            r#""redirect": { "status": 308 }"#,
            "gateway.json:4:15: /routes/0/redirect: this redirect leads to the address that was asked for, expected \"scheme\", \"host\", \"port\", \"path\", \"prefix\" or \"regex\" with \"to\"",
        ),
        (
            r#""redirect": { "host": "a.example:80" }"#,
            "gateway.json:4:25: /routes/0/redirect/host: found \"a.example:80\", expected a host name like \"www.example.com\"\n  help: the port has a key of its own: \"port\"",
        ),
        (
            r#""redirect": { "host": "https://a.example" }"#,
            "gateway.json:4:25: /routes/0/redirect/host: found \"https://a.example\", expected a host name like \"www.example.com\"\n  help: remove the scheme: \"a.example\"",
        ),
        (
            r#""redirect": { "path": "/a?b=1" }"#,
            "gateway.json:4:25: /routes/0/redirect/path: found \"/a?b=1\", expected a path that starts with \"/\"\n  help: remove the query from the path; match it with \"query\"",
        ),
        (
            r#""redirect": { "path": "/a", "prefix": "/b" }"#,
            "gateway.json:4:31: /routes/0/redirect/prefix: \"prefix\" excludes \"path\", expected one of \"path\", \"prefix\", and \"regex\" with \"to\"",
        ),
        (
            r#""match": { "path": "/a" }, "redirect": { "prefix": "/b" }"#,
            "gateway.json:4:54: /routes/0/redirect/prefix: this route has no path prefix to replace, expected \"path_prefix\" in \"match\", or no condition on the path",
        ),
        // Fixed responses.
        (
            r#""respond": { "status": 100 }"#,
            "gateway.json:4:26: /routes/0/respond/status: found 100, expected a whole number from 200 to 599",
        ),
        (
            r#""respond": { "status": 204, "body": "x" }"#,
            "gateway.json:4:31: /routes/0/respond/body: a response with status 204 has no body\n  help: remove it, or use another status",
        ),
        (
            r#""respond": { "body": "x", "json": {} }"#,
            "gateway.json:4:29: /routes/0/respond/json: \"json\" excludes \"body\", expected at most one of \"body\", \"json\" and \"body_file\"",
        ),
        (
            r#""respond": { "headers": { "a b": "x", "content-length": "1", "x": " y" } }"#,
            "gateway.json:4:29: /routes/0/respond/headers/a b: found an invalid header name\ngateway.json:4:41: /routes/0/respond/headers/content-length: \"content-length\" is set by the gateway, as the connection needs it\n  help: remove it\ngateway.json:4:69: /routes/0/respond/headers/x: found \" y\", expected a header's value: visible characters, no spaces around them",
        ),
        // Rewrites.
        (
            r#""upstream": "orders", "rewrite": {}"#,
            "gateway.json:4:36: /routes/0/rewrite: this rewrite changes nothing, expected one of \"path\", \"prefix\", and \"regex\" with \"to\"",
        ),
        (
            r#""upstream": "orders", "rewrite": { "regex": "^/(a" , "to": "/b" }"#,
            "gateway.json:4:47: /routes/0/rewrite/regex: found \"^/(a\", expected a regular expression: unclosed group",
        ),
        (
            r#""upstream": "orders", "rewrite": { "regex": "^/a" }"#,
            "gateway.json:4:36: /routes/0/rewrite: the key \"to\" is missing, expected the replacement for what \"regex\" matches",
        ),
        (
            r#""upstream": "orders", "rewrite": { "to": "/a" }"#,
            "gateway.json:4:38: /routes/0/rewrite/to: \"to\" has no effect without \"regex\", expected \"regex\": what \"to\" replaces",
        ),
        (
            r#""upstream": "orders", "rewrite": { "regex": "^/(a)", "to": "/$1b" }"#,
            "gateway.json:4:62: /routes/0/rewrite/to: found \"/$1b\", expected a replacement in a path: \"$1b\" names no group of the expression\n  help: write \"${1}b\"",
        ),
        (
            r#""upstream": "orders", "rewrite": { "regex": "^/(a)", "to": "/\\1" }"#,
            "gateway.json:4:62: /routes/0/rewrite/to: found \"/\\\\1\", expected a replacement in a path: groups are written with a dollar sign\n  help: write \"$1\" for the first group",
        ),
        (
            r#""upstream": "orders", "rewrite": { "regex": "^/a", "to": "b" }"#,
            "gateway.json:4:60: /routes/0/rewrite/to: found \"b\", expected a path that starts with \"/\"\n  help: write \"/b\"",
        ),
        (
            r#""upstream": "orders", "rewrite": { "regex": "^/a", "to": "/../b" }"#,
            "gateway.json:4:60: /routes/0/rewrite/to: found \"/../b\", expected a replacement in a path: a dot segment has no place in a path that is forwarded\n  help: remove it: request paths have none after they are normalised",
        ),
        (
            r#""upstream": "orders", "rewrite": { "regex": "^/a", "to": "/${env:X}" }"#,
            "gateway.json:4:60: /routes/0/rewrite/to: the environment variable X is not set\n  help: set X in the gateway's environment",
        ),
        // Mirrors and faults.
        (
            r#""upstream": "orders", "mirror": { "upstream": "bta" }"#,
            "gateway.json:4:49: /routes/0/mirror/upstream: found \"bta\", expected the name of an upstream: \"orders\" or \"beta\"\n  help: did you mean \"beta\"?",
        ),
        (
            r#""upstream": "orders", "mirror": [{ "upstream": "beta", "timeout": "0s" }]"#,
            "gateway.json:4:69: /routes/0/mirror/0/timeout: found \"0s\", expected a duration above zero",
        ),
        (
            r#""upstream": "orders", "mirror": { "upstream": "beta", "max_body": "1GiB" }"#,
            "gateway.json:4:69: /routes/0/mirror/max_body: found \"1GiB\", expected a size from 0B to 16MiB",
        ),
        (
            r#""upstream": "orders", "delay": { "duration": "2h" }"#,
            "gateway.json:4:48: /routes/0/delay/duration: found \"2h\", expected a duration above zero, and at most \"1h\"",
        ),
        (
            r#""upstream": "orders", "delay": { "duration": "1s", "percent": 101 }"#,
            "gateway.json:4:65: /routes/0/delay/percent: found 101, expected a number from 0 to 100",
        ),
        (
            r#""upstream": "orders", "abort": { "percent": 1 }"#,
            "gateway.json:4:34: /routes/0/abort: this abort has no status, expected \"status\", like 503, or \"grpc_status\", like 14, or both",
        ),
        (
            r#""upstream": "orders", "abort": { "status": 200 }"#,
            "gateway.json:4:46: /routes/0/abort/status: found 200, expected a whole number from 400 to 599",
        ),
        (
            r#""upstream": "orders", "abrt": { "status": 500 }"#,
            "gateway.json:4:25: /routes/0/abrt: unknown key \"abrt\", expected \"abort\", \"chain\", \"delay\", \"match\", \"mirror\", \"name\", \"priority\", \"redirect\", \"respond\", \"retry\", \"rewrite\", \"split\", \"timeout\", \"timeouts\", \"upgrade\" or \"upstream\"\n  help: did you mean \"abort\"?",
        ),
    ] {
        assert_eq!(load(route).map(drop), Err(report.to_owned()), "{route}");
    }
}

#[test]
fn a_redirects_status_is_one_of_five() {
    let report = load(r#""redirect": { "status": 300, "scheme": "https" }"#).unwrap_err();
    assert!(
        report.contains("/routes/0/redirect/status: found 300, expected"),
        "{report}"
    );
    for status in ["301", "302", "303", "307", "308"] {
        assert!(report.contains(status), "{report}");
        let route = format!(r#""redirect": {{ "status": {status}, "scheme": "https" }}"#);
        assert!(load(&route).is_ok(), "{status}");
    }
}

#[test]
fn a_file_that_cannot_be_read_is_a_mistake_and_is_watched_all_the_same() {
    let report = load(r#""respond": { "body_file": "missing.html" }"#).unwrap_err();
    assert!(report.contains("/routes/0/respond/body_file: the file "), "{report}");
    assert!(report.contains("missing.html cannot be read: "), "{report}");
    let loaded = load(r#""respond": { "body_file": "sorry.html" }"#).unwrap();
    assert!(loaded.files[0].path.ends_with("sorry.html"));
}

#[test]
fn what_is_written_arrives_in_the_model() {
    let route = |text: &str| load(text).unwrap().model.routes.remove(0);
    let Destination::Split(split) =
        route(r#""split": [{ "upstream": "orders", "weight": 9 }, { "upstream": "beta" }]"#).destination
    else {
        panic!("a split")
    };
    let branches: Vec<_> = split
        .branches()
        .map(|(upstream, weight)| (upstream.0, weight))
        .collect();
    assert_eq!(branches, [(0, 9), (1, 1)]);
    let Destination::Redirect(redirect) = route(r#""redirect": { "host": "A.Example" }"#).destination else {
        panic!("a redirect")
    };
    assert_eq!(
        (redirect.status.as_u16(), redirect.host.as_deref()),
        (302, Some("a.example"))
    );
    let Destination::Respond(response) = route(r#""respond": { "json": { "b": 1.50, "a": [] } }"#).destination else {
        panic!("a response")
    };
    assert_eq!(response.body, r#"{"b":1.50,"a":[]}"#);
    let policy = route(r#""upstream": "orders", "mirror": [{ "upstream": "beta", "percent": 5 }], "delay": { "duration": "1s" }, "abort": { "status": 500 }"#)
        .policy
        .unwrap();
    assert_eq!(
        (policy.mirrors[0].upstream.0, policy.mirrors[0].max_body),
        (1, 64 * 1024)
    );
    assert!(policy.delay.is_some() && policy.abort.is_some());
    assert!(
        route(r#""upstream": "orders""#).policy.is_none(),
        "what is not there costs nothing"
    );
    // Groups with names are no substitutions.
    assert!(
        route(r#""upstream": "orders", "rewrite": { "regex": "^/(?<id>a)", "to": "/${id}" }"#)
            .rewrite
            .is_some()
    );
}

#[test]
fn the_examples_of_the_documentation_load() {
    let page = include_str!("../../../docs/routes.md");
    let examples: Vec<&str> = page
        .split("```json\n")
        .skip(1)
        .map(|rest| rest.split("```").next().unwrap())
        .collect();
    assert!(examples.len() >= 7, "{}", examples.len());
    for example in examples {
        let folder = folder();
        fs::write(folder.path().join("maintenance.html"), "<p>soon</p>").unwrap();
        let text = format!(
            r#"{{ "listeners": {{ "web": {{ "listen": "127.0.0.1:0" }} }},
            "upstreams": {{ "orders": {{ "endpoints": ["a:1"] }}, "beta": {{ "endpoints": ["b:1"] }} }}, "routes": {example} }}"#
        );
        let loaded = load_text(&folder.path().join("gateway.json"), text, &|_| None);
        assert!(loaded.is_ok(), "{example}\n{}", loaded.unwrap_err());
    }
}
