//! Copies of requests for a shadow upstream: what they are, and that nothing about the shadow reaches the client.

use std::thread;
use std::time::{Duration, Instant};

use lockgate_tests::curl::curl;
use lockgate_tests::http::Message;
use lockgate_tests::load::Load;
use lockgate_tests::metrics::Metrics;
use lockgate_tests::upstream::{answer, eventually};
use lockgate_tests::{Gateway, Upstream, get, post, request};
use serde_json::{Value, json};

const WITHIN: Duration = Duration::from_secs(5);

fn gateway(live: &Upstream, shadow: &str, mirror: &Value) -> Gateway {
    let mut settings = json!({ "upstream": "shadow" });
    let members = mirror.as_object().expect("an object").clone();
    settings.as_object_mut().expect("an object").extend(members);
    Gateway::start(json!({
        "upstreams": { "live": { "endpoints": [live.address().to_string()] }, "shadow": { "endpoints": [shadow] } },
        "plugins": { "headers": { "module": "headers", "config": { "request": { "set": { "x-by": "chain" } } } } },
        "routes": [
            { "name": "all", "chain": ["headers"], "upstream": "live", "rewrite": { "regex": "^/v1/", "to": "/v2/" }, "mirror": settings },
        ],
    }))
}

fn copies(metrics: &Metrics, result: &str) -> f64 {
    metrics.sum(
        "lockgate_mirrored_requests_total",
        &[("upstream", "shadow"), ("result", result)],
    )
}

/// What the shadow has got, once it is so many requests.
fn shadowed(shadow: &Upstream, count: usize) -> Vec<Message> {
    eventually("the copies arrive", WITHIN, || shadow.requests().len() >= count);
    shadow.requests()
}

#[test]
fn a_copy_is_the_request_as_the_chain_and_the_route_have_made_it() {
    let (live, shadow) = (Upstream::fixed("live"), Upstream::answering(500, &[], "shadow"));
    let gateway = gateway(&live, &shadow.address().to_string(), &json!({}));
    let requests = [
        get("/v1/a?q=1").header("host", "api.example:81"),
        request("HEAD", "/v1/b"),
        post("/v1/c", "a body").header("x-own", "1"),
        request("PUT", "/v1/d").chunks(&["chunk", "ed"], &[]),
        post("/v1/e", ""),
    ];
    for (at, request) in requests.into_iter().enumerate() {
        let response = gateway.send(request);
        assert_eq!(response.status(), 200);
        let (original, copy) = (live.last_request(), shadowed(&shadow, at + 1).pop().expect("a copy"));
        assert_eq!((copy.method(), copy.target()), (original.method(), original.target()));
        assert!(copy.target().starts_with("/v2/"));
        assert_eq!(copy.body, original.body);
        for name in ["host", "x-own", "x-request-id", "x-forwarded-for", "x-forwarded-proto"] {
            assert_eq!(copy.header(name), original.header(name), "{name}");
        }
        assert_eq!(copy.header("x-by"), Some("chain"));
        assert_eq!(copy.header("transfer-encoding"), None, "a copy has a length");
    }
    let url = format!("http://{}/v1/h2", gateway.address());
    let answer = curl(&["--http2-prior-knowledge", "-d", "over HTTP/2", &url]).expect("an answer");
    assert_eq!((answer.version.as_str(), answer.body.as_str()), ("2", "live"));
    let copy = shadowed(&shadow, 6).pop().expect("a copy");
    assert_eq!((copy.target(), copy.text().as_str()), ("/v2/h2", "over HTTP/2"));
    eventually("the copies are counted", WITHIN, || {
        copies(&gateway.metrics(), "sent") == 6.0
    });
    let metrics = gateway.metrics();
    let of = |upstream, status| {
        metrics.sum(
            "lockgate_upstream_requests_total",
            &[("upstream", upstream), ("status", status)],
        )
    };
    assert_eq!((of("live", "200"), of("shadow", "500")), (6.0, 6.0));
}

#[test]
fn the_host_of_copies_can_have_a_suffix() {
    let (live, shadow) = (Upstream::fixed("live"), Upstream::fixed("shadow"));
    let gateway = gateway(
        &live,
        &shadow.address().to_string(),
        &json!({ "host_suffix": "-shadow" }),
    );
    assert_eq!(gateway.send(get("/").header("host", "api.example:81")).status(), 200);
    assert_eq!(shadowed(&shadow, 1)[0].header("host"), Some("api.example-shadow:81"));
    assert_eq!(live.last_request().header("host"), Some("api.example:81"));
}

#[test]
fn a_share_of_the_requests_is_copied() {
    let (live, shadow) = (Upstream::fixed("live"), Upstream::fixed("shadow"));
    let gateway = gateway(&live, &shadow.address().to_string(), &json!({ "percent": 5 }));
    let mut wire = gateway.connect();
    (0..400).for_each(|_| assert_eq!(wire.exchange(&get("/")).expect("an answer").status(), 200));
    thread::sleep(Duration::from_millis(300));
    let copied = shadow.requests().len();
    assert!((19..=21).contains(&copied), "{copied} of 400 for 5 %");
}

#[test]
fn bodies_above_the_limit_and_bodies_without_an_end_are_not_copied() {
    let (live, shadow) = (Upstream::fixed("live"), Upstream::fixed("shadow"));
    let gateway = gateway(&live, &shadow.address().to_string(), &json!({ "max_body": "10B" }));
    assert_eq!(gateway.send(post("/", "eleven bytes")).text(), "live");
    assert_eq!(
        gateway
            .send(request("POST", "/").chunks(&["five.", "six..."], &[]))
            .text(),
        "live"
    );
    assert_eq!(live.last_request().text(), "five.six...");
    assert_eq!(copies(&gateway.metrics(), "too_large"), 2.0);
    let mut wire = gateway.connect();
    wire.write("POST / HTTP/1.1\r\nhost: a\r\ncontent-length: 9\r\n\r\nhalf")
        .expect("the gateway reads");
    thread::sleep(Duration::from_millis(200));
    drop(wire);
    eventually("half a body is counted", WITHIN, || {
        copies(&gateway.metrics(), "incomplete") == 1.0
    });
    assert_eq!(gateway.send(post("/", "ten bytes.")).text(), "live");
    assert_eq!(shadowed(&shadow, 1).len(), 1);
    assert_eq!(shadow.requests()[0].text(), "ten bytes.");
}

#[test]
fn several_shadows_get_their_copies_and_denied_requests_are_not_copied() {
    let live = Upstream::fixed("live");
    let (one, two) = (Upstream::fixed("one"), Upstream::fixed("two"));
    let endpoint = |upstream: &Upstream| json!({ "endpoints": [upstream.address().to_string()] });
    let gateway = Gateway::start(json!({
        "upstreams": { "live": endpoint(&live), "one": endpoint(&one), "two": endpoint(&two) },
        "plugins": { "staff": { "module": "acl", "config": { "allow": [{ "groups": ["nobody"] }] } } },
        "routes": [
            { "name": "all", "upstream": "live", "mirror": [{ "upstream": "one" }, { "upstream": "two", "percent": 0 }, { "upstream": "two" }] },
            { "name": "denied", "match": { "path_prefix": "/denied" }, "chain": ["staff"], "upstream": "live", "mirror": { "upstream": "one" } },
        ],
    }));
    assert_eq!(gateway.get("/denied").status() / 100, 4);
    assert_eq!(gateway.send(post("/", "to all")).text(), "live");
    for shadow in [&one, &two] {
        let copies = shadowed(shadow, 1);
        assert_eq!((copies.len(), copies[0].text().as_str()), (1, "to all"));
    }
}

#[test]
fn a_shadow_that_hangs_or_is_dead_changes_nothing_for_the_clients() {
    // It accepts, reads, and never answers.
    let hung = Upstream::scripted(|_, wire| {
        thread::sleep(Duration::from_secs(30));
        answer(wire, 200, &[], "late")
    });
    for shadow in [hung.address().to_string(), Upstream::nobody().to_string()] {
        let live = Upstream::fixed("live");
        let gateway = gateway(&live, &shadow, &json!({ "max_concurrent": 20, "timeout": "1s" }));
        let begun = Instant::now();
        let load = Load::start(gateway.address(), 200, &post("/", "to both"), |response| {
            response.status() == 200 && response.text() == "live"
        });
        thread::sleep(Duration::from_secs(4));
        let result = load.finish();
        assert!(result.failures.is_empty(), "{:?}", result.failures.first());
        assert!(result.answered > 500, "{}", result.answered);
        let p99 = result.percentile(0.99);
        assert!(p99 < Duration::from_millis(500), "{p99:?} with a shadow at {shadow}");
        let metrics = gateway.metrics();
        let results = ["failed", "timeout", "overflow"].map(|result| copies(&metrics, result));
        let is_hung = shadow == hung.address().to_string();
        match is_hung {
            true => {
                // At most 20 a second and a second's rest.
                assert!(results[1] >= 20.0 && results[2] > 100.0, "{results:?}");
                assert!(
                    results[1] <= 20.0 * (begun.elapsed().as_secs_f64() + 1.0),
                    "{results:?}"
                );
            }
            false => assert!(results[0] > 500.0, "{results:?}"),
        }
    }
}
