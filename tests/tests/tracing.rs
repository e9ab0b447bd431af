//! The switch that has host calls logged: those of the chosen requests, each on a line of its own, readable, without secrets; and off
//! again by itself.

use lockgate_tests::modules::assembled;
use lockgate_tests::upstream::eventually;
use lockgate_tests::{Gateway, Upstream, get, request};
use serde_json::{Value, json};
use std::time::Duration;

/// Reads `authorization` and `x-user`, writes a header, and asks for a map that there is not.
fn nosy() -> Vec<u8> {
    assembled(
        r#"(module
            (import "env" "proxy_get_header_map_value" (func $get (param i32 i32 i32 i32 i32) (result i32)))
            (import "env" "proxy_add_header_map_value" (func $add (param i32 i32 i32 i32 i32) (result i32)))
            (memory (export "memory") 1)
            (data (i32.const 16) "authorization")
            (data (i32.const 32) "x-user")
            (data (i32.const 48) "x-seen")
            (data (i32.const 64) "yes\nno")
            (func (export "proxy_abi_version_0_2_1"))
            (func (export "proxy_on_memory_allocate") (param i32) (result i32) (i32.const 1024))
            (func (export "proxy_on_context_create") (param i32 i32))
            (func (export "proxy_on_request_headers") (param i32 i32 i32) (result i32)
                (drop (call $get (i32.const 0) (i32.const 16) (i32.const 13) (i32.const 0) (i32.const 4)))
                (drop (call $get (i32.const 0) (i32.const 32) (i32.const 6) (i32.const 0) (i32.const 4)))
                (drop (call $get (i32.const 2) (i32.const 32) (i32.const 6) (i32.const 0) (i32.const 4)))
                (drop (call $add (i32.const 0) (i32.const 48) (i32.const 6) (i32.const 64) (i32.const 6)))
                (i32.const 0)))"#,
    )
}

fn gateway(upstream: &Upstream) -> Gateway {
    let folder = tempfile::tempdir().expect("a folder");
    std::fs::create_dir(folder.path().join("plugins")).expect("a folder");
    lockgate_tests::gateway::install(&folder.path().join("plugins"), "nosy", &nosy());
    Gateway::start_in(
        folder,
        json!({
            "upstreams": { "app": { "endpoints": [upstream.address().to_string()] } },
            "plugins": { "nosy": { "module": "nosy" }, "other": { "module": "nosy" } },
            "global_chain": ["nosy", "other"],
        }),
    )
}

fn switch(gateway: &Gateway, rule: Value) -> Value {
    let answer = gateway.tell_admin(request("PUT", "/api/trace").body(rule.to_string()));
    assert_eq!(answer.status(), 200, "{answer:?}");
    answer.json()
}

/// The lines about host calls so far.
fn lines(gateway: &Gateway) -> Vec<String> {
    let log = gateway.log().into_iter();
    let read = log.filter_map(|line| serde_json::from_str::<Value>(&line).ok());
    let told = read.filter(|line| line["target"] == "trace");
    told.map(|line| {
        let word = |key: &str| line[key].as_str().expect("a text").to_owned();
        let call = [word("plugin"), word("phase"), word("message"), word("status")].join(" ");
        assert!(line["us"].is_u64() && line["context"].is_u64() && !word("request_id").is_empty());
        call
    })
    .collect()
}

#[test]
fn every_host_call_of_a_chosen_request_is_a_line_and_others_have_none() {
    let upstream = Upstream::fixed("the answer");
    let gateway = gateway(&upstream);
    let asked = |user: &str| {
        let request = get("/a")
            .header("authorization", "Bearer hunter2")
            .header("x-user", user);
        assert_eq!(gateway.send(request).status(), 200);
    };
    asked("before");
    let told = switch(&gateway, json!({ "headers": { "x-user": "ada" }, "requests": 2 }));
    assert_eq!((&told["on"], &told["chosen"]), (&json!(true), &json!(0)), "{told}");
    asked("bob");
    asked("ada");
    eventually("eight calls are told", Duration::from_secs(5), || {
        lines(&gateway).len() == 8
    });
    let told = lines(&gateway);
    let has = |line: &str, parts: &[&str]| parts.iter().all(|part| line.contains(part));
    let secret = r#"proxy_get_header_map_value(HttpRequestHeaders, name="authorization") -> value=<redacted>"#;
    assert!(has(&told[0], &[secret, "nosy request_headers ", " OK"]), "{told:?}");
    let user = r#"proxy_get_header_map_value(HttpRequestHeaders, name="x-user") -> value="ada""#;
    assert!(has(&told[1], &[user]), "{told:?}");
    assert!(has(&told[2], &["(HttpResponseHeaders,", "NOT_FOUND"]), "{told:?}");
    let written = r#"proxy_add_header_map_value(HttpRequestHeaders, name="x-seen", value="yes\nno")"#;
    assert!(has(&told[3], &[written, "BAD_ARGUMENT"]), "{told:?}");
    assert!(has(&told[4], &[secret, "other"]), "{told:?}");
    assert!(gateway.log().iter().all(|line| !line.contains("hunter2")));

    asked("ada");
    assert_eq!(gateway.ask_admin("/api/trace").json()["on"], false, "two were wanted");
    asked("ada");
    eventually("sixteen calls are told", Duration::from_secs(5), || {
        lines(&gateway).len() >= 16
    });
    assert_eq!(lines(&gateway).len(), 16);
}

#[test]
fn the_switch_goes_off_by_itself_or_by_hand_and_takes_no_nonsense() {
    let upstream = Upstream::fixed("the answer");
    let gateway = gateway(&upstream);
    assert_eq!(gateway.ask_admin("/api/trace").json()["rule"], Value::Null);
    switch(
        &gateway,
        json!({ "path_prefix": "/a", "plugins": ["other"], "duration": "30ms" }),
    );
    eventually("its time is over", Duration::from_secs(5), || {
        gateway.ask_admin("/api/trace").json()["on"] == false
    });
    assert_eq!(gateway.get("/a").status(), 200);
    assert!(lines(&gateway).is_empty(), "{:?}", lines(&gateway));

    switch(&gateway, json!({ "path_prefix": "/a", "plugins": ["other"] }));
    assert_eq!(
        (gateway.get("/ab").status(), gateway.get("/a/b?x=1").status()),
        (200, 200)
    );
    eventually("four calls of one plugin are told", Duration::from_secs(5), || {
        lines(&gateway).len() == 4
    });
    assert_eq!(gateway.tell_admin(request("DELETE", "/api/trace")).json()["on"], false);
    assert_eq!(gateway.get("/a").status(), 200);
    assert_eq!(lines(&gateway).len(), 4);

    let refused = gateway.tell_admin(request("PUT", "/api/trace").body(r#"{"requests": 0}"#));
    assert_eq!(refused.status(), 400);
    assert!(refused.text().contains("from 1 to 1000"), "{}", refused.text());
    let wrong = gateway.tell_admin(request("POST", "/api/trace"));
    assert_eq!(
        (wrong.status(), wrong.header("allow")),
        (405, Some("GET, HEAD, PUT, DELETE"))
    );
}
