//! Whatever documents say, the result is a gateway.json in order.

use proptest::prelude::*;

use super::judge::{mistakes, options};
use crate::Source;
use crate::istio::istio;

/// Words that mean something, and others.
fn word() -> impl Strategy<Value = String> {
    let known = prop::sample::select(vec![
        "a",
        "'*'",
        "'*.b.c'",
        "a.b.c",
        "/",
        "/a",
        "/a/",
        "/a b",
        "GET",
        "mesh",
        "gw",
        "v1",
        "10s",
        "1h30m",
        "0",
        "1",
        "80",
        "443",
        "99999",
        "-1",
        "true",
        "''",
        "null",
        "HTTP",
        "HTTPS",
        "TCP",
        "SIMPLE",
        "MUTUAL",
        "DNS",
        "'${env:X}'",
        "'/(a+)$'",
        "'\\1'",
        "'a{b'",
        "ROUND_ROBIN",
        "LEAST_REQUEST",
        "RANDOM",
        "100",
        "0.5",
        "503",
        "'ä'",
        "x-a",
        "host",
        "'a:80'",
        "10.0.0.1",
        "'::1'",
        "https",
    ]);
    prop_oneof![9 => known.prop_map(str::to_owned), 1 => "[ -~]{0,12}".prop_map(|text| format!("'{}'", text.replace('\'', "''")))]
}

/// Names of fields.
const NAMES: &[&str] = &[
    "hosts",
    "gateways",
    "http",
    "tcp",
    "match",
    "uri",
    "exact",
    "prefix",
    "regex",
    "headers",
    "request",
    "response",
    "set",
    "add",
    "remove",
    "route",
    "destination",
    "host",
    "subset",
    "port",
    "number",
    "name",
    "weight",
    "timeout",
    "retries",
    "attempts",
    "rewrite",
    "authority",
    "uriRegexRewrite",
    "redirect",
    "directResponse",
    "status",
    "body",
    "string",
    "mirror",
    "fault",
    "delay",
    "abort",
    "fixedDelay",
    "httpStatus",
    "percentage",
    "value",
    "trafficPolicy",
    "loadBalancer",
    "simple",
    "consistentHash",
    "httpHeaderName",
    "httpCookie",
    "ttl",
    "connectionPool",
    "maxConnections",
    "connectTimeout",
    "outlierDetection",
    "consecutiveErrors",
    "interval",
    "baseEjectionTime",
    "maxEjectionPercent",
    "subsets",
    "labels",
    "tls",
    "mode",
    "ports",
    "protocol",
    "endpoints",
    "address",
    "servers",
    "bind",
    "method",
    "queryParams",
    "scheme",
    "x-a",
    "version",
    "portLevelSettings",
    "perTryTimeout",
    "retryOn",
    "credentialName",
    "httpsRedirect",
    "resolution",
];

fn name() -> impl Strategy<Value = &'static str> {
    prop::sample::select(NAMES)
}

/// A value in flow style.
fn value() -> impl Strategy<Value = String> {
    word().prop_recursive(7, 60, 5, |inner| {
        let member = (name(), inner.clone()).prop_map(|(name, value)| format!("{name}: {value}"));
        let mapping = prop::collection::hash_map(name(), inner.clone(), 0..5).prop_map(|members| {
            members
                .into_iter()
                .map(|(name, value)| format!("{name}: {value}"))
                .collect::<Vec<_>>()
                .join(", ")
        });
        prop_oneof![
            3 => mapping.prop_map(|members| format!("{{{members}}}")),
            2 => prop::collection::vec(inner, 0..4).prop_map(|items| format!("[{}]", items.join(", "))),
            1 => member.prop_map(|member| format!("{{{member}}}")),
        ]
    })
}

/// Routes of the right shape with arbitrary leaves, so that more than losses comes out.
fn service() -> impl Strategy<Value = String> {
    let condition = || {
        let kind = prop::sample::select(vec!["exact", "prefix", "regex"]);
        (kind, word()).prop_map(|(kind, text)| format!("{{{kind}: {text}}}"))
    };
    let matches = (condition(), condition(), condition(), word()).prop_map(|(uri, header, query, port)| {
        format!("{{uri: {uri}, headers: {{x-a: {header}}}, queryParams: {{q: {query}}}, port: {port}}}")
    });
    let route = (prop::collection::vec(matches, 0..3), word(), word(), word(), value()).prop_map(|(matches, host, timeout, uri, headers)| {
        format!(
            "{{match: [{}], rewrite: {{uri: {uri}}}, timeout: {timeout}, headers: {headers}, route: [{{destination: {{host: {host}, port: {{number: 80}}}}}}]}}",
            matches.join(", ")
        )
    });
    (word(), prop::collection::vec(route, 0..4))
        .prop_map(|(host, routes)| format!("{{hosts: [{host}], http: [{}]}}", routes.join(", ")))
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 400, ..ProptestConfig::default() })]

    #[test]
    fn any_document_becomes_a_gateway_json_that_check_takes(
        documents in prop::collection::vec(
            (prop::sample::select(vec!["VirtualService", "DestinationRule", "ServiceEntry", "Gateway"]), value(), service()), 1..5),
    ) {
        let mut text = String::new();
        for (kind, spec, service) in documents {
            let spec = if kind == "VirtualService" { service } else { spec };
            text.push_str(&format!("---\napiVersion: networking.istio.io/v1\nkind: {kind}\nmetadata: {{name: x}}\nspec: {spec}\n"));
        }
        let source = Source { name: "a.yaml".into(), text: text.clone() };
        if let Ok(import) = istio(&[source], &options()) {
            let mistakes = mistakes(&import.gateway);
            prop_assert!(mistakes.is_empty(), "{text}\n{}\n{}", import.gateway, mistakes.join("\n"));
        }
    }

    #[test]
    fn no_text_is_a_panic(text in "\\PC{0,200}") {
        let source = Source { name: "a.yaml".into(), text };
        drop(istio(&[source], &options()));
    }
}
