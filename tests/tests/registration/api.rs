//! The admin API as these tests call it.

use std::fs;
use std::path::PathBuf;

use lockgate_tests::endpoint::Endpoint;
use lockgate_tests::http::Message;
use lockgate_tests::{Gateway, request};
use serde_json::{Value, json};

/// A gateway with the upstream `app` over these endpoints.
pub(super) fn gateway(endpoints: &[&Endpoint]) -> Gateway {
    let endpoints: Vec<_> = endpoints
        .iter()
        .map(|endpoint| endpoint.address().to_string())
        .collect();
    Gateway::start(json!({ "workers": 2, "upstreams": { "app": { "endpoints": endpoints } } }))
}

/// Calls the admin API at an endpoint of `app`.
pub(super) fn call(gateway: &Gateway, method: &str, endpoint: &Endpoint, body: &Value) -> Message {
    call_at(gateway, method, &format!("app/endpoints/{}", endpoint.address()), body)
}

/// Calls the admin API below `/api/upstreams/`.
pub(super) fn call_at(gateway: &Gateway, method: &str, target: &str, body: &Value) -> Message {
    let call = request(method, &format!("/api/upstreams/{target}"));
    let call = if body.is_null() {
        call
    } else {
        call.body(body.to_string())
    };
    gateway.tell_admin(call)
}

/// As [`call`], which must succeed and be on disk.
pub(super) fn done(gateway: &Gateway, method: &str, endpoint: &Endpoint, body: &Value) -> Value {
    let answer = call(gateway, method, endpoint, body);
    assert_eq!(answer.status(), 200, "{method} {body}: {}", answer.text());
    let answer = answer.json();
    assert_eq!(answer["persisted"], true, "{answer}");
    answer["endpoint"].clone()
}

/// What the API says of an endpoint of `app`; null if it has none of that address.
pub(super) fn report(gateway: &Gateway, endpoint: &Endpoint) -> Value {
    let report = gateway.ask_admin("/api/upstreams/app").json();
    let address = endpoint.address().to_string();
    let mut endpoints = report["endpoints"].as_array().expect("a list").iter();
    endpoints
        .find(|endpoint| endpoint["address"] == *address)
        .cloned()
        .unwrap_or(Value::Null)
}

/// The addresses that answer so many requests.
pub(super) fn answered_by(gateway: &Gateway, requests: usize) -> Vec<String> {
    (0..requests)
        .map(|_| {
            let answer = gateway.get("/");
            assert_eq!(answer.status(), 200, "{}", answer.text());
            answer.text()
        })
        .collect()
}

/// How many of so many requests an endpoint answers.
pub(super) fn share(gateway: &Gateway, endpoint: &Endpoint, requests: usize) -> usize {
    let address = endpoint.address().to_string();
    answered_by(gateway, requests)
        .iter()
        .filter(|answer| **answer == address)
        .count()
}

/// The file of the overlay.
pub(super) fn file(gateway: &Gateway) -> PathBuf {
    gateway.folder().join(".lockgate/gateway.overlay.json")
}

/// What the file holds.
pub(super) fn on_disk(gateway: &Gateway) -> Value {
    let text = fs::read_to_string(file(gateway)).expect("the overlay is on disk");
    serde_json::from_str(&text).expect("the overlay is JSON")
}
