//! The route table of an imported configuration finds what Istio finds: the first route that matches, in the virtual services of the most
//! specific pattern that the host has, and nothing else.

use std::path::Path;

use http::{HeaderMap, HeaderValue};
use lockgate_exchange::{RequestHead, Scheme};
use lockgate_routing::RouteTable;
use proptest::prelude::*;
use proptest::sample::select;
use regex::Regex;

use super::judge::options;
use crate::Source;
use crate::istio::hosts::covers;
use crate::istio::istio;

#[derive(Debug, Clone)]
struct Route {
    /// Kind and text. None: every path.
    uri: Option<(&'static str, &'static str)>,
    method: Option<&'static str>,
    /// A value of `x-a`.
    header: Option<&'static str>,
}

#[derive(Debug, Clone)]
struct Service {
    hosts: Vec<&'static str>,
    routes: Vec<Route>,
}

#[derive(Debug, Clone)]
struct Request {
    host: &'static str,
    path: &'static str,
    method: &'static str,
    header: Option<&'static str>,
}

fn service() -> impl Strategy<Value = Service> {
    let uri = (
        select(vec!["exact", "prefix", "regex"]),
        select(vec!["/", "/a", "/a/", "/a/b", "/ab", "/b"]),
    );
    let route = (
        prop::option::weighted(0.8, uri),
        prop::option::weighted(0.2, select(vec!["GET", "POST"])),
        prop::option::weighted(0.3, select(vec!["1", "2"])),
    );
    let route = route.prop_map(|(uri, method, header)| Route { uri, method, header });
    let hosts = prop::collection::vec(select(vec!["a.b.c", "x.b.c", "*.b.c", "*.c", "*"]), 1..3);
    (hosts, prop::collection::vec(route, 1..5)).prop_map(|(hosts, routes)| Service { hosts, routes })
}

fn request() -> impl Strategy<Value = Request> {
    (
        select(vec!["a.b.c", "x.b.c", "y.b.c", "b.c", "c"]),
        select(vec!["/", "/a", "/a/", "/a/b", "/ab", "/ab/c", "/b", "/c"]),
        select(vec!["GET", "POST", "PUT"]),
        prop::option::of(select(vec!["1", "2", "3"])),
    )
        .prop_map(|(host, path, method, header)| Request {
            host,
            path,
            method,
            header,
        })
}

/// The documents, in which every route has a name of its own.
fn documents(services: &[Service]) -> String {
    let mut text = String::new();
    for (index, service) in services.iter().enumerate() {
        let hosts: Vec<String> = service.hosts.iter().map(|host| format!("'{host}'")).collect();
        text.push_str(&format!(
            "---\napiVersion: networking.istio.io/v1\nkind: VirtualService\nmetadata: {{name: s{index}}}\nspec:\n  hosts: [{}]\n  http:\n",
            hosts.join(", ")
        ));
        for (number, route) in service.routes.iter().enumerate() {
            let mut conditions = Vec::new();
            conditions.extend(route.uri.map(|(kind, text)| format!("uri: {{{kind}: {text}}}")));
            conditions.extend(route.method.map(|method| format!("method: {{exact: {method}}}")));
            conditions.extend(
                route
                    .header
                    .map(|value| format!("headers: {{x-a: {{exact: '{value}'}}}}")),
            );
            text.push_str(&format!(
                "  - {{name: r{index}x{number}, match: [{{{}}}], route: [{{destination: {{host: d.e}}}}]}}\n",
                conditions.join(", ")
            ));
        }
    }
    text
}

impl Route {
    fn matches(&self, request: &Request) -> bool {
        let uri = self.uri.is_none_or(|(kind, text)| match kind {
            "exact" => request.path == text,
            "prefix" => request.path.starts_with(text),
            _ => Regex::new(&format!("^(?:{text})$")).unwrap().is_match(request.path),
        });
        uri && self.method.is_none_or(|method| method == request.method)
            && self.header.is_none_or(|value| Some(value) == request.header)
    }
}

/// What Istio finds.
fn expected(services: &[Service], request: &Request) -> Option<String> {
    let patterns = services.iter().flat_map(|service| service.hosts.iter().copied());
    let covering = patterns.filter(|pattern| covers(pattern, request.host));
    let pattern = covering.max_by_key(|pattern| (!pattern.starts_with('*'), pattern.len()))?;
    let of_pattern = services
        .iter()
        .enumerate()
        .filter(|(_, service)| service.hosts.contains(&pattern));
    let mut routes = of_pattern.flat_map(|(index, service)| {
        service
            .routes
            .iter()
            .enumerate()
            .map(move |(number, route)| (index, number, route))
    });
    let found = routes.find(|(_, _, route)| route.matches(request));
    found.map(|(index, number, _)| format!("r{index}x{number}"))
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 1000, ..ProptestConfig::default() })]

    #[test]
    fn the_route_that_istio_finds_is_found(
        services in prop::collection::vec(service(), 1..4),
        requests in prop::collection::vec(request(), 20),
    ) {
        let source = Source { name: "a.yaml".into(), text: documents(&services) };
        let text = istio(&[source], &options()).unwrap().gateway;
        let model = lockgate_config::load_text(Path::new("/nowhere/gateway.json"), text.clone(), &|_| None).unwrap().model;
        let table = RouteTable::new(model.routes.iter().map(|route| &route.matches));
        for request in requests {
            let mut headers = HeaderMap::new();
            if let Some(value) = request.header {
                headers.insert("x-a", HeaderValue::from_static(value));
            }
            let head = RequestHead {
                method: request.method.parse().unwrap(),
                path: request.path.parse().unwrap(),
                authority: HeaderValue::from_static(request.host),
                scheme: Scheme::Http,
                headers,
                is_upgrade: false,
            };
            let found = table.find(&head, "web").map(|index| model.routes[index.0].name.to_string());
            // A route for several kinds of hosts is there several times, with a number behind its name.
            let found = found.map(|name| name.split('-').next().unwrap_or_default().to_owned()).filter(|name| name.starts_with('r'));
            prop_assert_eq!(found, expected(&services, &request), "{:?}\n{}\n{}", request, documents(&services), text);
        }
    }
}
