//! Endpoints that are given by host name: a change of the records is followed, and a DNS server that fails harms nobody. With a real
//! dnsmasq.

use lockgate_tests::load::Load;
use lockgate_tests::process::DnsServer;
use lockgate_tests::upstream::eventually;
use lockgate_tests::{Gateway, Upstream, get};
use serde_json::{Value, json};
use std::fs;
use std::net::{IpAddr, SocketAddr};
use std::time::{Duration, Instant};

/// Upstreams on one port of several addresses of this machine, each of which answers with its address.
fn upstreams(addresses: [&'static str; 2]) -> ([Upstream; 2], u16) {
    let port = Upstream::nobody().port();
    let at = |text: &'static str| {
        let ip: IpAddr = text.parse().expect("an address");
        Upstream::named_at(SocketAddr::new(ip, port), text)
    };
    (addresses.map(at), port)
}

fn config(dns: &DnsServer, endpoint: &str) -> Value {
    json!({
        "workers": 2,
        "resolver": { "servers": [dns.address.to_string()], "timeout": "500ms" },
        "upstreams": { "app": { "endpoints": [endpoint] } },
    })
}

fn server(gateway: &Gateway) -> String {
    gateway.get("/").text()
}

fn threads(gateway: &Gateway) -> usize {
    let tasks = fs::read_dir(format!("/proc/{}/task", gateway.pid())).expect("it runs");
    tasks.count()
}

#[test]
fn a_changed_record_moves_traffic_within_two_seconds_though_the_old_address_answers() {
    let (_upstreams, port) = upstreams(["127.0.0.2", "127.0.0.3"]);
    let dns = DnsServer::start("127.0.0.2 orders.test\n", 0, &[]);
    let gateway = Gateway::start(config(&dns, &format!("orders.test:{port}")));
    let load = Load::start(gateway.address(), 200, &get("/"), |answer| answer.status() == 200);
    eventually("there is load", Duration::from_secs(5), || load.answered() > 100);
    for address in ["127.0.0.3", "127.0.0.2"] {
        dns.set(&format!("{address} orders.test\n"));
        let moved = eventually("the traffic moves", Duration::from_secs(5), || {
            (0..4).all(|_| server(&gateway) == address)
        });
        assert!(moved < Duration::from_secs(2), "{moved:?}");
        for _ in 0..50 {
            assert_eq!(server(&gateway), address, "a kept connection is not used again");
        }
    }
    let result = load.finish();
    assert!(result.failures.is_empty(), "{:?}", result.failures);
}

#[test]
fn all_addresses_of_a_name_are_used_and_one_that_refuses_fails_no_request() {
    let (_upstreams, port) = upstreams(["127.0.0.4", "127.0.0.5"]);
    let dns = DnsServer::start(
        "127.0.0.4 orders.test\n127.0.0.5 orders.test\n127.0.0.6 orders.test\n",
        60,
        &[],
    );
    let mut config = config(&dns, &format!("orders.test:{port}"));
    config["upstreams"]["app"]["max_idle"] = json!(0);
    let gateway = Gateway::start(config);
    let mut counts = [0, 0];
    for _ in 0..60 {
        match server(&gateway).as_str() {
            "127.0.0.4" => counts[0] += 1,
            "127.0.0.5" => counts[1] += 1,
            other => panic!("{other}"),
        }
    }
    assert!(counts.iter().all(|count| *count > 15), "{counts:?}");
}

#[test]
fn a_mute_dns_server_fails_no_request_and_makes_no_threads() {
    let (_upstreams, port) = upstreams(["127.0.0.7", "127.0.0.8"]);
    let dns = DnsServer::start("127.0.0.7 orders.test\n", 0, &[]);
    let mut config = config(&dns, &format!("orders.test:{port}"));
    // Every request makes a connection.
    config["upstreams"]["app"]["max_idle"] = json!(0);
    config["upstreams"]["lost"] = json!({ "endpoints": [format!("lost.test:{port}")], "connect_timeout": "1s" });
    config["routes"] = json!([
        { "match": { "path_prefix": "/lost" }, "upstream": "lost" },
        { "upstream": "app" },
    ]);
    let gateway = Gateway::start(config);
    assert_eq!(server(&gateway), "127.0.0.7");
    let before = threads(&gateway);
    dns.mute(true);
    // LONG=60 is the promise to the letter.
    let seconds = std::env::var("LONG")
        .ok()
        .and_then(|text| text.parse().ok())
        .unwrap_or(6);
    let load = Load::start(gateway.address(), 200, &get("/"), |answer| answer.status() == 200);
    let lost = Load::start(gateway.address(), 50, &get("/lost"), |answer| {
        matches!(answer.status(), 502 | 504)
    });
    let until = Instant::now() + Duration::from_secs(seconds);
    while Instant::now() < until {
        let now = threads(&gateway);
        assert!(now <= before + 2, "{now} threads instead of {before}");
        std::thread::sleep(Duration::from_millis(200));
    }
    for load in [load, lost] {
        let result = load.finish();
        assert!(result.failures.is_empty(), "{:?}", result.failures.first());
        assert!(result.answered > 0);
    }
    let _ = gateway.logged(&[
        "host name cannot be resolved, its last addresses stay in use",
        "orders.test",
    ]);
    dns.mute(false);
    dns.set("127.0.0.8 orders.test\n");
    eventually("the name is followed again", Duration::from_secs(12), || {
        server(&gateway) == "127.0.0.8"
    });
    let _ = gateway.logged(&["host name resolves again", "orders.test"]);
}

#[test]
fn a_name_that_is_taken_away_keeps_its_last_addresses_and_one_that_never_was_is_named_in_the_log() {
    let (_upstreams, port) = upstreams(["127.0.0.9", "127.0.0.10"]);
    let dns = DnsServer::start("127.0.0.9 orders.test\n", 0, &[]);
    let mut config = config(&dns, &format!("orders.test:{port}"));
    config["upstreams"]["typo"] = json!({ "endpoints": [format!("odrers.test:{port}")] });
    config["routes"] = json!([
        { "match": { "path_prefix": "/typo" }, "upstream": "typo" },
        { "upstream": "app" },
    ]);
    let gateway = Gateway::start(config);
    assert_eq!(server(&gateway), "127.0.0.9");
    let refused = gateway.get("/typo");
    assert_eq!(refused.status(), 502);
    assert!(!refused.text().contains("odrers"), "a detail leaks no address");
    let _ = gateway.logged(&["host name cannot be resolved", "odrers.test", "NXDOMAIN"]);
    dns.set("127.0.0.1 other.test\n");
    let _ = gateway.logged(&["its last addresses stay in use", "orders.test", "NXDOMAIN"]);
    assert_eq!(server(&gateway), "127.0.0.9");
}

#[test]
fn a_reload_takes_another_dns_server() {
    let (_upstreams, port) = upstreams(["127.0.0.11", "127.0.0.12"]);
    let dns = DnsServer::start("127.0.0.11 orders.test\n", 600, &[]);
    let other = DnsServer::start("127.0.0.12 orders.test\n", 600, &[]);
    let mut gateway = Gateway::start(config(&dns, &format!("orders.test:{port}")));
    assert_eq!(server(&gateway), "127.0.0.11");
    gateway.reconfigure(|config| config["resolver"]["servers"] = json!([other.address.to_string()]));
    eventually("the other server's record is used", Duration::from_secs(5), || {
        server(&gateway) == "127.0.0.12"
    });
}
