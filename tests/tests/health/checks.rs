//! What the tests of this folder share: three endpoints, a check of them, and the admin API's word on them.

use std::time::Duration;

use lockgate_tests::endpoint::Endpoint;
use lockgate_tests::upstream::eventually;
use lockgate_tests::{Gateway, request};
use serde_json::{Value, json};

/// Three endpoints of the upstream `app`.
pub(super) struct Three {
    pub(super) gateway: Gateway,
    pub(super) endpoints: [Endpoint; 3],
}

/// A check that sees a change within a second.
pub(super) fn quick() -> Value {
    json!({ "type": "http", "path": "/healthz", "interval": "100ms", "timeout": "200ms", "healthy": 2, "unhealthy": 2 })
}

impl Three {
    pub(super) fn start(health_check: Value) -> Self {
        Self::with(json!({ "health_check": health_check }))
    }

    /// As [`Three::start`], with these settings of the upstream.
    pub(super) fn with(mut upstream: Value) -> Self {
        let endpoints = [Endpoint::start(), Endpoint::start(), Endpoint::start()];
        upstream["endpoints"] = endpoints
            .iter()
            .map(|endpoint| endpoint.address().to_string())
            .collect();
        let gateway = Gateway::start(json!({ "workers": 2, "upstreams": { "app": upstream } }));
        Self { gateway, endpoints }
    }

    /// Waits until the admin API says that an endpoint has this state. Returns how long that took, and why it has it.
    pub(super) fn becomes(&self, endpoint: usize, state: &str) -> (Duration, Value) {
        let took = eventually(state, Duration::from_secs(10), || {
            report(&self.gateway, "app", &self.endpoints[endpoint])["state"] == state
        });
        (
            took,
            report(&self.gateway, "app", &self.endpoints[endpoint])["why"].clone(),
        )
    }
}

/// What the admin API says of an upstream.
pub(super) fn upstream(gateway: &Gateway, name: &str) -> Value {
    let answer = gateway.ask_admin(&format!("/api/upstreams/{name}"));
    assert_eq!(answer.status(), 200, "{}", answer.text());
    answer.json()
}

/// What the admin API says of an endpoint.
pub(super) fn report(gateway: &Gateway, name: &str, endpoint: &Endpoint) -> Value {
    let address = endpoint.address().to_string();
    let report = upstream(gateway, name);
    let mut endpoints = report["endpoints"].as_array().expect("a list").iter();
    let found = endpoints.find(|endpoint| endpoint["address"] == *address);
    found.cloned().unwrap_or(Value::Null)
}

/// Asks for a page, and says which endpoint has answered, or the status of the answer.
pub(super) fn answered_by(gateway: &Gateway) -> String {
    let answer = gateway.send(request("GET", "/"));
    match answer.status() {
        200 => answer.text(),
        status => status.to_string(),
    }
}
