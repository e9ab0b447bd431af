//! What routes answer by themselves, and where they send requests: redirects, fixed responses, splits, rewritten paths.

use std::fs;
use std::time::Duration;

use lockgate_tests::answers::{is_problem, is_the_gateways_problem};
use lockgate_tests::curl::curl;
use lockgate_tests::upstream::eventually;
use lockgate_tests::{Gateway, Upstream, get, grpc, post, request};
use serde_json::{Value, json};

/// `auth` with one key: the text "key".
fn keys() -> Value {
    json!({ "module": "auth", "config": { "kind": "key", "consumers": [{ "name": "a", "keys": [
        "sha256:2c70e12b7a0646f92279f427c7b38e7334d8e5389cff167a1dc30e73f826b683"
    ] }] } })
}

fn endpoint(upstream: &Upstream) -> Value {
    json!({ "endpoints": [upstream.address().to_string()] })
}

/// A route for a path prefix of its name, with these settings.
fn route(name: &str, more: &Value) -> Value {
    let mut route = json!({ "name": name, "match": { "path_prefix": format!("/{name}") } });
    let members = more.as_object().expect("an object").clone();
    route.as_object_mut().expect("an object").extend(members);
    route
}

#[test]
fn a_redirect_is_made_of_the_request_and_the_route() {
    let redirect = |name: &str, redirect: Value| route(name, &json!({ "redirect": redirect }));
    let gateway = Gateway::start(json!({ "routes": [
        redirect("tls", json!({ "status": 308, "scheme": "https" })),
        redirect("port", json!({ "status": 301, "scheme": "https", "port": 8443 })),
        redirect("host", json!({ "status": 307, "host": "new.example" })),
        redirect("path", json!({ "status": 303, "path": "/landing" })),
        redirect("prefix", json!({ "prefix": "/v2" })),
        redirect("regex", json!({ "regex": "^/regex/(?<year>[0-9]{4})/([^/]+)$", "to": "/${year}-$2" })),
        redirect("bare", json!({ "prefix": "/v2", "strip_query": true })),
    ] }));
    let host = "shop.example:8080";
    for (target, status, location) in [
        ("/tls/a?b=c&d", 308, "https://shop.example/tls/a?b=c&d"),
        ("/tls//evil.example/%2e%2e/x", 308, "https://shop.example/tls/x"),
        ("/port", 301, "https://shop.example:8443/port"),
        ("/host/x", 307, "http://new.example:8080/host/x"),
        ("/path/x?q=1", 303, "http://shop.example:8080/landing?q=1"),
        ("/prefix/x/y?q", 302, "http://shop.example:8080/v2/x/y?q"),
        ("/prefix", 302, "http://shop.example:8080/v2"),
        ("/regex/2026/news?q=1", 302, "http://shop.example:8080/2026-news?q=1"),
        ("/regex/none", 302, "http://shop.example:8080/regex/none"),
        ("/bare/x?secret=1", 302, "http://shop.example:8080/v2/x"),
    ] {
        for method in ["GET", "HEAD", "DELETE"] {
            let response = gateway.send(request(method, target).header("host", host));
            assert_eq!(
                (response.status(), response.header("location"), response.text().as_str()),
                (status, Some(location), ""),
                "{method} {target}"
            );
        }
        let response = gateway.send(post(target, "a body that nobody reads").header("host", host));
        assert_eq!(
            (response.status(), response.header("location")),
            (status, Some(location))
        );
    }
    let answer = curl(&[
        "--http2-prior-knowledge",
        "-H",
        "host: shop.example",
        &format!("http://{}/tls/x?y", gateway.address()),
    ])
    .expect("an answer");
    assert_eq!(
        (answer.version.as_str(), answer.status, answer.header("location")),
        ("2", 308, Some("https://shop.example/tls/x?y"))
    );
}

#[test]
fn a_redirect_behind_a_trusted_proxy_keeps_the_scheme_of_the_client() {
    let gateway = Gateway::start(json!({
        "listeners": { "web": { "trusted_proxies": ["127.0.0.0/8"] } },
        "routes": [route("old", &json!({ "redirect": { "prefix": "/new" } }))],
    }));
    let response = gateway.send(
        get("/old/x")
            .header("host", "a.example")
            .header("x-forwarded-proto", "https"),
    );
    assert_eq!(response.header("location"), Some("https://a.example/new/x"));
}

#[test]
fn no_request_leads_a_redirect_to_another_host_or_splits_its_headers() {
    let gateway = Gateway::start(json!({
        "listeners": { "web": { "escaped_slashes": "keep" } },
        "routes": [{ "name": "all", "redirect": { "scheme": "https", "host": "safe.example" } }],
    }));
    for target in [
        "//evil.example",
        "//evil.example/%2f..",
        "/%5cevil.example",
        "/%09/evil.example",
        "/\\evil.example",
        "/.//evil.example",
        "/@evil.example",
        "/x%0d%0aset-cookie:a=b",
        "/x?a=%0d%0aset-cookie:a=b",
        "http://evil.example/x",
    ] {
        let response = gateway.send(get(target).header("host", "evil.example"));
        if response.status() == 400 {
            continue;
        }
        let location = response.header("location").expect("a redirect has an address");
        let path = location.strip_prefix("https://safe.example/").expect(location);
        assert!(!path.starts_with(['/', '\\']), "{target}: {location}");
        assert_eq!(response.header("set-cookie"), None, "{target}");
    }
}

#[test]
fn a_fixed_response_has_its_status_headers_and_body() {
    let respond = |name: &str, respond: Value| route(name, &json!({ "respond": respond }));
    let gateway = Gateway::start(json!({ "routes": [
        respond("text", json!({ "status": 503, "headers": { "retry-after": "60" }, "body": "back soon" })),
        respond("json", json!({ "json": { "b": [1.50, true], "a": "ä" } })),
        respond("typed", json!({ "headers": { "Content-Type": "text/html" }, "body": "<p>" })),
        respond("none", json!({ "status": 204, "headers": { "x-none": "1" } })),
        respond("unchanged", json!({ "status": 304 })),
        respond("empty", json!({ "status": 404 })),
    ] }));
    let text = gateway.get("/text");
    assert_eq!((text.status(), text.text().as_str()), (503, "back soon"));
    assert_eq!(
        (
            text.header("retry-after"),
            text.header("content-type"),
            text.header("content-length")
        ),
        (Some("60"), Some("text/plain; charset=utf-8"), Some("9"))
    );
    let head = gateway.send(request("HEAD", "/text"));
    assert_eq!(
        (head.status(), head.header("content-length"), head.text().as_str()),
        (503, Some("9"), "")
    );
    let json = gateway.get("/json");
    assert_eq!(
        (json.header("content-type"), json.status()),
        (Some("application/json"), 200)
    );
    assert_eq!(json.json(), json!({ "b": [1.5, true], "a": "ä" }));
    assert_eq!(gateway.get("/typed").all("content-type"), ["text/html"]);
    for (path, status) in [("/none", 204), ("/unchanged", 304)] {
        let mut wire = gateway.connect();
        for _ in 0..2 {
            let response = wire.exchange(&get(path)).expect("the connection stays open");
            assert_eq!((response.status(), response.text().as_str()), (status, ""));
            assert_eq!(
                (response.header("content-length"), response.header("content-type")),
                (None, None)
            );
        }
    }
    let empty = gateway.get("/empty");
    assert_eq!((empty.status(), empty.header("content-length")), (404, Some("0")));
    for (path, status, body) in [("/text", 503, "back soon"), ("/none", 204, "")] {
        let url = format!("http://{}{path}", gateway.address());
        let answer = curl(&["--http2-prior-knowledge", &url]).expect("an answer");
        assert_eq!(
            (answer.version.as_str(), answer.status, answer.body.as_str()),
            ("2", status, body)
        );
    }
}

#[test]
fn the_body_of_a_fixed_response_can_be_a_file_which_is_read_again_when_it_changes() {
    let folder = tempfile::tempdir().expect("a temporary folder can be made");
    fs::create_dir(folder.path().join("plugins")).expect("the folder is writable");
    fs::write(folder.path().join("sorry.html"), b"<p>sorry\xff</p>\n").expect("the folder is writable");
    let gateway = Gateway::start_in(
        folder,
        json!({ "routes": [{ "name": "all", "respond": { "status": 503, "body_file": "sorry.html" } }] }),
    );
    let response = gateway.get("/");
    assert_eq!(response.body, b"<p>sorry\xff</p>\n");
    assert_eq!(response.header("content-type"), Some("text/html; charset=utf-8"));
    fs::write(gateway.folder().join("sorry.html"), "<p>soon</p>").expect("the folder is writable");
    eventually("the new file is served", Duration::from_secs(5), || {
        gateway.get("/").body == b"<p>soon</p>"
    });
}

#[test]
fn the_chain_of_a_route_guards_its_own_responses_too() {
    let gateway = Gateway::start(json!({
        "access_log": { "path": "access.log" },
        "plugins": { "keys": keys(), "tag": { "module": "tag" } },
        "routes": [
            route("moved", &json!({ "chain": ["tag", "keys"], "redirect": { "prefix": "/new" } })),
            route("fixed", &json!({ "chain": ["tag", "keys"], "respond": { "body": "yes" } })),
        ],
    }));
    for (path, status, kind) in [("/moved", 302, "redirect"), ("/fixed", 200, "direct_response")] {
        let denied = gateway.get(path);
        assert_eq!((denied.status(), denied.header("location")), (401, None), "{path}");
        let allowed = gateway.send(get(path).header("x-api-key", "key"));
        assert_eq!(allowed.status(), status, "{path}");
        assert_eq!(
            allowed.header("x-tag"),
            Some("untagged"),
            "the plugins see the response: {path}"
        );
        let log = gateway.folder().join("access.log");
        eventually("the access log says what it was", Duration::from_secs(5), || {
            fs::read_to_string(&log).is_ok_and(|log| log.contains(&format!("\"code_details\":\"{kind}\"")))
        });
    }
    assert_eq!(
        gateway
            .metrics()
            .sum("lockgate_requests_total", &[("route", "moved"), ("status", "302")]),
        1.0
    );
}

#[test]
fn a_grpc_client_gets_a_fixed_response_in_its_own_form() {
    let gateway =
        Gateway::start(json!({ "routes": [{ "name": "all", "respond": { "status": 503, "body": "closed" } }] }));
    let replies = grpc::call(gateway.address(), "/shop.Orders/Get", "x", 1);
    let header = |name: &str| replies[0].headers.get(name).and_then(|value| value.to_str().ok());
    assert_eq!(replies[0].status, 200);
    assert_eq!(
        (header("grpc-status"), header("grpc-message")),
        (Some("14"), Some("closed"))
    );
}

#[test]
fn a_split_sends_each_upstream_its_share() {
    let (a, b, c) = (Upstream::fixed("a"), Upstream::fixed("b"), Upstream::fixed("c"));
    let gateway = Gateway::start(json!({
        "workers": 2,
        "access_log": { "path": "access.log" },
        "upstreams": { "a": endpoint(&a), "b": endpoint(&b), "c": endpoint(&c) },
        "routes": [{ "name": "all", "split": [
            { "upstream": "a", "weight": 9 }, { "upstream": "b" }, { "upstream": "c", "weight": 0 }
        ] }],
    }));
    let mut wire = gateway.connect();
    let mut from_b = 0;
    for _ in 0..1000 {
        let response = wire.exchange(&get("/")).expect("an answer");
        assert_eq!(response.status(), 200);
        from_b += u32::from(response.text() == "b");
    }
    assert!((98..=102).contains(&from_b), "{from_b} of 1000 for a tenth");
    assert!(c.requests().is_empty());
    let metrics = gateway.metrics();
    let counted = metrics.sum("lockgate_upstream_requests_total", &[("upstream", "b")]);
    assert_eq!(counted as u32, from_b);
    let log = gateway.folder().join("access.log");
    eventually(
        "the access log names the upstream of each",
        Duration::from_secs(5),
        || fs::read_to_string(&log).is_ok_and(|log| log.matches("\"upstream\":\"b\"").count() == from_b as usize),
    );
}

#[test]
fn a_plugin_chooses_past_a_split_and_no_retry_leaves_the_branch() {
    let (a, b) = (Upstream::fixed("a"), Upstream::fixed("b"));
    let dead = Upstream::nobody();
    let script = "@request_headers ; set_property 'lockgate%00upstream' 'b'";
    let gateway = Gateway::start(json!({
        "upstreams": { "a": endpoint(&a), "b": endpoint(&b), "dead": { "endpoints": [dead.to_string()] } },
        "plugins": { "raw": { "module": "raw" } },
        "routes": [
            route("chosen", &json!({ "chain": ["raw"], "split": [{ "upstream": "a" }, { "upstream": "dead" }] })),
            route("dead", &json!({ "split": [{ "upstream": "dead" }, { "upstream": "a", "weight": 0 }] })),
        ],
    }));
    for _ in 0..10 {
        let request = get("/chosen").header("x-script", script).header("x-token", "t");
        assert_eq!(gateway.send(request).text(), "b");
        is_the_gateways_problem(&gateway.get("/dead"), 502);
    }
    assert!(a.requests().is_empty());
}

#[test]
fn a_rewrite_with_an_expression_changes_the_path_and_keeps_the_query() {
    let upstream = Upstream::echo();
    let rewrite = |name: &str, rewrite: Value| route(name, &json!({ "upstream": "app", "rewrite": rewrite }));
    let gateway = Gateway::start(json!({
        "upstreams": { "app": endpoint(&upstream) },
        "plugins": { "tag": { "module": "tag" } },
        "routes": [
            rewrite("users", json!({ "regex": "^/users/([0-9]+)/orders", "to": "/orders/by-user/$1" })),
            rewrite("named", json!({ "regex": "^/named/(?<a>[^/]*)/(?<b>.*)$", "to": "/${b}/${a}" })),
            rewrite("full", json!({ "path": "/status" })),
            rewrite("cut", json!({ "regex": "x", "to": "" })),
            rewrite("loose", json!({ "regex": "^/loose(.*)$", "to": "$1" })),
        ],
    }));
    for (target, expected) in [
        ("/users/7/orders/9?page=2", "/orders/by-user/7/9?page=2"),
        ("/users/seven/orders", "/users/seven/orders"),
        ("/named/a/b/c", "/b/c/a"),
        ("/named//b", "/named/b"),
        ("/named/a/", "/a"),
        ("/full/whatever?x=1", "/status?x=1"),
        ("/cut/axb", "/cut/ab"),
        ("/cut/x/y", "/cut/y"),
        ("/loose/evil.example", "/evil.example"),
    ] {
        assert_eq!(gateway.get(target).json()["path"], expected, "{target}");
    }
    let sent = upstream.requests().len();
    // What is made is no normal path: refused, and nothing goes out.
    for target in ["/cut/.x./secret", "/cut/.x/y", "/loose", "/cut/%2x541"] {
        let response = gateway.get(target);
        is_problem(&response, 400);
    }
    assert_eq!(upstream.requests().len(), sent);
}

#[test]
fn a_routes_timeouts_take_the_place_of_the_upstreams() {
    let slow = Upstream::slow(Duration::from_millis(1500));
    let gateway = Gateway::start(json!({
        "upstreams": {
            "patient": { "endpoints": [slow.address().to_string()] },
            "hasty": { "endpoints": [slow.address().to_string()], "timeouts": { "first_byte": "200ms" } },
        },
        "routes": [
            route("short", &json!({ "upstream": "patient", "timeouts": { "first_byte": "200ms" } })),
            route("split", &json!({ "split": [{ "upstream": "patient" }], "timeouts": { "first_byte": "200ms" } })),
            route("long", &json!({ "upstream": "hasty", "timeouts": { "first_byte": "10s" } })),
            route("hasty", &json!({ "split": [{ "upstream": "hasty" }] })),
        ],
    }));
    for (path, status) in [("/short", 504), ("/split", 504), ("/long", 200), ("/hasty", 504)] {
        assert_eq!(gateway.get(path).status(), status, "{path}");
    }
}

#[test]
fn the_admin_api_shows_each_route_with_its_destination() {
    let gateway = Gateway::start(json!({
        "upstreams": { "a": { "endpoints": ["127.0.0.1:1"] }, "b": { "endpoints": ["127.0.0.1:2"] } },
        "plugins": { "keys": keys(), "tag": { "module": "tag" } },
        "global_chain": ["tag"],
        "routes": [
            route("split", &json!({ "chain": ["keys"], "split": [{ "upstream": "a", "weight": 9 }, { "upstream": "b" }], "timeout": "5s",
                "rewrite": { "regex": "^/split/(.*)", "to": "/$1" }, "mirror": { "upstream": "b", "percent": 5 } })),
            { "name": "moved", "match": { "hosts": ["*.example"], "headers": { "x-secret": "hunter2" } },
              "redirect": { "status": 308, "scheme": "https", "prefix": "/new" } },
            route("fixed", &json!({ "respond": { "status": 503, "body": "hunter2" }, "abort": { "status": 500, "percent": 1 } })),
        ],
    }));
    let response = gateway.ask_admin("/api/routes");
    assert_eq!(response.status(), 200);
    assert!(!response.text().contains("hunter2"), "secrets are not shown");
    let report = response.json();
    assert_eq!(report["revision"], 1);
    let [split, moved, fixed] = [0, 1, 2].map(|at| &report["routes"][at]);
    assert_eq!(
        split["destination"],
        json!({ "type": "split", "branches": [{ "upstream": "a", "weight": 9 }, { "upstream": "b", "weight": 1 }] })
    );
    assert_eq!(
        (&split["chain"], &split["timeout"]),
        (&json!(["tag", "keys"]), &json!("5s"))
    );
    assert_eq!(split["mirrors"], json!([{ "upstream": "b", "percent": 5.0 }]));
    assert_eq!(split["rewrite"], json!({ "regex": "^/split/(.*)" }));
    assert_eq!(moved["match"]["hosts"], json!(["*.example"]));
    assert_eq!(moved["match"]["headers"], json!(["x-secret"]));
    assert_eq!(
        moved["destination"],
        json!({ "type": "redirect", "status": 308, "scheme": "https", "host": null, "port": null, "path": { "prefix": "/new" }, "strip_query": false })
    );
    assert_eq!(fixed["destination"]["body_bytes"], 7);
    assert_eq!(fixed["abort"]["status"], 500);
}

#[test]
fn a_routes_retries_take_the_place_of_the_upstreams() {
    // Each second request is answered.
    let flaky = || {
        let asked = std::sync::atomic::AtomicUsize::new(0);
        Upstream::scripted(move |_, wire| {
            let at = asked.fetch_add(1, std::sync::atomic::Ordering::SeqCst);
            lockgate_tests::upstream::answer(wire, if at.is_multiple_of(2) { 503 } else { 200 }, &[], "the answer")
        })
    };
    let (plain, retried) = (flaky(), flaky());
    let slow = Upstream::slow(Duration::from_millis(1500));
    let retry = json!({ "attempts": 1, "on": ["503"] });
    let gateway = Gateway::start(json!({
        "upstreams": {
            "plain": endpoint(&plain),
            "retried": { "endpoints": [retried.address().to_string()], "retry": retry },
            "slow": endpoint(&slow),
        },
        "routes": [
            route("on", &json!({ "upstream": "plain", "retry": retry })),
            route("off", &json!({ "upstream": "retried", "retry": { "attempts": 0 } })),
            route("try", &json!({ "upstream": "slow", "timeouts": { "try": "200ms" } })),
        ],
    }));
    assert_eq!((gateway.get("/on").status(), plain.requests().len()), (200, 2));
    assert_eq!((gateway.get("/off").status(), retried.requests().len()), (503, 1));
    let begun = std::time::Instant::now();
    assert_eq!(gateway.get("/try").status(), 504);
    assert!(begun.elapsed() < Duration::from_millis(1200));
}
