//! The resolver against a DNS server that answers as it is told, over UDP and TCP.

#[path = "resolver/server.rs"]
mod server;

use std::io;
use std::net::IpAddr;
use std::sync::Arc;
use std::time::{Duration, Instant};

use lockgate_client::Resolve;
use lockgate_resolver::{Families, Resolver, ResolverSettings, ServerAddress};
use lockgate_units::Period;
use server::{Rule, Server};

fn settings(servers: &[&Server]) -> ResolverSettings {
    ResolverSettings {
        servers: servers.iter().map(|server| ServerAddress(server.address)).collect(),
        timeout: Period(Duration::from_millis(300)),
        attempts: 1,
        min_ttl: Period(Duration::from_millis(50)),
        ..ResolverSettings::default()
    }
}

async fn resolve(resolver: &Resolver, name: &str) -> io::Result<Vec<IpAddr>> {
    let record = resolver.resolve(&name.into()).await?;
    let mut addresses = record.addresses().to_vec();
    addresses.sort_unstable();
    Ok(addresses)
}

fn ips(texts: &[&str]) -> Vec<IpAddr> {
    texts.iter().map(|text| text.parse().expect("an address")).collect()
}

/// Waits until a name has these addresses.
async fn becomes(resolver: &Resolver, name: &str, expected: &[&str]) {
    let began = Instant::now();
    loop {
        let found = resolve(resolver, name).await.expect("it had addresses before");
        if found == ips(expected) {
            return;
        }
        assert!(
            began.elapsed() < Duration::from_secs(5),
            "{found:?} instead of {expected:?}"
        );
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
}

#[tokio::test]
async fn both_families_are_used_and_a_changed_record_is_followed() {
    let server = Server::start();
    server.set("orders.test.", Rule::addresses(&["10.0.0.1", "10.0.0.2", "::9"], 0));
    let resolver = Resolver::start(&settings(&[&server])).expect("a thread");
    let first = resolve(&resolver, "orders.test").await.expect("it has addresses");
    assert_eq!(first, ips(&["10.0.0.1", "10.0.0.2", "::9"]));
    server.set("orders.test.", Rule::addresses(&["10.0.0.3"], 0));
    becomes(&resolver, "orders.test", &["10.0.0.3"]).await;
}

#[tokio::test]
async fn a_name_is_asked_for_once_however_many_wait() {
    let server = Server::start();
    server.set(
        "orders.test.",
        Rule::addresses(&["10.0.0.1"], 60).after(Duration::from_millis(100)),
    );
    let resolver = Resolver::start(&settings(&[&server])).expect("a thread");
    let waiting: Vec<_> = (0..200)
        .map(|_| {
            let resolver = resolver.clone();
            tokio::spawn(async move { resolve(&resolver, "orders.test").await })
        })
        .collect();
    for waiting in waiting {
        assert_eq!(waiting.await.expect("no panic").expect("addresses"), ips(&["10.0.0.1"]));
    }
    assert_eq!(server.queries("orders.test."), 2, "one for each family");
}

#[tokio::test]
async fn the_last_addresses_serve_while_lookups_fail() {
    let server = Server::start();
    server.set("orders.test.", Rule::addresses(&["10.0.0.1"], 0));
    let resolver = Resolver::start(&settings(&[&server])).expect("a thread");
    resolve(&resolver, "orders.test").await.expect("it has an address");
    for rule in [Rule::mute(), Rule::code(2), Rule::code(3), Rule::addresses(&[], 0)] {
        server.set("orders.test.", rule);
        let before = server.queries("orders.test.");
        let began = Instant::now();
        while server.queries("orders.test.") < before + 4 {
            let asked = Instant::now();
            assert_eq!(
                resolve(&resolver, "orders.test").await.expect("kept"),
                ips(&["10.0.0.1"])
            );
            assert!(asked.elapsed() < Duration::from_millis(100), "nobody waits");
            assert!(began.elapsed() < Duration::from_secs(30));
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
        server.set("orders.test.", Rule::addresses(&["10.0.0.2"], 0));
        becomes_after_failures(&resolver, "10.0.0.2").await;
        server.set("orders.test.", Rule::addresses(&["10.0.0.1"], 0));
        becomes(&resolver, "orders.test", &["10.0.0.1"]).await;
    }
}

/// The pause between attempts grows up to ten seconds.
async fn becomes_after_failures(resolver: &Resolver, expected: &str) {
    let began = Instant::now();
    while resolve(resolver, "orders.test").await.expect("kept") != ips(&[expected]) {
        assert!(began.elapsed() < Duration::from_secs(12));
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
}

#[tokio::test]
async fn a_name_without_answer_delays_no_other_and_fails_in_time() {
    let server = Server::start();
    for index in 0..100 {
        server.set(&format!("mute-{index}.test."), Rule::mute());
    }
    server.set("orders.test.", Rule::addresses(&["10.0.0.1"], 60));
    let resolver = Resolver::start(&settings(&[&server])).expect("a thread");
    let threads = threads();
    let mute: Vec<_> = (0..100)
        .map(|index| {
            let resolver = resolver.clone();
            tokio::spawn(async move { resolve(&resolver, &format!("mute-{index}.test")).await })
        })
        .collect();
    tokio::time::sleep(Duration::from_millis(50)).await;
    let began = Instant::now();
    resolve(&resolver, "orders.test").await.expect("it has an address");
    assert!(began.elapsed() < Duration::from_millis(200), "{:?}", began.elapsed());
    assert!(threads_since(threads) < 3, "lookups take no threads");
    for waiting in mute {
        let error = waiting.await.expect("no panic").expect_err("no answer");
        assert!(error.to_string().contains("does not answer"), "{error}");
    }
    assert!(began.elapsed() < Duration::from_secs(2));
}

fn threads() -> usize {
    std::fs::read_dir("/proc/self/task").map_or(0, Iterator::count)
}

fn threads_since(before: usize) -> usize {
    threads().saturating_sub(before)
}

#[tokio::test]
async fn a_failure_is_not_asked_for_again_at_once_and_passes() {
    let server = Server::start();
    server.set("orders.test.", Rule::code(3));
    let resolver = Resolver::start(&settings(&[&server])).expect("a thread");
    let began = Instant::now();
    for _ in 0..50 {
        let error = resolve(&resolver, "orders.test").await.expect_err("no such name");
        assert!(error.to_string().contains("NXDOMAIN"), "{error}");
    }
    // One for each kind of address; both again when a second has passed.
    let seconds = began.elapsed().as_secs() as usize;
    let queries = server.queries("orders.test.");
    assert!((2..=2 * (seconds + 1)).contains(&queries), "{queries} in {seconds} s");
    server.set("orders.test.", Rule::addresses(&["10.0.0.1"], 60));
    tokio::time::sleep(Duration::from_millis(1100)).await;
    assert_eq!(
        resolve(&resolver, "orders.test").await.expect("it exists now"),
        ips(&["10.0.0.1"])
    );
}

#[tokio::test]
async fn a_truncated_answer_is_asked_for_over_tcp() {
    let server = Server::start();
    let many: Vec<String> = (1..=200).map(|last| format!("10.0.0.{last}")).collect();
    let many: Vec<&str> = many.iter().map(String::as_str).collect();
    server.set("orders.test.", Rule::addresses(&many, 60).truncated());
    let resolver = Resolver::start(&settings(&[&server])).expect("a thread");
    assert_eq!(resolve(&resolver, "orders.test").await.expect("over TCP").len(), 200);
}

#[tokio::test]
async fn the_next_server_is_asked_and_a_mute_one_comes_last_for_a_while() {
    let (mute, working) = (Server::start(), Server::start());
    for name in ["a.test.", "b.test.", "c.test."] {
        mute.set(name, Rule::mute());
        working.set(name, Rule::addresses(&["10.0.0.1"], 60));
    }
    let resolver = Resolver::start(&settings(&[&mute, &working])).expect("a thread");
    for (name, most) in [("a.test", 600), ("b.test", 150), ("c.test", 150)] {
        let began = Instant::now();
        resolve(&resolver, name).await.expect("the second server answers");
        assert!(
            began.elapsed() < Duration::from_millis(most),
            "{name}: {:?}",
            began.elapsed()
        );
    }
}

#[tokio::test]
async fn answers_of_strangers_and_malformed_ones_are_not_believed() {
    let server = Server::start();
    server.set(
        "forged.test.",
        Rule::addresses(&["10.0.0.1"], 60).behind_a_forged_answer(),
    );
    server.set("garbage.test.", Rule::garbage());
    server.set("loop.test.", Rule::alias_loop());
    server.set("filtered.test.", Rule::addresses(&["0.0.0.0"], 60));
    server.set("old.test.", Rule::addresses(&["10.0.0.2"], 60).without_edns());
    let resolver = Resolver::start(&settings(&[&server])).expect("a thread");
    assert_eq!(
        resolve(&resolver, "forged.test").await.expect("the true answer"),
        ips(&["10.0.0.1"])
    );
    assert_eq!(
        resolve(&resolver, "old.test").await.expect("without EDNS"),
        ips(&["10.0.0.2"])
    );
    for (name, reason) in [
        ("garbage.test", "malformed"),
        ("loop.test", "malformed"),
        ("filtered.test", "no such record"),
    ] {
        let error = resolve(&resolver, name).await.expect_err("no address").to_string();
        assert!(error.contains(reason), "{name}: {error}");
    }
}

#[tokio::test]
async fn names_are_completed_and_hosts_are_not_looked_up() {
    let server = Server::start();
    server.set("orders.prod.test.", Rule::alias("real.test.", &["10.0.0.1"], 60));
    let hosts = tempfile::NamedTempFile::new().expect("a file");
    std::fs::write(hosts.path(), "10.0.0.7 payments\n").expect("written");
    let settings = ResolverSettings {
        search: Some(vec!["dev.test".into(), "prod.test".into()]),
        hosts: hosts.path().to_owned(),
        families: Families::Ipv4,
        ..settings(&[&server])
    };
    let resolver = Resolver::start(&settings).expect("a thread");
    assert_eq!(
        resolve(&resolver, "orders").await.expect("an alias"),
        ips(&["10.0.0.1"])
    );
    assert_eq!(
        resolve(&resolver, "payments").await.expect("a host"),
        ips(&["10.0.0.7"])
    );
    assert_eq!(
        resolve(&resolver, "localhost").await.expect("this machine"),
        ips(&["127.0.0.1"])
    );
    assert_eq!(server.queries("orders.dev.test."), 1, "IPv6 is not asked for");
    assert_eq!(server.queries("payments."), 0);
    std::fs::write(hosts.path(), "10.0.0.77 payments\n").expect("written");
    becomes(&resolver, "payments", &["10.0.0.77"]).await;
}

#[tokio::test]
async fn a_service_has_its_servers_with_weight_and_priority() {
    let server = Server::start();
    server.set(
        "_http._tcp.orders.test.",
        Rule::services(&[(10, 3, 81, "a.test."), (20, 0, 82, "b.test.")], 7),
    );
    server.set("_none._tcp.test.", Rule::services(&[(0, 0, 0, ".")], 7));
    let resolver = Resolver::start(&settings(&[&server])).expect("a thread");
    let services = resolver.services("_http._tcp.orders.test").await.expect("two servers");
    assert_eq!(services.ttl, Duration::from_secs(7));
    let first = &services.list[0];
    assert_eq!(
        (first.priority, first.weight, first.port, first.target.as_str()),
        (10, 3, 81, "a.test.")
    );
    assert_eq!(services.list.len(), 2);
    assert!(
        resolver
            .services("_none._tcp.test")
            .await
            .is_err_and(|error| error.is_negative())
    );
    assert!(
        resolver
            .services("_other._tcp.test")
            .await
            .is_err_and(|error| error.is_negative())
    );
}

#[tokio::test]
async fn a_watch_makes_lookups_as_frequent_as_it_wants_and_new_settings_apply_at_once() {
    let (server, other) = (Server::start(), Server::start());
    server.set("orders.test.", Rule::addresses(&["10.0.0.1"], 3600));
    other.set("orders.test.", Rule::addresses(&["10.0.0.2"], 3600));
    let resolver = Resolver::start(&settings(&[&server])).expect("a thread");
    let name: Arc<str> = "orders.test".into();
    resolver.pin([Arc::clone(&name)]);
    becomes(&resolver, "orders.test", &["10.0.0.1"]).await;
    let mut watch = resolver
        .watch(&name, Some(Duration::from_millis(50)))
        .expect("few names");
    let began = Instant::now();
    let first = watch.looked_up().await.lookups;
    while watch.changed().await.lookups < first + 5 {
        assert!(began.elapsed() < Duration::from_secs(2));
    }
    drop(watch);
    resolver.set(&settings(&[&other]));
    becomes(&resolver, "orders.test", &["10.0.0.2"]).await;
    let queries = other.queries("orders.test.");
    tokio::time::sleep(Duration::from_millis(300)).await;
    assert!(
        other.queries("orders.test.") <= queries + 2,
        "without the watch the TTL counts"
    );
}
