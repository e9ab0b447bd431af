//! Endpoints that come from DNS, Consul and files: changes move the traffic within two seconds, and a source that is down harms nobody.
//! The sources themselves are tried in host/discovery, against registries that fail in every way.

use lockgate_tests::load::Load;
use lockgate_tests::process::DnsServer;
use lockgate_tests::upstream::{answer, eventually};
use lockgate_tests::{Gateway, Upstream, get};
use serde_json::{Value, json};
use std::collections::BTreeMap;
use std::fs;
use std::net::SocketAddr;
use std::sync::{Arc, Condvar, Mutex};
use std::time::{Duration, Instant};

/// Upstreams on one port of several addresses of this machine, each of which answers with its address.
fn upstreams<const N: usize>(addresses: [&'static str; N]) -> ([Upstream; N], u16) {
    let port = Upstream::nobody().port();
    let at = |text: &'static str| Upstream::named_at(SocketAddr::new(text.parse().expect("an address"), port), text);
    (addresses.map(at), port)
}

fn config(discovery: Value) -> Value {
    json!({ "workers": 2, "upstreams": { "app": { "discovery": discovery } } })
}

/// How often each server answers so many requests.
fn shares(gateway: &Gateway, requests: usize) -> BTreeMap<String, usize> {
    let mut shares = BTreeMap::new();
    for _ in 0..requests {
        *shares.entry(gateway.get("/").text()).or_default() += 1;
    }
    shares
}

fn servers(gateway: &Gateway) -> Vec<String> {
    shares(gateway, 12).into_keys().collect()
}

/// Waits until these servers answer and no others.
fn moved_to(gateway: &Gateway, expected: &[&str]) -> Duration {
    eventually("the traffic moves", Duration::from_secs(15), || {
        servers(gateway) == expected
    })
}

/// The seconds for which a source is down: LONG=60 is the promise to the letter.
fn outage() -> Duration {
    let seconds = std::env::var("LONG").ok().and_then(|text| text.parse().ok());
    Duration::from_secs(seconds.unwrap_or(5))
}

fn sound(gateway: &Gateway) -> Load {
    Load::start(gateway.address(), 200, &get("/"), |answer| answer.status() == 200)
}

fn assert_sound(load: Load) {
    let result = load.finish();
    assert!(result.failures.is_empty(), "{:?}", result.failures.first());
    assert!(result.answered > 0);
}

#[test]
fn each_address_of_a_name_is_an_endpoint_and_a_change_moves_the_traffic() {
    let (_upstreams, port) = upstreams(["127.0.1.1", "127.0.1.2", "127.0.1.3"]);
    let dns = DnsServer::start("127.0.1.1 orders.test\n127.0.1.2 orders.test\n", 0, &[]);
    let mut config = config(json!({ "type": "dns", "name": format!("orders.test:{port}"), "refresh": "5s" }));
    config["resolver"] = json!({ "servers": [dns.address.to_string()], "timeout": "500ms" });
    let gateway = Gateway::start(config);
    assert_eq!(
        shares(&gateway, 40),
        [("127.0.1.1".into(), 20), ("127.0.1.2".into(), 20)].into()
    );
    let load = sound(&gateway);
    dns.set("127.0.1.3 orders.test\n127.0.1.2 orders.test\n");
    assert!(moved_to(&gateway, &["127.0.1.2", "127.0.1.3"]) < Duration::from_secs(2));
    let _ = gateway.logged(&["endpoints of an upstream changed", "app", &format!("127.0.1.3:{port}")]);
    // Gone, then mute: the last list stays.
    dns.set("127.0.0.1 other.test\n");
    let _ = gateway.logged(&["discovery fails, the last list stays in force", "NXDOMAIN"]);
    dns.mute(true);
    let end = Instant::now() + outage();
    while Instant::now() < end {
        assert_eq!(servers(&gateway), ["127.0.1.2", "127.0.1.3"]);
    }
    dns.mute(false);
    dns.set("127.0.1.1 orders.test\n");
    moved_to(&gateway, &["127.0.1.1"]);
    assert_sound(load);
    let metrics = gateway.metrics();
    let labels = [("upstream", "app"), ("source", "dns")];
    assert!(metrics.sum("lockgate_discovery_updates_total", &labels) >= 3.0);
    assert!(metrics.sum("lockgate_discovery_failures_total", &labels) >= 1.0);
    assert!(metrics.sum("lockgate_discovery_list_age_seconds", &labels) <= 5.0);
    assert!(metrics.sum("lockgate_resolver_lookups_total", &[("result", "failure")]) >= 1.0);
}

#[test]
fn servers_of_a_service_in_dns_have_its_weights_and_the_lowest_priority() {
    let (_upstreams, port) = upstreams(["127.0.2.1", "127.0.2.2", "127.0.2.3"]);
    let srv = |target: &str, priority: u16, weight: u16| {
        format!("--srv-host=_http._tcp.orders.test,{target}.test,{port},{priority},{weight}")
    };
    let records = [srv("a", 10, 3), srv("b", 10, 1), srv("c", 20, 9)];
    let records: Vec<&str> = records.iter().map(String::as_str).collect();
    let dns = DnsServer::start("127.0.2.1 a.test\n127.0.2.2 b.test\n127.0.2.3 c.test\n", 0, &records);
    let mut config = config(json!({ "type": "srv", "name": "_http._tcp.orders.test" }));
    config["resolver"] = json!({ "servers": [dns.address.to_string()] });
    let gateway = Gateway::start(config);
    assert_eq!(
        shares(&gateway, 40),
        [("127.0.2.1".into(), 30), ("127.0.2.2".into(), 10)].into()
    );
    dns.set("127.0.2.2 a.test\n127.0.2.2 b.test\n127.0.2.3 c.test\n");
    moved_to(&gateway, &["127.0.2.2"]);
}

/// A Consul agent with one service.
struct Agent {
    state: Arc<(Mutex<(u64, Value)>, Condvar)>,
    server: Upstream,
}

impl Agent {
    fn start(addresses: &[String]) -> Self {
        let state = Arc::new((Mutex::new((10, entries(addresses))), Condvar::new()));
        let shared = state.clone();
        let server = Upstream::scripted(move |request, wire| {
            let (state, changed) = &*shared;
            let held = |known: u64| request.target().contains(&format!("index={known}"));
            let state = state.lock().expect("no panic while holding it");
            let state = changed
                .wait_timeout_while(state, Duration::from_secs(55), |(index, _)| held(*index))
                .expect("no panic while holding it")
                .0;
            let (index, entries) = (state.0.to_string(), state.1.to_string());
            drop(state);
            answer(wire, 200, &[("X-Consul-Index", &index)], entries)
        });
        Self { state, server }
    }

    fn set(&self, addresses: &[String]) {
        let (state, changed) = &*self.state;
        let mut state = state.lock().expect("no panic while holding it");
        *state = (state.0 + 1, entries(addresses));
        changed.notify_all();
    }

    fn source(&self) -> Value {
        json!({ "type": "consul", "service": "orders", "url": format!("http://{}", self.server.address()) })
    }
}

fn entries(addresses: &[String]) -> Value {
    let entry = |address: &String| {
        let (host, port) = address.rsplit_once(':').expect("HOST:PORT");
        let port: u16 = port.parse().expect("a port");
        json!({ "Node": { "Node": "n", "Address": host }, "Service": { "Port": port }, "Checks": [] })
    };
    addresses.iter().map(entry).collect()
}

#[test]
fn a_change_in_consul_moves_the_traffic_and_no_request_fails() {
    let (_upstreams, port) = upstreams(["127.0.3.1", "127.0.3.2"]);
    let at = |last: u8| format!("127.0.3.{last}:{port}");
    let agent = Agent::start(&[at(1)]);
    let mut gateway = Gateway::start(config(agent.source()));
    assert_eq!(servers(&gateway), ["127.0.3.1"]);
    let load = sound(&gateway);
    agent.set(&[at(1), at(2)]);
    assert!(moved_to(&gateway, &["127.0.3.1", "127.0.3.2"]) < Duration::from_secs(2));
    agent.set(&[at(2)]);
    assert!(moved_to(&gateway, &["127.0.3.2"]) < Duration::from_secs(2));
    let asked = agent.server.begun();
    for revision in 0..5 {
        gateway.reconfigure(|config| config["upstreams"]["app"]["max_idle"] = json!(10 + revision));
        let _ = gateway.logged(&["reloaded", &format!("\"revision\":{}", revision + 2)]);
        assert_eq!(servers(&gateway), ["127.0.3.2"]);
    }
    assert!(agent.server.begun() <= asked + 1, "a reload asks nothing anew");
    assert_sound(load);
    agent.set(&[]);
    eventually("an empty list is one", Duration::from_secs(2), || {
        gateway.get("/").status() == 503
    });
}

#[test]
fn the_last_list_serves_while_consul_is_down_and_over_a_restart() {
    let (_upstreams, port) = upstreams(["127.0.4.1"]);
    // Nobody listens there from the second on.
    let state = Arc::new(Mutex::new(true));
    let is_up = state.clone();
    let body = entries(&[format!("127.0.4.1:{port}")]).to_string();
    let agent = Upstream::scripted(move |_, wire| match *is_up.lock().expect("no panic while holding it") {
        true => answer(wire, 200, &[("X-Consul-Index", "1")], &body),
        false => answer(wire, 500, &[], "No cluster leader"),
    });
    let source = json!({ "type": "consul", "service": "orders", "url": format!("http://{}", agent.address()) });
    let mut gateway = Gateway::start(config(source));
    assert_eq!(servers(&gateway), ["127.0.4.1"]);
    let load = sound(&gateway);
    *state.lock().expect("no panic while holding it") = false;
    std::thread::sleep(outage());
    assert_sound(load);
    let _ = gateway.logged(&["discovery fails, the last list stays in force", "answered 500"]);
    drop(agent);
    gateway.restart();
    assert_eq!(servers(&gateway), ["127.0.4.1"]);
    let _ = gateway.logged(&["the last list of an earlier run is in force"]);
}

#[test]
fn a_file_lists_further_endpoints_and_a_broken_one_changes_nothing() {
    let (_upstreams, port) = upstreams(["127.0.5.1", "127.0.5.2"]);
    let folder = tempfile::tempdir().expect("a temporary folder can be made");
    fs::create_dir(folder.path().join("plugins")).expect("the folder is writable");
    let path = folder.path().join("orders.json");
    fs::write(&path, format!(r#"["127.0.5.2:{port}"]"#)).expect("the folder is writable");
    let mut config = config(json!({ "type": "file", "path": "orders.json" }));
    config["upstreams"]["app"]["endpoints"] = json!([format!("127.0.5.1:{port}")]);
    let mut gateway = Gateway::start_in(folder, config);
    assert_eq!(servers(&gateway), ["127.0.5.1", "127.0.5.2"]);
    fs::write(&path, "[").expect("the folder is writable");
    let _ = gateway.logged(&[
        "discovery fails, the last list stays in force",
        "expected an array of endpoints",
    ]);
    assert_eq!(servers(&gateway), ["127.0.5.1", "127.0.5.2"]);
    fs::write(&path, "[]").expect("the folder is writable");
    moved_to(&gateway, &["127.0.5.1"]);
    fs::write(&path, format!(r#"["127.0.5.2:{port}"]"#)).expect("the folder is writable");
    moved_to(&gateway, &["127.0.5.1", "127.0.5.2"]);
    gateway.reconfigure(|config| {
        config["upstreams"]["app"]
            .as_object_mut()
            .expect("an object")
            .remove("discovery");
    });
    moved_to(&gateway, &["127.0.5.1"]);
}

#[test]
fn without_a_first_list_the_gateway_starts_and_the_upstream_alone_is_unavailable() {
    let (_upstreams, port) = upstreams(["127.0.6.1"]);
    let mute = std::net::TcpListener::bind("127.0.0.1:0").expect("loopback has a free port");
    let url = format!("http://{}", mute.local_addr().expect("a bound socket has an address"));
    let gateway = Gateway::start(json!({
        "upstreams": {
            "late": { "discovery": { "type": "consul", "service": "orders", "url": url } },
            "app": { "endpoints": [format!("127.0.6.1:{port}")] },
        },
        "routes": [{ "match": { "path_prefix": "/late" }, "upstream": "late" }, { "upstream": "app" }],
    }));
    assert_eq!(gateway.get("/").status(), 200);
    assert_eq!(gateway.get("/late").status(), 503);
    assert_eq!(gateway.ask_admin("/readyz").status(), 200);
}
