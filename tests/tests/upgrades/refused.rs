//! What is no upgrade: requests that only look like one, answers that only look like a 101, and routes that allow none.

use super::*;
use lockgate_tests::answers::is_the_gateways_problem;
use lockgate_tests::get;

#[test]
fn a_request_that_asks_for_no_upgrade_by_the_letter_is_an_ordinary_one() {
    let upstream = echo();
    let gateway = gateway(&upstream);
    for head in [
        "GET / HTTP/1.1\r\nhost: a\r\nupgrade: echo\r\n\r\n",
        "GET / HTTP/1.1\r\nhost: a\r\nconnection: close\r\nupgrade: echo\r\n\r\n",
        "GET / HTTP/1.1\r\nhost: a\r\nconnection: upgrade\r\n\r\n",
        "GET / HTTP/1.1\r\nhost: a\r\nconnection: upgrade\r\nupgrade: a b\r\n\r\n",
        "GET / HTTP/1.0\r\nhost: a\r\nconnection: upgrade\r\nupgrade: echo\r\n\r\n",
        "POST / HTTP/1.1\r\nhost: a\r\nconnection: upgrade\r\nupgrade: echo\r\ncontent-length: 2\r\n\r\nok",
        "POST / HTTP/1.1\r\nhost: a\r\nconnection: upgrade\r\nupgrade: echo\r\ntransfer-encoding: chunked\r\n\r\n0\r\n\r\n",
        // A tunnel of these would carry requests that no route and no plugin sees.
        "GET / HTTP/1.1\r\nhost: a\r\nconnection: Upgrade, HTTP2-Settings\r\nupgrade: h2c\r\nhttp2-settings: AAMAAABkAAQCAAAAAAIAAAAA\r\n\r\n",
        "GET / HTTP/1.1\r\nhost: a\r\nconnection: upgrade\r\nupgrade: H2C, TLS/1.2, HTTP/2.0\r\n\r\n",
    ] {
        let mut wire = gateway.connect();
        wire.write(head).expect("sent");
        let response = wire.response("GET").expect("an answer");
        assert_eq!(
            (response.status(), response.text()),
            (200, "no upgrade".to_owned()),
            "{head}"
        );
        let seen = upstream.last_request();
        for name in ["upgrade", "connection", "http2-settings"] {
            assert_eq!(seen.header(name), None, "{head}");
        }
    }
    // Of several, what can be tunnelled is offered.
    let mut wire = gateway.connect();
    let several = UPGRADE.replace("upgrade: echo", "upgrade: h2c, echo\r\nupgrade: other/2");
    wire.write(several).expect("sent");
    assert_eq!(wire.head().expect("an answer").expect("an answer").status(), 101);
    assert_eq!(upstream.last_request().all("upgrade"), ["echo, other/2"]);
}

#[test]
fn a_101_that_answers_nothing_or_something_else_is_a_502() {
    for (request, head, cause) in [
        (
            "GET / HTTP/1.1\r\nhost: a\r\n\r\n",
            "connection: upgrade\r\nupgrade: echo",
            "101 without an upgrade in the request",
        ),
        (
            UPGRADE,
            "connection: upgrade\r\nupgrade: h2c",
            "101 to a protocol that was not asked for",
        ),
        (
            UPGRADE,
            "connection: upgrade\r\nupgrade: echo, h2c",
            "101 to a protocol that was not asked for",
        ),
        (
            UPGRADE,
            "connection: upgrade",
            "101 to a protocol that was not asked for",
        ),
        (
            UPGRADE,
            "connection: close\r\nupgrade: echo",
            "101 without `connection: upgrade`",
        ),
    ] {
        let upstream = Upstream::saying(format!(
            "HTTP/1.1 101 Switching Protocols\r\n{head}\r\n\r\nGET / HTTP/1.1\r\n\r\n"
        ));
        let gateway = gateway(&upstream);
        let mut wire = gateway.connect();
        wire.write(request).expect("sent");
        let response = wire.response("GET").expect("an answer");
        is_the_gateways_problem(&response, 502);
        let _ = gateway.logged(&[cause, "upstream_malformed"]);
        assert_eq!(upstream.requests().len(), 1, "it is not sent again");
        assert_eq!(gateway.metrics().sum("lockgate_tunnels_total", &[]), 0.0);
    }
}

#[test]
fn a_route_that_allows_no_upgrade_answers_403_and_its_upstream_hears_nothing() {
    let upstream = echo();
    let mut config = config(&upstream);
    config["routes"] = json!([
        { "name": "plain", "match": { "path_prefix": "/chat" }, "upstream": "app", "upgrade": false },
        { "name": "rest", "match": { "path_prefix": "/" }, "upstream": "app", "upgrade": true },
    ]);
    let gateway = Gateway::start(config);
    let mut wire = gateway.connect();
    wire.write(UPGRADE).expect("sent");
    let response = wire.response("GET").expect("an answer");
    is_the_gateways_problem(&response, 403);
    assert!(response.text().contains("upgrade_refused"), "{response:?}");
    assert_eq!(upstream.begun(), 0);
    // The connection goes on, and so do requests of the route that ask for no upgrade.
    assert_eq!(
        wire.exchange(&get("/chat").header("host", "a"))
            .expect("an answer")
            .text(),
        "no upgrade"
    );
    let mut wire = gateway.connect();
    wire.write(UPGRADE.replace("/chat", "/other")).expect("sent");
    assert_eq!(wire.head().expect("an answer").expect("an answer").status(), 101);
    exchange(&mut wire, b"hello");
}

#[test]
fn plugins_see_the_upgrade_and_may_refuse_it_and_a_101_passes_the_response_phase() {
    let upstream = echo();
    let mut config = config(&upstream);
    config["plugins"] = json!({
        "guard": { "module": "acl", "config": { "deny": [{ "path_prefixes": ["/secret"] }] } },
        "store": { "module": "cache", "config": { "default_ttl": "60s" } },
        "tag": { "module": "tag" },
    });
    config["global_chain"] = json!(["guard", "store", "tag"]);
    let gateway = Gateway::start(config);
    let mut wire = gateway.connect();
    wire.write(UPGRADE.replace("/chat", "/secret")).expect("sent");
    assert_eq!(wire.response("GET").expect("an answer").status(), 403);
    assert_eq!(upstream.begun(), 0);
    // A stored response answers no upgrade, and a 101 is not stored.
    let page = get("/chat").header("host", "a");
    assert_eq!(wire.exchange(&page).expect("an answer").text(), "no upgrade");
    assert_eq!(wire.exchange(&page).expect("an answer").text(), "no upgrade");
    assert_eq!(upstream.requests().len(), 1, "the page is stored");
    for _ in 0..2 {
        let mut wire = gateway.connect();
        wire.write(UPGRADE).expect("sent");
        let head = wire.head().expect("an answer").expect("an answer");
        assert_eq!((head.status(), head.header("x-tag")), (101, Some("untagged")));
        exchange(&mut wire, b"hello");
    }
    assert_eq!(upstream.requests().len(), 3);
    assert_eq!(wire.exchange(&page).expect("an answer").text(), "no upgrade");
    assert_eq!(upstream.requests().len(), 3);
}
