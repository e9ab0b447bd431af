//! The six plugins, each through the real gateway, in what it promises.

use lockgate_tests::answers::is_problem;
use lockgate_tests::http::Request;
use lockgate_tests::upstream::eventually;
use lockgate_tests::{Gateway, Upstream, get, post, request};
use serde_json::{Value, json};
use std::collections::BTreeSet;
use std::fs;
use std::time::Duration;

/// The hash of the key `secret`.
const SECRET: &str = "sha256:2bb80d537b1da3e38bd30361aa855686bde0eacd7162fef6a25fe97bf527a25b";

/// One plugin before one upstream.
fn alone(upstream: &Upstream, module: &str, config: Value) -> Gateway {
    Gateway::start(json!({
        "upstreams": { "app": { "endpoints": [upstream.address().to_string()] } },
        "plugins": { "it": { "module": module, "config": config } },
        "global_chain": ["it"],
    }))
}

/// An auth plugin with two consumers.
fn keys() -> Value {
    json!({ "kind": "key", "query": "key", "consumers": [
        { "name": "alice", "groups": ["gold", "staff"], "keys": [SECRET] },
        { "name": "bob", "groups": ["partners"], "keys": ["sha256:cfdd601be826835d6a59c993254eb5786da08ee32379b680795ebe708f0060f9"] },
    ] })
}

#[test]
fn auth_names_the_consumer_to_the_upstream_and_no_client_can() {
    let upstream = Upstream::fixed("the answer");
    let gateway = alone(&upstream, "auth", keys());
    let forged = |request: Request| {
        request
            .header("x-consumer-name", "root")
            .header("X-Consumer-Groups", "admin")
            .header("x-consumer-name", "again")
    };
    let refused = gateway.send(forged(get("/")));
    is_problem(&refused, 401);
    assert!(refused.header("www-authenticate").is_some());
    assert_eq!(
        gateway.send(forged(get("/").header("x-api-key", "secret"))).status(),
        200
    );
    let seen = upstream.last_request();
    assert_eq!(
        (
            seen.all("x-consumer-name"),
            seen.all("x-consumer-groups"),
            seen.header("x-api-key")
        ),
        (vec!["alice"], vec!["gold,staff"], None)
    );
    assert_eq!(gateway.get("/path?a=1&key=secret&b=2").status(), 200);
    assert_eq!(
        upstream.last_request().target(),
        "/path?a=1&b=2",
        "the key is not passed on"
    );
    is_problem(&gateway.get("/path?key=Secret"), 401);
    assert_eq!(upstream.requests().len(), 2);
}

#[test]
fn auth_can_let_anonymous_requests_pass() {
    let upstream = Upstream::fixed("the answer");
    let mut config = keys();
    config["on_missing"] = json!("anonymous");
    let gateway = alone(&upstream, "auth", config);
    assert_eq!(gateway.send(get("/").header("x-consumer-name", "root")).status(), 200);
    assert_eq!(upstream.last_request().header("x-consumer-name"), None);
    is_problem(&gateway.send(get("/").header("x-api-key", "wrong")), 401);
}

#[test]
fn acl_goes_by_the_real_client() {
    let upstream = Upstream::fixed("the answer");
    let gateway = Gateway::start(json!({
        "listeners": { "web": { "trusted_proxies": ["127.0.0.1/32"] }, "strict": {} },
        "upstreams": { "app": { "endpoints": [upstream.address().to_string()] } },
        "plugins": { "who": { "module": "acl", "config": { "allow": [ { "cidrs": ["203.0.113.0/24", "2001:db8::/32"] } ] } } },
        "global_chain": ["who"],
    }));
    for (forwarded, status) in [
        ("203.0.113.7", 200),
        ("2001:db8::1", 200),
        ("198.51.100.1", 403),
        ("203.0.113.7, 198.51.100.1", 403),
        ("198.51.100.1, 203.0.113.7", 200),
        ("203.0.113.7, 127.0.0.1", 200),
    ] {
        assert_eq!(
            gateway.send(get("/").header("x-forwarded-for", forwarded)).status(),
            status,
            "{forwarded}"
        );
    }
    is_problem(&gateway.get("/"), 403);
    let strict = lockgate_tests::Wire::connect(gateway.listener("strict"))
        .exchange(&get("/").header("x-forwarded-for", "203.0.113.7"));
    assert_eq!(
        strict.expect("an answer comes").status(),
        403,
        "a stranger's word does not count"
    );
}

#[test]
fn acl_goes_by_groups_methods_and_paths() {
    let upstream = Upstream::fixed("the answer");
    let gateway = Gateway::start(json!({
        "upstreams": { "app": { "endpoints": [upstream.address().to_string()] } },
        "plugins": {
            "keys": { "module": "auth", "config": keys() },
            "who": { "module": "acl", "config": {
                "deny": [ { "path_prefixes": ["/admin"], "methods": ["DELETE"] } ],
                "allow": [ { "groups": ["gold"] }, { "consumers": ["bob"], "path_prefixes": ["/public"] } ],
            } },
        },
        "global_chain": ["keys", "who"],
    }));
    let ask =
        |key: &str, method: &str, path: &str| gateway.send(request(method, path).header("x-api-key", key)).status();
    assert_eq!(ask("secret", "GET", "/admin"), 200);
    assert_eq!(ask("secret", "DELETE", "/admin/x"), 403);
    assert_eq!(ask("secret", "DELETE", "/administration"), 200);
    assert_eq!(ask("demo-bob", "GET", "/public/x"), 200);
    assert_eq!(ask("demo-bob", "GET", "/publicity"), 403);
    assert_eq!(
        ask("demo-bob", "GET", "/public/../admin"),
        403,
        "a path is judged as it goes on"
    );
    assert_eq!(ask("demo-bob", "GET", "/%70ublic"), 200);
}

#[test]
fn quota_is_exact_across_workers_and_reloads() {
    let upstream = Upstream::fixed("the answer");
    let mut gateway = Gateway::start(json!({
        "workers": 2,
        "upstreams": { "app": { "endpoints": [upstream.address().to_string()] } },
        "plugins": { "rate": { "module": "quota", "config": { "rules": [ { "limit": 50, "window": "1h", "key": "{header:x-user}" } ] } } },
        "global_chain": ["rate"],
    }));
    let address = gateway.address();
    let spend = |user: &'static str, times: usize| {
        let threads: Vec<_> = (0..10)
            .map(|_| {
                std::thread::spawn(move || {
                    let ask = || {
                        lockgate_tests::Wire::connect(address)
                            .exchange(&get("/").header("x-user", user))
                            .expect("an answer comes")
                    };
                    (0..times / 10)
                        .map(|_| ask().status())
                        .filter(|status| *status == 200)
                        .count()
                })
            })
            .collect();
        threads
            .into_iter()
            .map(|thread| thread.join().expect("no panic"))
            .sum::<usize>()
    };
    assert_eq!(spend("alice", 30), 30);
    let before = gateway.metrics().sum("lockgate_reloads_total", &[]);
    gateway.reconfigure(|config| config["plugins"]["rate"]["config"]["legacy_headers"] = json!(true));
    eventually("the change is in force", Duration::from_secs(3), || {
        gateway.metrics().sum("lockgate_reloads_total", &[]) > before
    });
    assert_eq!(spend("alice", 50), 20, "what was spent before the reload is spent");
    assert_eq!(spend("bob", 60), 50);
    let refused = gateway.send(get("/").header("x-user", "bob"));
    is_problem(&refused, 429);
    for name in [
        "retry-after",
        "ratelimit",
        "ratelimit-policy",
        "x-ratelimit-limit",
        "x-ratelimit-remaining",
    ] {
        assert!(refused.header(name).is_some(), "{name}: {refused:?}");
    }
    let passed = gateway.send(get("/").header("x-user", "carol"));
    assert_eq!(
        (passed.status(), passed.header("x-ratelimit-remaining")),
        (200, Some("49"))
    );
}

#[test]
fn quota_fills_up_again() {
    let upstream = Upstream::fixed("the answer");
    let gateway = alone(
        &upstream,
        "quota",
        json!({ "rules": [ { "limit": 2, "window": "1s" } ] }),
    );
    let statuses: Vec<_> = (0..3).map(|_| gateway.get("/").status()).collect();
    assert_eq!(statuses, [200, 200, 429]);
    eventually("a token is back", Duration::from_secs(2), || {
        gateway.get("/").status() == 200
    });
}

#[test]
fn canary_sends_its_share_and_a_raised_weight_moves_no_client_back() {
    let (stable, canary) = (Upstream::version("stable"), Upstream::version("canary"));
    let mut gateway = Gateway::start(json!({
        "upstreams": { "stable": { "endpoints": [stable.address().to_string()] }, "canary": { "endpoints": [canary.address().to_string()] } },
        "plugins": { "split": { "module": "canary", "config": {
            "stable": "stable", "canary": "canary", "weight": 10, "key": "{header:x-user}", "force_header": "x-canary", "version_header": "x-version",
        } } },
        "routes": [ { "name": "all", "chain": ["split"], "upstream": "stable" } ],
    }));
    let on_canary = |gateway: &Gateway| -> BTreeSet<u32> {
        let mut wire = gateway.connect();
        let mut ask = |user: u32| {
            wire.exchange(&get("/").header("x-user", &format!("user {user}")))
                .expect("an answer comes")
        };
        (0..500)
            .filter(|user| {
                let answer = ask(*user);
                assert_eq!(
                    answer.header("x-version"),
                    answer.header("x-version-is"),
                    "the upstream is the one that is told"
                );
                answer.header("x-version") == Some("canary")
            })
            .collect()
    };
    let tenth = on_canary(&gateway);
    assert!(
        (25..=80).contains(&tenth.len()),
        "{} of 500 are on the canary, a tenth was asked for",
        tenth.len()
    );
    gateway.reconfigure(|config| config["plugins"]["split"]["config"]["weight"] = json!(50));
    eventually("the weight is in force", Duration::from_secs(5), || {
        on_canary(&gateway).len() > 150
    });
    let half = on_canary(&gateway);
    assert!(
        (200..=300).contains(&half.len()),
        "{} of 500 are on the canary, half was asked for",
        half.len()
    );
    assert!(tenth.is_subset(&half), "a raised weight has moved users back");
    for (wish, side) in [("canary", "canary"), ("stable", "stable")] {
        assert_eq!(
            gateway.send(get("/").header("x-canary", wish)).header("x-version-is"),
            Some(side)
        );
    }
}

#[test]
fn cache_stores_what_may_be_stored_and_separates_variants() {
    let upstream = Upstream::version("v1");
    let gateway = alone(&upstream, "cache", json!({}));
    let ask = |request: Request| {
        let answer = gateway.send(request);
        let hit = answer
            .header("cache-status")
            .is_some_and(|status| status.contains("; hit"));
        (answer.text(), hit)
    };
    assert_eq!(ask(get("/a?cache=60")), ("v1 /a?cache=60 none".to_string(), false));
    assert_eq!(ask(get("/a?cache=60")), ("v1 /a?cache=60 none".to_string(), true));
    assert!(!ask(get("/b?cache=60")).1, "another path");
    assert!(!ask(get("/a?cache=61")).1, "another query");
    assert!(!ask(get("/a?cache=60").header("host", "other.test")).1, "another host");
    assert!(
        !ask(get("/plain")).1 && !ask(get("/plain")).1,
        "what has no lifetime is not kept"
    );
    assert!(!ask(get("/c?cache=60&vary=1").header("accept-language", "de")).1);
    assert_eq!(
        ask(get("/c?cache=60&vary=1").header("accept-language", "de")),
        ("v1 /c?cache=60&vary=1 de".to_string(), true)
    );
    assert_eq!(
        ask(get("/c?cache=60&vary=1").header("accept-language", "fr")),
        ("v1 /c?cache=60&vary=1 fr".to_string(), false)
    );
    assert!(ask(get("/c?cache=60&vary=1").header("accept-language", "fr")).1);
    assert!(!ask(get("/a?cache=60").header("cache-control", "no-cache")).1);
    assert!(!ask(get("/auth?cache=60").header("authorization", "x")).1);
    assert!(
        !ask(get("/auth?cache=60").header("authorization", "x")).1,
        "what is for one is not for all"
    );
    let head = gateway.send(request("HEAD", "/a?cache=60"));
    assert!(
        head.header("cache-status").is_some_and(|status| status.contains("hit")) && head.body.is_empty(),
        "{head:?}"
    );
    assert_eq!(head.header("content-length"), Some("19"));
    assert_eq!(gateway.send(post("/a?cache=60", "change")).status(), 200);
    assert!(!ask(get("/a?cache=60")).1, "an unsafe request has invalidated it");
}

#[test]
fn cache_does_not_store_a_truncated_response() {
    let upstream = Upstream::saying("HTTP/1.1 200 OK\r\ncache-control: max-age=60\r\ncontent-length: 100\r\n\r\nhalf");
    let gateway = alone(&upstream, "cache", json!({}));
    for _ in 0..3 {
        drop(gateway.connect().exchange(&get("/")));
    }
    assert_eq!(upstream.requests().len(), 3);
}

#[test]
fn a_cached_response_passes_the_plugins_before_the_cache() {
    let upstream = Upstream::version("v1");
    let gateway = Gateway::start(json!({
        "upstreams": { "app": { "endpoints": [upstream.address().to_string()] } },
        "plugins": { "cache": { "module": "cache", "config": {} }, "mark": { "module": "headers", "config": { "response": { "add": { "x-mark": "{header:x-user}" } } } } },
        "global_chain": ["mark", "cache"],
    }));
    for user in ["alice", "bob", "carol"] {
        assert_eq!(
            gateway.send(get("/?cache=60").header("x-user", user)).all("x-mark"),
            [user],
            "not what another was told"
        );
    }
    assert_eq!(upstream.requests().len(), 1);
}

#[test]
fn headers_are_set_added_and_removed_on_both_sides() {
    let upstream = Upstream::answering(
        200,
        &[("server", "old"), ("x-kept", "1"), ("x-many", "1"), ("x-many", "2")],
        "the answer",
    );
    let gateway = alone(
        &upstream,
        "headers",
        json!({
            "request": { "set": { "x-who": "{header:x-user|address}", "x-route": "{method} {path}" }, "add": { "x-many": "3" }, "remove": ["x-debug"] },
            "response": { "set": { "x-many": "only" }, "add": { "x-added": "a" }, "remove": ["server"] },
        }),
    );
    let response = gateway.send(
        get("/some/path?x")
            .header("x-debug", "1")
            .header("x-many", "1")
            .header("x-who", "forged"),
    );
    let seen = upstream.last_request();
    assert_eq!(
        (seen.all("x-who"), seen.all("x-many"), seen.header("x-debug")),
        (vec!["127.0.0.1"], vec!["1", "3"], None)
    );
    assert_eq!(
        (
            response.all("x-many"),
            response.all("x-added"),
            response.header("server"),
            response.header("x-kept")
        ),
        (vec!["only"], vec!["a"], None, Some("1"))
    );
}

#[test]
fn check_reports_a_configuration_that_a_plugin_refuses_with_the_reason() {
    let folder = tempfile::tempdir().expect("a temporary folder can be made");
    fs::create_dir(folder.path().join("plugins")).expect("the folder is writable");
    let refused = [
        (
            "auth",
            json!({ "kind": "key", "consumers": [ { "name": "a", "keys": ["plain text"] } ] }),
            "sha256",
        ),
        ("acl", json!({ "allow": [ { "cidrs": ["10.0.0.1/8"] } ] }), "10.0.0.1/8"),
        (
            "quota",
            json!({ "rules": [ { "limit": 1, "window": "soon" } ] }),
            "window",
        ),
        (
            "canary",
            json!({ "stable": "a", "canary": "b", "weight": 101 }),
            "weight",
        ),
        ("cache", json!({ "no_such_setting": 1 }), "no_such_setting"),
        (
            "headers",
            json!({ "response": { "set": { "content-length": "1" } } }),
            "content-length",
        ),
    ];
    for (module, config, told) in refused {
        lockgate_tests::gateway::install(
            &folder.path().join("plugins"),
            module,
            &lockgate_tests::modules::module(module),
        );
        let config = lockgate_tests::config::filled(json!({
            "upstreams": { "app": { "endpoints": ["127.0.0.1:1"] } },
            "plugins": { "subject": { "module": module, "config": config } },
            "global_chain": ["subject"],
        }));
        fs::write(folder.path().join("gateway.json"), config.to_string()).expect("the folder is writable");
        let output = lockgate_tests::binary::lockgate(&["check", "--config", "gateway.json"], folder.path());
        let said = String::from_utf8_lossy(&output.stderr) + String::from_utf8_lossy(&output.stdout);
        assert_eq!(output.status.code(), Some(1), "{module}: {said}");
        assert!(
            said.contains("subject") && said.contains(told),
            "{module}: nothing of {told} in {said}"
        );
    }
}
