//! The quickstart's configuration does what its page says.

use lockgate_tests::answers::is_problem;
use lockgate_tests::modules::root;
use lockgate_tests::{Gateway, Upstream, get};
use serde_json::{Value, json};
use std::collections::BTreeMap;
use std::fs;

#[test]
fn the_quickstart_does_what_it_says() {
    let (v1, v2) = (Upstream::version("v1"), Upstream::version("v2"));
    let text = fs::read_to_string(root().join("examples/quickstart/gateway.json"))
        .expect("the quickstart has a configuration");
    let mut config: Value = serde_json::from_str(&text).expect("the quickstart is JSON");
    config["upstreams"]["v1"]["endpoints"] = json!([v1.address().to_string()]);
    config["upstreams"]["v2"]["endpoints"] = json!([v2.address().to_string()]);
    config["listeners"] = json!({ "web": {} });
    config["admin"] = json!({});
    config
        .as_object_mut()
        .expect("the quickstart is an object")
        .remove("plugin_dir");
    let gateway = Gateway::start(config);
    let alice = |target: &str| get(target).header("x-api-key", "demo-alice");
    let bob = |target: &str| get(target).header("x-api-key", "demo-bob");

    let public = gateway.get("/public");
    assert_eq!((public.status(), public.header("x-gateway")), (200, Some("quickstart")));
    is_problem(&gateway.get("/publicity"), 401);
    is_problem(&gateway.get("/orders"), 401);
    is_problem(&gateway.send(get("/orders").header("x-api-key", "guessed")), 401);
    let passed = gateway.send(alice("/orders"));
    assert_eq!((passed.status(), passed.header("x-gateway")), (200, Some("quickstart")));
    let seen = [v1.requests(), v2.requests()]
        .concat()
        .pop()
        .expect("an upstream has seen it");
    assert_eq!(
        (
            seen.header("x-consumer-name"),
            seen.header("x-gateway"),
            seen.header("x-api-key")
        ),
        (Some("alice"), Some("quickstart"), None)
    );

    is_problem(&gateway.send(bob("/reports")), 403);
    assert_eq!(gateway.send(bob("/orders")).status(), 200);
    assert_eq!(gateway.send(alice("/reports")).status(), 200);

    let limited: Vec<_> = (0..8).map(|_| gateway.send(alice("/limited")).status()).collect();
    assert_eq!(limited, [200, 200, 200, 200, 200, 429, 429, 429]);
    let refused = gateway.send(alice("/limited"));
    is_problem(&refused, 429);
    assert!(
        refused
            .header("retry-after")
            .and_then(|seconds| seconds.parse::<u64>().ok())
            .is_some_and(|seconds| (1..=60).contains(&seconds))
    );
    assert_eq!(
        gateway.send(alice("/orders")).status(),
        200,
        "the other route's quota is another"
    );

    let side = |user: &str| {
        gateway
            .send(alice("/orders").header("x-user", user))
            .header("x-version")
            .expect("the split is told")
            .to_string()
    };
    let sides: BTreeMap<String, String> = (0..100)
        .map(|nth| format!("user-{nth}"))
        .map(|user| (user.clone(), side(&user)))
        .collect();
    let canaries = sides.values().filter(|side| *side == "v2").count();
    assert!(
        (8..=35).contains(&canaries),
        "{canaries} of 100 users are on v2, a fifth was asked for"
    );
    for user in sides.keys().take(20) {
        assert_eq!(&side(user), &sides[user], "{user} has changed sides");
    }

    let first = gateway.send(alice("/catalogue?cache=60"));
    assert!(
        first
            .header("cache-status")
            .is_some_and(|status| status.contains("fwd=miss")),
        "{first:?}"
    );
    let before = v1.requests().len() + v2.requests().len();
    let second = gateway.send(alice("/catalogue?cache=60"));
    assert!(
        second
            .header("cache-status")
            .is_some_and(|status| status.contains("hit")),
        "{second:?}"
    );
    assert!(second.header("age").is_some());
    assert_eq!(
        (second.text(), v1.requests().len() + v2.requests().len()),
        (first.text(), before)
    );
}
