//! How long a tunnel lives, and how it is counted.

use super::*;
use lockgate_tests::upstream::eventually;
use std::thread;
use std::time::{Duration, Instant};

const SOON: Duration = Duration::from_secs(5);

#[test]
fn a_tunnel_outlives_reloads_even_those_that_take_away_what_it_came_by() {
    let upstream = echo();
    let mut gateway = gateway(&upstream);
    let mut wire = tunnel(&gateway);
    exchange(&mut wire, b"before");
    for nth in 0..20 {
        gateway.reconfigure(|config| config["routes"][0]["name"] = format!("chat {nth}").into());
        eventually("the route is new", SOON, || {
            gateway
                .ask_admin("/metrics")
                .text()
                .contains(&format!("lockgate_config_revision {}", nth + 2))
                || {
                    let mut wire = gateway.connect();
                    wire.exchange(&lockgate_tests::get("/").header("host", "a"))
                        .is_ok_and(|answer| answer.status() == 200)
                }
        });
        exchange(&mut wire, format!("during {nth}").as_bytes());
    }
    // Its listener, its route and its upstream go.
    let other = Upstream::fixed("another");
    let before = gateway.address();
    gateway.reconfigure(|config| {
        config["listeners"] = json!({ "other": { "listen": Upstream::nobody().to_string() } });
        config["upstreams"] = json!({ "other": { "endpoints": [other.address().to_string()] } });
        config["routes"] = json!([{ "name": "other", "upstream": "other" }]);
    });
    eventually("the listener is gone", SOON, || Wire::try_connect(before).is_err());
    exchange(&mut wire, b"after");
    assert_eq!(gateway.metrics().sum("lockgate_tunnels", &[("listener", "web")]), 1.0);
    drop(wire);
    eventually("the tunnel is over", SOON, || {
        gateway.metrics().sum("lockgate_tunnels", &[]) == 0.0
    });
}

#[test]
fn a_tunnel_is_counted_while_it_is_open_and_logged_when_it_ends() {
    let upstream = echo();
    let gateway = gateway(&upstream);
    let mut wires = [tunnel(&gateway), tunnel(&gateway)];
    exchange(&mut wires[0], &[7; 5000]);
    let labels = [("listener", "web"), ("route", "chat")];
    let metrics = gateway.metrics();
    assert_eq!(metrics.sum("lockgate_tunnels", &labels), 2.0);
    assert_eq!(metrics.sum("lockgate_tunnels_total", &labels), 2.0);
    assert_eq!(
        metrics.sum("lockgate_requests_total", &[("route", "chat"), ("status", "101")]),
        2.0
    );
    assert_eq!(
        metrics.sum(
            "lockgate_upstream_requests_total",
            &[("upstream", "app"), ("status", "101")]
        ),
        2.0
    );
    assert_eq!(metrics.sum("lockgate_connections", &[]), 2.0);
    assert!(access_log(&gateway).is_empty());
    thread::sleep(Duration::from_millis(200));
    let [wire, other] = wires;
    wire.socket()
        .shutdown(std::net::Shutdown::Write)
        .expect("the client ends");
    eventually("the line is written", SOON, || !access_log(&gateway).is_empty());
    let line = access_log(&gateway).remove(0);
    assert_eq!(
        (&line["status"], &line["route"], &line["path"]),
        (&json!(101), &json!("chat"), &json!("/chat"))
    );
    assert_eq!((&line["bytes_in"], &line["bytes_out"]), (&json!(5000), &json!(5000)));
    assert!(
        line["abort_reason"].is_null() && line["duration_us"].as_u64() > Some(200_000),
        "{line}"
    );
    let metrics = gateway.metrics();
    assert_eq!(metrics.sum("lockgate_tunnels", &labels), 1.0);
    assert_eq!(metrics.sum("lockgate_requests_total", &[]), 2.0, "a tunnel counts once");
    for direction in ["received", "sent"] {
        let bytes = metrics.sum(
            "lockgate_tunnel_bytes_total",
            &[("route", "chat"), ("direction", direction)],
        );
        assert_eq!(bytes, 5000.0, "{direction}");
    }
    let durations = metrics.sum("lockgate_request_duration_seconds_sum", &labels);
    assert!(durations < 0.2, "{durations} s until two 101s");
    drop(other);
}

#[test]
fn time_limits_of_requests_end_with_the_101_and_silence_ends_the_tunnel() {
    let upstream = echo();
    let mut config = config(&upstream);
    config["routes"][0]["timeout"] = "300ms".into();
    config["upstreams"]["app"]["timeouts"] = json!({ "first_byte": "300ms", "idle": "300ms", "tunnel": "1500ms" });
    config["listeners"] = json!({ "web": { "limits": { "idle_timeout": "500ms", "header_timeout": "500ms", "write_timeout": "500ms" } } });
    let gateway = Gateway::start(config);
    let mut wire = tunnel(&gateway);
    for _ in 0..4 {
        thread::sleep(Duration::from_millis(900));
        exchange(&mut wire, b"ping");
    }
    let since = Instant::now();
    assert_eq!(wire.rest().expect("the end"), b"");
    let silence = since.elapsed();
    assert!(
        (Duration::from_millis(1400)..Duration::from_secs(4)).contains(&silence),
        "{silence:?}"
    );
    eventually("the line is written", SOON, || {
        access_log(&gateway)
            .iter()
            .any(|line| line["status"] == 101 && line["abort_reason"] == "idle_timeout")
    });
}

#[test]
fn a_drain_waits_for_tunnels_up_to_its_limit() {
    let upstream = echo();
    let mut config = config(&upstream);
    config["drain_timeout"] = "2s".into();
    let mut gateway = Gateway::start(config);
    let mut kept = tunnel(&gateway);
    let mut left = tunnel(&gateway);
    gateway.signal("TERM");
    let since = Instant::now();
    thread::sleep(Duration::from_millis(1200));
    exchange(&mut kept, b"during the drain");
    exchange(&mut left, b"during the drain");
    drop(left);
    assert_eq!(kept.rest().expect("the end"), b"");
    let drained = since.elapsed();
    assert!(
        (Duration::from_millis(1900)..Duration::from_secs(4)).contains(&drained),
        "{drained:?}"
    );
    assert_eq!(gateway.ended(SOON).code(), Some(0));
    let reasons: Vec<_> = access_log(&gateway)
        .iter()
        .map(|line| line["abort_reason"].clone())
        .collect();
    assert_eq!(reasons, [Value::Null, json!("drained")]);
}

#[test]
fn a_drain_ends_with_the_last_tunnel() {
    let upstream = echo();
    let mut config = config(&upstream);
    config["drain_timeout"] = "30s".into();
    let mut gateway = Gateway::start(config);
    let mut wire = tunnel(&gateway);
    gateway.signal("TERM");
    thread::sleep(Duration::from_millis(1000));
    exchange(&mut wire, b"goodbye");
    drop(wire);
    assert_eq!(gateway.ended(SOON).code(), Some(0));
}
