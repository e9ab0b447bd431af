//! Conditions, order and actions of routes.

use serde_json::{Value, json};

use super::judge::{SERVICE, import, import_with, lossless, options, routes};
use crate::istio::{Options, Prefixes};

const TO_A: &str = "route: [{destination: {host: a}}]";

fn first_match(condition: &str) -> Value {
    let text = routes(&format!("[{{match: [{condition}], {TO_A}}}]")) + SERVICE;
    lossless(&text)["routes"][0]["match"].clone()
}

#[test]
fn conditions_keep_their_meaning() {
    for (condition, expected) in [
        ("{uri: {exact: /a}}", json!({ "path": "/a" })),
        ("{uri: {prefix: /a}}", json!({ "path_regex": "/a.*" })),
        ("{uri: {prefix: /}}", json!({ "path_prefix": "/" })),
        (
            "{uri: {prefix: /a.b}, ignoreUriCase: true}",
            json!({ "path_regex": "(?i:/a\\.b).*" }),
        ),
        ("{uri: {regex: '/[a-z]+'}}", json!({ "path_regex": "/[a-z]+" })),
        ("{uri: {exact: /a b}}", json!({ "path_regex": "/a b" })),
        ("{headers: {x-a: {exact: b}}}", json!({ "headers": { "x-a": "b" } })),
        (
            "{headers: {x-a: {prefix: b.}}}",
            json!({ "headers": { "x-a": { "regex": "b\\..*" } } }),
        ),
        (
            "{headers: {x-a: {}}}",
            json!({ "headers": { "x-a": { "present": true } } }),
        ),
        (
            "{queryParams: {v: {regex: '[0-9]+'}}}",
            json!({ "query": { "v": { "regex": "[0-9]+" } } }),
        ),
        ("{method: {exact: GET}}", json!({ "methods": ["GET"] })),
        ("{method: {regex: GET|PUT}}", json!({ "methods": ["GET", "PUT"] })),
        ("{scheme: {exact: https}}", json!({ "scheme": "https" })),
        (
            "{authority: {exact: A.example.com}}",
            json!({ "hosts": ["a.example.com"] }),
        ),
    ] {
        assert_eq!(first_match(condition), expected, "{condition}");
    }
}

#[test]
fn prefixes_are_whole_segments_where_that_is_wanted() {
    let options = Options {
        prefixes: Prefixes::Segments,
        ..options()
    };
    let text = routes(&format!(
        "[{{match: [{{uri: {{prefix: /a/}}}}], rewrite: {{uri: /b}}, {TO_A}}}]"
    )) + SERVICE;
    let gateway: Value = serde_json::from_str(&import_with(&text, &options).gateway).unwrap();
    assert_eq!(gateway["routes"][0]["match"], json!({ "path_prefix": "/a" }));
    assert_eq!(gateway["routes"][0]["rewrite"], json!({ "prefix": "/b" }));
}

/// A route never takes more requests than in Istio.
#[test]
fn an_alternative_with_a_condition_that_cannot_be_kept_is_left_out_as_a_whole() {
    for condition in [
        "{uri: {exact: /x}, withoutHeaders: {x-a: {}}}",
        "{uri: {exact: /x}, sourceLabels: {app: b}}",
        "{uri: {exact: /x}, sourceNamespace: b}",
        "{uri: {exact: /x}, method: {prefix: G}}",
        "{uri: {exact: /x}, authority: {regex: '.*'}}",
        "{uri: {exact: /x}, scheme: {exact: ftp}}",
        "{uri: {regex: '(?=a)'}}",
        "{uri: {exact: /x}, port: 1234}",
        "{uri: {exact: /x}, headers: {':path': {exact: a}}}",
        "{uri: {exact: /x}, port: many}",
        "{uri: {exact: /x}, gateways: [other]}",
    ] {
        let (gateway, losses) =
            import(&(routes(&format!("[{{match: [{condition}, {{uri: {{exact: /y}}}}], {TO_A}}}]")) + SERVICE));
        assert_eq!(gateway["routes"].as_array().map(Vec::len), Some(1), "{condition}");
        assert_eq!(gateway["routes"][0]["match"]["path"], "/y", "{condition}");
        assert!(!losses.is_empty(), "{condition}");
        let (gateway, _) = import(&(routes(&format!("[{{match: [{condition}], {TO_A}}}]")) + SERVICE));
        assert_eq!(gateway["routes"], json!([]), "{condition}");
    }
}

#[test]
fn the_first_route_in_the_file_wins_as_in_istio() {
    let http = format!(
        "[{{match: [{{uri: {{prefix: /}}}}], {TO_A}}}, {{match: [{{uri: {{exact: /x}}}}], {TO_A}}}, {{{TO_A}}}]"
    );
    let gateway = lossless(&(routes(&http) + SERVICE));
    let priorities: Vec<i64> = gateway["routes"]
        .as_array()
        .unwrap()
        .iter()
        .map(|route| route["priority"].as_i64().unwrap_or(0))
        .collect();
    assert_eq!(priorities, [1, 0, 0]);
}

#[test]
fn hosts_of_a_service_in_the_mesh_have_their_short_forms() {
    let text = "apiVersion: networking.istio.io/v1\nkind: VirtualService\nmetadata: {name: vs, namespace: prod}\nspec:\n  hosts: [a, '*.example.com']\n  http: [{route: [{destination: {host: a}}]}]\n";
    let (gateway, _) = import(text);
    let hosts: Vec<&Value> = gateway["routes"]
        .as_array()
        .unwrap()
        .iter()
        .map(|route| &route["match"]["hosts"])
        .collect();
    assert_eq!(
        hosts,
        [
            &json!(["a.prod.svc.cluster.local", "a.prod.svc", "a.prod", "a"]),
            &json!(["*.example.com"])
        ]
    );
}

#[test]
fn changes_of_headers_are_a_plugin_of_the_route() {
    let http = "[{headers: {request: {set: {x-a: 'a{b}100%%'}, add: {x-b: c}, remove: [x-c]}, response: {remove: [server]}}, route: [{destination: {host: a}}]}]";
    let gateway = lossless(&(routes(http) + SERVICE));
    assert_eq!(gateway["plugin_dir"], "plugins");
    assert_eq!(
        gateway["routes"][0]["chain"],
        json!([{ "module": "headers", "config": {
            "request": { "remove": ["x-c"], "set": { "x-a": "a{{b}}100%" }, "add": { "x-b": "c" } },
            "response": { "remove": ["server"] }
        } }])
    );
    for (operation, reason) in [
        ("set: {host: b}", "plugins do not change the host"),
        ("set: {content-length: '1'}", "plugins do not change this header"),
        ("set: {x-a: '%REQ(x-b)%'}", "variables of Envoy"),
        ("remove: ['bad name']", "plugins do not change this header"),
    ] {
        let http = format!("[{{headers: {{request: {{{operation}}}}}, {TO_A}}}]");
        let (gateway, losses) = import(&(routes(&http) + SERVICE));
        assert_eq!(gateway["routes"][0].get("chain"), None, "{operation}");
        assert!(
            losses.iter().any(|loss| loss.contains(reason)),
            "{operation}: {losses:?}"
        );
    }
}

#[test]
fn timeouts_are_those_of_the_route() {
    let gateway = lossless(&(routes(&format!("[{{timeout: 1m30s, {TO_A}}}, {{timeout: 0s, {TO_A}}}]")) + SERVICE));
    assert_eq!(gateway["routes"][0]["timeout"], "90s");
    assert_eq!(gateway["routes"][1].get("timeout"), None);
}

#[test]
fn the_host_that_an_upstream_sees_is_a_setting_of_an_upstream_of_its_own() {
    let http =
        format!("[{{match: [{{uri: {{exact: /x}}}}], rewrite: {{authority: b.example.com}}, {TO_A}}}, {{{TO_A}}}]");
    let gateway = lossless(&(routes(&http) + SERVICE));
    assert_eq!(gateway["upstreams"]["a"]["host"], "b.example.com");
    assert_eq!(gateway["upstreams"]["a-2"].get("host"), None);
    assert_eq!(
        (&gateway["routes"][0]["upstream"], &gateway["routes"][1]["upstream"]),
        (&json!("a"), &json!("a-2"))
    );
}

#[test]
fn no_text_of_a_document_becomes_a_substitution() {
    let http = "[{headers: {request: {set: {x-a: '$${env:HOME}${env:HOME}'}}}, match: [{uri: {regex: '/a${1}'}}, {headers: {x: {exact: '${file:/etc/passwd}'}}}], route: [{destination: {host: a}}]}]";
    let (gateway, _) = import(&(routes(http) + SERVICE));
    let text = gateway.to_string();
    assert!(text.contains("$${file:/etc/passwd}"), "{text}");
}

fn route(action: &str) -> Value {
    let services = if action.contains("host: a") { SERVICE } else { "" };
    let text = routes(&format!("[{{match: [{{uri: {{prefix: /x}}}}], {action}}}]")) + services;
    lossless(&text)["routes"][0].clone()
}

#[test]
fn destinations_are_a_split_by_weight() {
    let two = "route: [{destination: {host: a}, weight: 90}, {destination: {host: a, port: {number: 81}}, weight: 10}]";
    let split = route(two)["split"].clone();
    assert_eq!(
        split,
        json!([{ "upstream": "a", "weight": 90 }, { "upstream": "a-81", "weight": 10 }])
    );
    // The same upstream twice is one with the sum.
    let same = "route: [{destination: {host: a}, weight: 1}, {destination: {host: a}, weight: 2}]";
    assert_eq!(route(same)["upstream"], "a");
    assert_eq!(route("route: [{destination: {host: a}, weight: 100}]")["upstream"], "a");
}

#[test]
fn redirects_and_direct_responses_are_the_gateways_own() {
    for (action, expected) in [
        ("redirect: {uri: /new}", json!({ "status": 301, "path": "/new" })),
        (
            "redirect: {authority: 'b.example.com:81', redirectCode: 308}",
            json!({ "status": 308, "host": "b.example.com", "port": 81 }),
        ),
        (
            "redirect: {scheme: https, derivePort: FROM_PROTOCOL_DEFAULT}",
            json!({ "status": 301, "scheme": "https" }),
        ),
        (
            "redirect: {port: 8443, scheme: https}",
            json!({ "status": 301, "scheme": "https", "port": 8443 }),
        ),
    ] {
        assert_eq!(route(action)["redirect"], expected, "{action}");
    }
    let respond = route("directResponse: {status: 503, body: {string: 'busy'}}")["respond"].clone();
    assert_eq!(respond, json!({ "status": 503, "body": "busy" }));
}

#[test]
fn paths_change_as_in_istio() {
    let rewrite = |rewrite: &str| route(&format!("rewrite: {rewrite}, {TO_A}"))["rewrite"].clone();
    assert_eq!(rewrite("{uri: /}"), json!({ "regex": "^/x", "to": "/" }));
    assert_eq!(
        rewrite("{uriRegexRewrite: {match: '^/x/([^/]+)/(.*)$', rewrite: '/\\2/\\1$'}}"),
        // In the file, `${` would be a substitution.
        json!({ "regex": "^/x/([^/]+)/(.*)$", "to": "/$${2}/$${1}$$" })
    );
    let (config, losses) = import(&(routes(&format!("[{{rewrite: {{uri: 'a b'}}, {TO_A}}}]")) + SERVICE));
    assert_eq!(config["routes"][0].get("rewrite"), None);
    assert!(losses[0].contains("the path is not changed"), "{losses:?}");
}

#[test]
fn faults_and_mirrors_are_those_of_the_route() {
    let faults = route(&format!(
        "fault: {{delay: {{percentage: {{value: 0.1}}, fixedDelay: 5s}}, abort: {{httpStatus: 500, grpcStatus: UNAVAILABLE}}}}, {TO_A}"
    ));
    assert_eq!(faults["delay"], json!({ "duration": "5s", "percent": 0.1 }));
    assert_eq!(faults["abort"], json!({ "status": 500, "grpc_status": 14 }));
    let mirror = route(&format!("mirror: {{host: a}}, mirrorPercentage: {{value: 5}}, {TO_A}"))["mirror"].clone();
    assert_eq!(
        mirror,
        json!({ "upstream": "a", "percent": 5, "host_suffix": "-shadow" })
    );
    let off = route(&format!("mirror: {{host: a}}, mirrorPercentage: {{value: 0}}, {TO_A}"));
    assert_eq!(off.get("mirror"), None);
    let two = route(&format!(
        "mirrors: [{{destination: {{host: a}}}}, {{destination: {{host: a, port: {{number: 81}}}}, percentage: {{value: 1}}}}], {TO_A}"
    ));
    assert_eq!(two["mirror"].as_array().map(Vec::len), Some(2));
}

/// In Istio, a virtual host is all that its hosts have.
#[test]
fn a_host_with_routes_of_its_own_never_gets_those_of_a_wider_pattern() {
    let narrow = "---\napiVersion: networking.istio.io/v1\nkind: VirtualService\nmetadata: {name: own}\nspec: {hosts: [x.y], http: [{match: [{uri: {exact: /x}}], route: [{destination: {host: a}}]}]}\n";
    let config = lossless(&(routes(&format!("[{{{TO_A}}}]")) + narrow + SERVICE));
    assert_eq!(
        config["routes"][1],
        json!({ "name": "x.y-end", "match": { "hosts": ["x.y"] }, "respond": { "status": 404 } })
    );
}
