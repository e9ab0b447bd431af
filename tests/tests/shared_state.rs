//! State that workers share: values of `lockgate.kv` and shared data, caches with one fetch for all, records that survive the plugin's end.

use std::collections::HashSet;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Barrier, Mutex};
use std::thread;
use std::time::{Duration, Instant};

use lockgate_tests::upstream::{Then, eventually};
use lockgate_tests::{Gateway, Upstream, get};
use serde_json::{Value, json};

const WORKERS: usize = 2;
const CONNECTIONS: usize = 24;
const KEYS: usize = 4000;

fn gateway(upstreams: &[(&str, &Upstream)], change: impl FnOnce(&mut Value)) -> Gateway {
    let endpoints = upstreams.iter().map(|(name, upstream)| {
        let endpoints = json!({ "endpoints": [upstream.address().to_string()] });
        ((*name).to_owned(), endpoints)
    });
    let mut upstreams: serde_json::Map<_, _> = endpoints.collect();
    for name in ["service", "audit", "app"] {
        let nowhere = json!({ "endpoints": ["127.0.0.1:9"] });
        upstreams.entry(name).or_insert(nowhere);
    }
    let mut config = json!({
        "workers": WORKERS,
        "upstreams": upstreams,
        "plugins": { "state": { "module": "state" } },
        "routes": [{ "name": "all", "match": { "path_prefix": "/" }, "chain": ["state"], "upstream": "app" }],
    });
    change(&mut config);
    Gateway::start(config)
}

/// Every key is counted by two connections at about the same time, and from both workers.
fn counts_of_fresh_keys(what: &str) {
    let gateway = gateway(&[], |_| {});
    let address = gateway.address();
    let barrier = Arc::new(Barrier::new(CONNECTIONS));
    let threads: Vec<_> = (0..CONNECTIONS)
        .map(|connection| {
            let (barrier, what) = (barrier.clone(), what.to_owned());
            thread::spawn(move || {
                let mut wire = lockgate_tests::Wire::connect(address);
                barrier.wait();
                let mut seen = Vec::new();
                let pairs = CONNECTIONS / 2;
                for key in (0..KEYS).filter(|key| key % pairs == connection / 2) {
                    let answer = wire.exchange(&get(&format!("/{what}/fresh-{key}"))).expect("an answer");
                    assert_eq!(answer.status(), 200, "{}", answer.text());
                    seen.push((key, answer.text()));
                }
                seen
            })
        })
        .collect();
    let seen: HashSet<_> = threads
        .into_iter()
        .flat_map(|thread| thread.join().expect("no connection fails"))
        .collect();
    // Of two writers, one has seen 1 and the other 2. A lost update would be 1 twice.
    assert_eq!(seen.len(), 2 * KEYS);
}

#[test]
fn no_first_write_of_a_value_is_lost_between_two_workers() {
    counts_of_fresh_keys("kv");
}

#[test]
fn no_first_write_of_shared_data_is_lost_between_two_workers() {
    counts_of_fresh_keys("data");
}

/// Sends `count` requests at once, each on a connection of its own, and returns their statuses and texts.
fn at_once(gateway: &Gateway, count: usize, path: &'static str) -> Vec<(u16, String)> {
    let address = gateway.address();
    let threads: Vec<_> = (0..count)
        .map(|_| {
            thread::spawn(move || {
                let answer = lockgate_tests::Wire::connect(address)
                    .exchange(&get(path))
                    .expect("an answer");
                (answer.status(), answer.text())
            })
        })
        .collect();
    threads
        .into_iter()
        .map(|thread| thread.join().expect("an answer"))
        .collect()
}

#[test]
fn one_request_fetches_for_the_waiting_ones_of_all_workers() {
    let calls = Arc::new(AtomicUsize::new(0));
    let counted = calls.clone();
    let service = Upstream::scripted(move |_, wire| {
        counted.fetch_add(1, Ordering::Relaxed);
        thread::sleep(Duration::from_millis(300));
        wire.write(b"HTTP/1.1 200 OK\r\ncontent-length: 4\r\n\r\nfine")?;
        Ok(Then::KeepAlive)
    });
    let gateway = gateway(&[("service", &service)], |_| {});
    let answers = at_once(&gateway, 40, "/cache/a");
    assert!(
        answers.iter().all(|answer| *answer == (200, "fine".to_owned())),
        "{answers:?}"
    );
    assert_eq!(calls.load(Ordering::Relaxed), 1);
}

#[test]
fn a_service_that_hangs_costs_forty_requests_one_timeout() {
    let calls = Arc::new(AtomicUsize::new(0));
    let counted = calls.clone();
    let service = Upstream::scripted(move |_, _| {
        counted.fetch_add(1, Ordering::Relaxed);
        thread::sleep(Duration::from_secs(3));
        Ok(Then::Close)
    });
    let gateway = gateway(&[("service", &service)], |_| {});
    let start = Instant::now();
    let answers = at_once(&gateway, 40, "/cache/a");
    let took = start.elapsed();
    assert!(answers.iter().all(|(status, _)| *status == 500), "{answers:?}");
    assert!(
        took >= Duration::from_secs(1) && took < Duration::from_millis(1900),
        "{took:?}"
    );
    assert_eq!(calls.load(Ordering::Relaxed), 1);
}

#[test]
fn without_room_a_write_is_an_error_in_the_plugin() {
    let gateway = gateway(&[], |config| {
        config["kv"] = json!({ "bytes": "64KiB", "plugin_bytes": "32KiB", "max_value": "16KiB" });
        config["plugins"]["other"] = json!({ "module": "state" });
        let route = json!({ "name": "other", "match": { "path_prefix": "/", "headers": { "x-other": "1" } }, "chain": ["other"], "upstream": "app" });
        config["routes"].as_array_mut().expect("a list").push(route);
    });
    let fill = |key: &str, size: usize| gateway.get(&format!("/fill/{key}?size={size}")).status();
    assert_eq!(
        (fill("a", 15_000), fill("b", 15_000), fill("c", 15_000)),
        (200, 200, 500)
    );
    let _ = gateway.logged(&["on_request: lockgate.kv is full"]);
    assert_eq!(fill("a", 17_000), 500);
    let _ = gateway.logged(&["lockgate.kv returned BAD_ARGUMENT"]);
    // What is there can be replaced, and another plugin has room of its own.
    assert_eq!(fill("a", 15_000), 200);
    let other = gateway.send(get("/fill/c?size=15000").header("x-other", "1"));
    assert_eq!(other.status(), 200);
    let refused = gateway.metrics().sum(
        "lockgate_plugin_refusals_total",
        &[("plugin", "state"), ("reason", "kv")],
    );
    assert_eq!(refused, 1.0);
}

#[test]
fn shared_data_past_its_bound_is_an_error_in_the_plugin() {
    let gateway = gateway(&[], |_| {});
    let fill = |key: usize| gateway.get(&format!("/filldata/k{key}?size=1000000")).status();
    let written = (0..80).take_while(|key| fill(*key) == 200).count();
    assert!((60..68).contains(&written), "{written}");
    let _ = gateway.logged(&["proxy_set_shared_data returned INTERNAL_FAILURE"]);
    // The value was refused, not lost: the next one is refused, too.
    assert_eq!(fill(79), 500);
}

#[test]
fn plugins_share_shared_data_by_their_vm_id_and_otherwise_not() {
    let gateway = gateway(&[], |config| {
        config["plugins"] = json!({
            "state": { "module": "state" },
            "alone": { "module": "state" },
            "one": { "module": "state", "vm_id": "both" },
            "two": { "module": "state", "vm_id": "both" },
        });
        let routes = ["alone", "one", "two"].map(|name| {
            json!({ "name": name, "match": { "path_prefix": "/", "headers": { "x-plugin": name } }, "chain": [name], "upstream": "app" })
        });
        config["routes"].as_array_mut().expect("a list").extend(routes);
    });
    let count = |plugin: &str| gateway.send(get("/data/k").header("x-plugin", plugin)).text();
    let counts = ["state", "alone", "state", "one", "two", "alone"].map(count);
    assert_eq!(counts, ["1", "1", "2", "1", "2", "2"]);
}

/// Fifty records over both workers. None has been sent yet.
fn noted(change: impl FnOnce(&mut Gateway)) {
    let records = Arc::new(Mutex::new(Vec::new()));
    let kept = records.clone();
    let audit = Upstream::scripted(move |request, wire| {
        kept.lock()
            .expect("no panic")
            .extend(request.text().lines().map(str::to_owned));
        wire.write(b"HTTP/1.1 204 No Content\r\n\r\n")?;
        Ok(Then::KeepAlive)
    });
    let mut gateway = gateway(&[("audit", &audit)], |_| {});
    for index in 0..50 {
        assert_eq!(
            gateway
                .connect()
                .exchange(&get(&format!("/note/{index}")))
                .expect("an answer")
                .status(),
            200
        );
    }
    assert!(records.lock().expect("no panic").is_empty());
    change(&mut gateway);
    eventually("all records arrive", Duration::from_secs(10), || {
        records.lock().expect("no panic").len() >= 50
    });
    let mut seen: Vec<usize> = records
        .lock()
        .expect("no panic")
        .iter()
        .map(|text| text.parse().expect("a number"))
        .collect();
    seen.sort_unstable();
    assert_eq!(seen, (0..50).collect::<Vec<_>>());
}

#[test]
fn records_survive_the_end_of_the_gateway() {
    noted(|gateway| assert!(gateway.stop(Duration::from_secs(15)).success()));
}

#[test]
fn records_survive_a_reload() {
    noted(|gateway| gateway.reconfigure(|config| config["plugins"]["state"]["env"] = json!({ "A": "b" })));
}
