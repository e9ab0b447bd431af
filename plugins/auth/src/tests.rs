//! Native tests of the auth plugin.

use super::*;
use lockgate_sdk::Status;
use lockgate_sdk::testing::{self, Gateway};

/// The keys are `secret` and `rolled` of alice, and `other` of bob.
fn gateway(settings: &str) -> Result<Gateway<Auth>, String> {
    Gateway::configured(&format!(
        r#"{{ "kind": "key", "query": "api_key", "cookie": "key", {settings}
            "consumers": [
                {{ "name": "alice", "groups": ["gold", "beta"], "keys": [
                    "sha256:2bb80d537b1da3e38bd30361aa855686bde0eacd7162fef6a25fe97bf527a25b",
                    "sha256:{rolled}" ] }},
                {{ "name": "bob", "keys": ["sha256:{other}"] }} ] }}"#,
        rolled = sha256("rolled"),
        other = sha256("other"),
    ))
}

fn sha256(key: &str) -> String {
    use sha2::Digest as _;
    sha2::Sha256::digest(key)
        .iter()
        .map(|byte| format!("{byte:02x}"))
        .collect()
}

#[test]
fn without_a_key_the_reply_is_401_with_a_challenge() {
    let gateway = gateway(r#""realm": "the \"orders\" API","#).expect("a good configuration");
    let exchange = gateway.get("/").send();
    assert!(exchange.is_paused());
    assert_eq!(exchange.status(), Some(401));
    assert_eq!(
        exchange.reply_header("www-authenticate").as_deref(),
        Some(r#"ApiKey realm="the \"orders\" API""#)
    );
    assert_eq!(
        exchange.reply_header("content-type").as_deref(),
        Some("application/problem+json")
    );
    assert_eq!(exchange.reply_details().as_deref(), Some("auth_missing_key"));
}

#[test]
fn a_key_in_the_header_names_its_consumer_to_upstream_and_chain() {
    let gateway = gateway("").expect("a good configuration");
    for key in ["secret", "rolled"] {
        let exchange = gateway.get("/").header("x-api-key", key).send();
        assert!(!exchange.is_paused());
        assert_eq!(exchange.forwarded("x-consumer-name").as_deref(), Some("alice"));
        assert_eq!(exchange.forwarded("x-consumer-groups").as_deref(), Some("gold,beta"));
        assert_eq!(exchange.property("lockgate.consumer.name").as_deref(), Some("alice"));
        assert_eq!(
            exchange.property("lockgate.consumer.groups").as_deref(),
            Some("gold,beta")
        );
        assert_eq!(exchange.forwarded("x-api-key"), None, "credentials are hidden");
    }
}

#[test]
fn forged_consumer_headers_are_removed() {
    let gateway = gateway(r#""on_missing": "anonymous","#).expect("a good configuration");
    let forged = |key: Option<&str>| {
        let sending = gateway
            .get("/")
            .header("x-consumer-name", "root")
            .header("x-consumer-groups", "admin");
        match key {
            Some(key) => sending.header("x-api-key", key).send(),
            None => sending.send(),
        }
    };
    let anonymous = forged(None);
    assert!(!anonymous.is_paused());
    assert_eq!(anonymous.forwarded("x-consumer-name"), None);
    assert_eq!(anonymous.forwarded("x-consumer-groups"), None);
    drop(anonymous);
    let bob = forged(Some("other"));
    assert_eq!(bob.forwarded("x-consumer-name").as_deref(), Some("bob"));
    assert_eq!(bob.forwarded("x-consumer-groups"), None, "bob has no groups");
}

#[test]
fn a_wrong_key_is_refused_also_where_anonymous_may_pass() {
    let gateway = gateway(r#""on_missing": "anonymous","#).expect("a good configuration");
    let exchange = gateway.get("/").header("x-api-key", "Secret").send();
    assert_eq!(exchange.status(), Some(401));
    assert_eq!(exchange.reply_details().as_deref(), Some("auth_unknown_key"));
    assert!(!exchange.reply_body().expect("a body").contains("Secret"));
}

#[test]
fn the_header_comes_before_the_query_and_the_query_before_the_cookie() {
    let gateway = gateway("").expect("a good configuration");
    let both = gateway
        .get("/?api_key=other")
        .header("x-api-key", "secret")
        .header("cookie", "key=no")
        .send();
    assert_eq!(both.forwarded("x-consumer-name").as_deref(), Some("alice"));
    drop(both);
    let query = gateway
        .get("/a?x=1&api_key=other&y")
        .header("cookie", "key=secret; theme=dark")
        .send();
    assert_eq!(query.forwarded("x-consumer-name").as_deref(), Some("bob"));
    assert_eq!(
        query.forwarded(":path").as_deref(),
        Some("/a?x=1&y"),
        "credentials are hidden"
    );
    assert_eq!(
        query.forwarded("cookie").as_deref(),
        Some("theme=dark"),
        "also those that were not used"
    );
    drop(query);
    let cookie = gateway.get("/").header("cookie", "key=secret").send();
    assert_eq!(cookie.forwarded("x-consumer-name").as_deref(), Some("alice"));
    assert_eq!(cookie.forwarded("cookie"), None);
}

#[test]
fn a_key_is_found_and_hidden_in_every_cookie_header_and_nothing_else_changes() {
    let gateway = gateway("").expect("a good configuration");
    let second = gateway
        .get("/d?a&&b&api_key=secret&&c=%ff+")
        .header("cookie", "theme=dark;flag; x=1")
        .header("cookie", "lang=\u{e9}; key=other;a = b")
        .header("cookie", "key=secret")
        .send();
    assert_eq!(second.forwarded(":path").as_deref(), Some("/d?a&&b&&c=%ff+"));
    // Two headers are left; the test's gateway joins them with a comma.
    assert_eq!(
        second.forwarded("cookie").as_deref(),
        Some("theme=dark;flag; x=1, lang=\u{e9};a = b")
    );
    drop(second);
    let cookie = gateway
        .get("/")
        .header("cookie", "theme=dark")
        .header("cookie", "key=other")
        .send();
    assert_eq!(cookie.forwarded("x-consumer-name").as_deref(), Some("bob"));
    assert_eq!(cookie.forwarded("cookie").as_deref(), Some("theme=dark"));
}

#[test]
fn credentials_are_forwarded_if_not_hidden() {
    let gateway = gateway(r#""hide_credentials": false,"#).expect("a good configuration");
    let exchange = gateway.get("/").header("x-api-key", "secret").send();
    assert_eq!(exchange.forwarded("x-api-key").as_deref(), Some("secret"));
}

#[test]
fn an_anonymous_request_retains_the_consumer_of_an_earlier_plugin() {
    let gateway = gateway(r#""on_missing": "anonymous","#).expect("a good configuration");
    let request = gateway
        .get("/")
        .header("x-consumer-name", "carol")
        .property("lockgate.consumer.name", "carol");
    assert_eq!(request.send().forwarded("x-consumer-name").as_deref(), Some("carol"));
}

#[test]
fn a_configuration_that_cannot_work_is_refused_with_its_place() {
    let refused = |config: &str| Gateway::<Auth>::configured(config).err().expect("refused");
    let plain = refused(r#"{ "kind": "key", "consumers": [{ "name": "a", "keys": ["secret"] }] }"#);
    assert!(
        plain.contains("/consumers/0/keys/0") && plain.contains("sha256sum"),
        "{plain}"
    );
    assert!(!plain.contains("secret"), "a key is not for the log: {plain}");
    let twice =
        refused(r#"{ "kind": "key", "consumers": [{ "name": "a", "keys": [] }, { "name": "a", "keys": [] }] }"#);
    assert!(twice.contains("/consumers/1/name"), "{twice}");
    let nowhere = refused(r#"{ "kind": "key", "header": null, "consumers": [] }"#);
    assert!(nowhere.contains("no place for the key"), "{nowhere}");
    let comma = refused(r#"{ "kind": "key", "consumers": [{ "name": "a", "groups": ["x,admin"], "keys": [] }] }"#);
    assert!(comma.contains("/consumers/0/groups/0"), "{comma}");
    assert!(refused(r#"{ "kind": "jwt", "consumers": [] }"#).contains("jwt"));
    assert!(refused("{ ").contains("line 1"));
}

#[test]
fn whatever_status_the_host_returns_no_request_passes_unchecked() {
    let calls = [
        "proxy_get_header_map_value",
        "proxy_remove_header_map_value",
        "proxy_set_property",
    ];
    for call in calls {
        for status in [
            Status::BadArgument,
            Status::InvalidMemoryAccess,
            Status::InternalFailure,
            Status::Unimplemented,
        ] {
            let gateway = gateway("").expect("a good configuration");
            testing::fail(call, status);
            let exchange = gateway.get("/").header("x-api-key", "secret").send();
            assert!(exchange.is_paused(), "{call} {status:?}");
            assert_eq!(exchange.status(), Some(500), "{call} {status:?}");
        }
    }
}
