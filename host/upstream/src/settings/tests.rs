//! Settings of an upstream as they are written and read.

use std::time::Duration;

use serde_json::json;

use super::*;

fn read(value: serde_json::Value) -> Result<UpstreamSettings, String> {
    serde_json::from_value(value).map_err(|error| error.to_string())
}

#[test]
fn the_documented_example_is_read_with_its_defaults() {
    let settings = read(json!({
        "endpoints": ["127.0.0.1:9001", { "address": "127.0.0.1:9002", "weight": 2, "labels": { "version": "v2" } }],
        "balance": "round_robin"
    }))
    .expect("the example of the documentation");
    assert_eq!(settings.endpoints[0].weight.value(), 1);
    assert_eq!(settings.endpoints[1].weight.value(), 2);
    assert_eq!(settings.endpoints[1].labels["version"], "v2");
    assert_eq!(settings.connect_limit(), Period(Duration::from_secs(5)));
    assert_eq!(settings.host, HostPolicy::Pass);
}

#[test]
fn settings_survive_being_written_and_read_again() {
    for host in ["pass", "endpoint", "orders.internal:81"] {
        let text = json!({ "endpoints": ["a:1"], "host": host, "balance": "random", "max_idle": 3 });
        let settings = read(text).expect("well-formed settings");
        let written = serde_json::to_value(&settings).expect("settings are plain JSON");
        assert_eq!(written["host"], host);
        assert_eq!(read(written), Ok(settings));
    }
}

#[test]
fn mistakes_are_reported_with_their_place() {
    let weight = read(json!({ "endpoints": [{ "address": "a:1", "weight": 1001 }] })).expect_err("weight too high");
    assert!(weight.contains("1001 is not a weight"), "{weight}");
    let unknown = read(json!({ "endpoints": [{ "address": "a:1", "wieght": 1 }] })).expect_err("unknown key");
    assert!(unknown.contains("wieght"), "{unknown}");
    let url = read(json!({ "endpoints": ["http://a:1"] })).expect_err("a URL");
    assert!(url.contains("is a URL"), "{url}");
    let host = read(json!({ "endpoints": ["a:1"], "host": "a b" })).expect_err("no host");
    assert!(host.contains("is not a host name"), "{host}");
}
