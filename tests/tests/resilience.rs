//! Upstreams with policies, end to end: one endpoint of three that fails is not seen, the breaker opens and falls back, places are limited,
//! and a reload forgets nothing.

use lockgate_tests::load::Load;
use lockgate_tests::upstream::{Then, answer, eventually};
use lockgate_tests::{Gateway, Upstream, get, post};
use serde_json::{Value, json};
use std::sync::Arc;
use std::sync::atomic::{AtomicU8, AtomicUsize, Ordering::Relaxed};
use std::thread;
use std::time::Duration;

/// How an endpoint behaves.
#[derive(Clone, Copy, Debug, PartialEq)]
#[repr(u8)]
enum Mood {
    Well,
    Hung,
    Slow,
    Resets,
    BreaksOff,
    Busy,
}

const MOODS: [Mood; 6] = [
    Mood::Well,
    Mood::Hung,
    Mood::Slow,
    Mood::Resets,
    Mood::BreaksOff,
    Mood::Busy,
];

/// An endpoint whose behaviour can change.
struct Endpoint {
    upstream: Upstream,
    mood: Arc<AtomicU8>,
}

impl Endpoint {
    fn new() -> Self {
        let mood = Arc::new(AtomicU8::new(Mood::Well as u8));
        let current = mood.clone();
        let upstream = Upstream::scripted(move |_, wire| match MOODS[usize::from(current.load(Relaxed))] {
            Mood::Well => answer(wire, 200, &[], "well"),
            Mood::Hung => {
                thread::sleep(Duration::from_secs(2));
                Ok(Then::Close)
            }
            Mood::Slow => {
                thread::sleep(Duration::from_millis(700));
                answer(wire, 200, &[], "late")
            }
            Mood::Resets => Ok(Then::Close),
            Mood::BreaksOff => {
                wire.write(b"HTTP/1.1 200 OK\r\ncontent-length: 100\r\n\r\nhalf")?;
                Ok(Then::Close)
            }
            Mood::Busy => answer(wire, 503, &[], "busy"),
        });
        Self { upstream, mood }
    }

    fn set(&self, mood: Mood) {
        self.mood.store(mood as u8, Relaxed);
    }

    fn address(&self) -> String {
        self.upstream.address().to_string()
    }
}

fn gateway(endpoints: &[&Endpoint], policies: Value) -> Gateway {
    let mut app = json!({ "endpoints": endpoints.iter().map(|endpoint| endpoint.address()).collect::<Vec<_>>() });
    let policies = policies.as_object().expect("policies").clone();
    app.as_object_mut().expect("an upstream").extend(policies);
    Gateway::start(json!({ "workers": 2, "admin": {}, "upstreams": { "app": app } }))
}

/// 300 requests a second for two seconds, of which so many fail.
fn failures_under_load(gateway: &Gateway) -> (usize, u64) {
    let load = Load::start(gateway.address(), 300, &get("/"), |response| {
        response.status() == 200 && response.text() == "well"
    });
    thread::sleep(Duration::from_secs(2));
    let result = load.finish();
    (result.failures.len(), result.answered)
}

#[test]
fn an_endpoint_that_fails_is_not_seen_and_comes_back_by_itself() {
    for mood in [Mood::Hung, Mood::Slow, Mood::Resets, Mood::Busy] {
        let endpoints = [Endpoint::new(), Endpoint::new(), Endpoint::new()];
        let gateway = gateway(
            &[&endpoints[0], &endpoints[1], &endpoints[2]],
            json!({
                "timeouts": { "try": "200ms" },
                "outlier_detection": { "consecutive_5xx": 3, "base_ejection_time": "1s", "interval": "1s" },
                "retry": { "attempts": 2, "on": ["connect", "reset", "timeout", "gateway-error"], "backoff": "1ms" },
            }),
        );
        endpoints[0].set(mood);
        let (failed, answered) = failures_under_load(&gateway);
        assert_eq!(failed, 0, "{mood:?}: of {answered} requests");
        assert!(answered > 300, "{mood:?}: {answered}");
        let line = gateway.logged(&["endpoint ejected", &endpoints[0].address()]);
        assert!(line.contains("consecutive_5xx"), "{line}");
        assert!(
            gateway
                .metrics()
                .sum("lockgate_upstream_ejections_total", &[("upstream", "app")])
                >= 1.0
        );
        endpoints[0].set(Mood::Well);
        eventually("the endpoint is back", Duration::from_secs(20), || {
            let _ = gateway.get("/");
            gateway.log().iter().any(|line| line.contains("endpoint back"))
        });
        let before = endpoints[0].upstream.begun();
        for _ in 0..30 {
            assert_eq!(gateway.get("/").status(), 200);
        }
        assert!(endpoints[0].upstream.begun() > before, "{mood:?}");
    }
}

#[test]
fn an_endpoint_that_breaks_off_is_ejected_after_as_many_failures_as_may_be() {
    let endpoints = [Endpoint::new(), Endpoint::new(), Endpoint::new()];
    let gateway = gateway(
        &[&endpoints[0], &endpoints[1], &endpoints[2]],
        json!({ "outlier_detection": { "consecutive_5xx": 3, "base_ejection_time": "1m" } }),
    );
    endpoints[0].set(Mood::BreaksOff);
    let (failed, answered) = failures_under_load(&gateway);
    // Those that were under way at the ejection fail, too.
    assert!((3..=13).contains(&failed), "{failed} of {answered}");
    let (failed, answered) = failures_under_load(&gateway);
    assert_eq!(failed, 0, "of {answered}");
}

#[test]
fn of_forty_requests_at_most_one_a_worker_meets_the_endpoint_that_fails() {
    let (bad, good) = (Endpoint::new(), Endpoint::new());
    bad.set(Mood::Busy);
    let gateway = gateway(
        &[&bad, &good],
        json!({ "outlier_detection": { "consecutive_5xx": 1, "base_ejection_time": "3m", "max_ejection_percent": 100 } }),
    );
    let failed = (0..40).filter(|_| gateway.get("/").status() == 503).count();
    assert_eq!(failed, 1);
    assert_eq!(bad.upstream.begun(), 1);
}

#[test]
fn a_post_that_may_have_arrived_is_sent_once() {
    let (bad, good) = (Endpoint::new(), Endpoint::new());
    bad.set(Mood::Resets);
    let gateway = gateway(
        &[&bad, &good],
        json!({ "retry": { "attempts": 3, "on": ["reset", "5xx"], "backoff": "1ms" } }),
    );
    let statuses: Vec<u16> = (0..10).map(|_| gateway.send(post("/", "once")).status()).collect();
    let failed = statuses.iter().filter(|status| **status == 502).count();
    assert_eq!(failed, 5, "{statuses:?}");
    assert_eq!(bad.upstream.begun() + good.upstream.begun(), 10);
}

#[test]
fn the_breaker_opens_answers_and_closes_and_a_reload_forgets_nothing() {
    let endpoint = Endpoint::new();
    endpoint.set(Mood::Busy);
    let mut gateway = gateway(
        &[&endpoint],
        json!({ "circuit_breaker": { "mode": "error_ratio", "threshold": 0.5, "min_requests": 5, "open": "2s", "half_open": 1 } }),
    );
    for _ in 0..5 {
        assert_eq!(gateway.get("/").text(), "busy");
    }
    let refused = gateway.get("/");
    assert_eq!((refused.status(), refused.header("retry-after")), (503, Some("2")));
    assert!(
        refused.text().contains("urn:lockgate:problem:circuit_open"),
        "{}",
        refused.text()
    );
    let state = |gateway: &Gateway, state: &str| {
        let labels = [("upstream", "app"), ("state", state)];
        gateway.metrics().sum("lockgate_upstream_breaker_state", &labels)
    };
    assert_eq!((state(&gateway, "open"), state(&gateway, "closed")), (1.0, 0.0));
    gateway.reconfigure(|config| {
        config["upstreams"]["app"]["circuit_breaker"]["fallback"] = json!({ "status": 200, "body": "later" });
    });
    let _ = gateway.logged(&["reloaded"]);
    let fallback = gateway.get("/");
    assert_eq!((fallback.status(), &*fallback.text()), (200, "later"));
    assert_eq!(endpoint.upstream.begun(), 5, "the reload has not closed it");
    endpoint.set(Mood::Well);
    thread::sleep(Duration::from_millis(2100));
    assert_eq!(state(&gateway, "half_open"), 1.0);
    assert_eq!(gateway.get("/").text(), "well");
    assert_eq!(state(&gateway, "closed"), 1.0);
    let opened = gateway.logged(&["circuit breaker opened", "\"app\""]);
    assert!(opened.contains("5 of 5 requests in 10s failed"), "{opened}");
}

#[test]
fn another_upstream_stands_in_while_the_breaker_is_open() {
    let (bad, good) = (Endpoint::new(), Endpoint::new());
    bad.set(Mood::Busy);
    let gateway = Gateway::start(json!({
        "upstreams": {
            "app": {
                "endpoints": [bad.address()],
                "circuit_breaker": { "mode": "volume", "threshold": 2, "open": "1m", "fallback": { "upstream": "spare" } },
            },
            "spare": { "endpoints": [good.address()] },
        },
        "routes": [{ "upstream": "app" }],
    }));
    let answers: Vec<String> = (0..4).map(|_| gateway.get("/").text()).collect();
    assert_eq!(answers, ["busy", "busy", "well", "well"]);
}

#[test]
fn requests_above_the_limit_wait_or_are_refused_with_a_time_to_come_back() {
    let active = Arc::new(AtomicUsize::new(0));
    let most = Arc::new(AtomicUsize::new(0));
    let (counted, highest) = (active.clone(), most.clone());
    let upstream = Upstream::scripted(move |_, wire| {
        highest.fetch_max(counted.fetch_add(1, Relaxed) + 1, Relaxed);
        thread::sleep(Duration::from_millis(300));
        counted.fetch_sub(1, Relaxed);
        answer(wire, 200, &[], "well")
    });
    let gateway = Gateway::start(json!({ "workers": 2, "admin": {}, "upstreams": { "app": {
        "endpoints": [upstream.address().to_string()],
        "concurrency": { "max": 2, "queue": 2, "queue_timeout": "2s" },
    } } }));
    let answers: Vec<_> = thread::scope(|scope| {
        let clients: Vec<_> = (0..8).map(|_| scope.spawn(|| gateway.get("/"))).collect();
        clients
            .into_iter()
            .map(|client| client.join().expect("an answer"))
            .collect()
    });
    let refused: Vec<_> = answers.iter().filter(|answer| answer.status() == 503).collect();
    assert_eq!(refused.len(), 4);
    for answer in refused {
        assert_eq!(answer.header("retry-after"), Some("2"));
        assert!(
            answer.text().contains("urn:lockgate:problem:concurrency_limit"),
            "{}",
            answer.text()
        );
    }
    assert_eq!(most.load(Relaxed), 2);
    assert_eq!(
        gateway
            .metrics()
            .sum("lockgate_upstream_shed_total", &[("reason", "queue_full")]),
        4.0
    );
    assert_eq!(gateway.metrics().sum("lockgate_upstream_concurrency", &[]), 0.0);
}

#[test]
fn a_timeout_says_which_one_it_was() {
    let hung = Endpoint::new();
    hung.set(Mood::Hung);
    for (key, words) in [("try", "timeouts.try"), ("first_byte", "timeouts.first_byte")] {
        let gateway = gateway(&[&hung], json!({ "timeouts": { key: "100ms" } }));
        let answer = gateway.get("/");
        assert_eq!(answer.status(), 504);
        assert!(answer.text().contains(words), "{}", answer.text());
        let line = gateway.logged(&["lockgate::requests", "upstream_timeout"]);
        assert!(line.contains(words), "{line}");
    }
}
