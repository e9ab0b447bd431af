//! Native tests: which tokens pass, and what the upstream sees of them.

use lockgate_sdk::testing::{Exchange, Gateway};

use super::*;

fn gateway() -> Gateway<ClaimHeader> {
    Gateway::configured(r#"{ "claim": "tenant", "header": "x-tenant", "allow": ["acme", "globex"] }"#)
        .expect("the configuration is right")
}

/// A token with these claims. Its parts besides are not looked at.
fn token(claims: &str) -> String {
    let standard = lockgate_sdk::base64::encode(claims.as_bytes());
    let payload = standard.trim_end_matches('=').replace('+', "-").replace('/', "_");
    format!("Bearer e30.{payload}.c2ln")
}

fn send<'g>(gateway: &'g Gateway<ClaimHeader>, token: &str) -> Exchange<'g, ClaimHeader> {
    let request = gateway.get("/").header("x-tenant", "forged");
    request.header("authorization", token).send()
}

#[test]
fn an_allowed_claim_reaches_the_upstream_in_place_of_the_clients_header() {
    let gateway = gateway();
    let exchange = send(&gateway, &token(r#"{"tenant":"acme","sub":"ü?"}"#));
    assert_eq!(exchange.forwarded("x-tenant").as_deref(), Some("acme"));
}

#[test]
fn another_value_and_another_type_are_refused() {
    let gateway = gateway();
    for claims in [
        r#"{"tenant":"other"}"#,
        r#"{"tenant":["acme"]}"#,
        r#"{"sub":"acme"}"#,
        "{}",
        "[]",
    ] {
        assert_eq!(send(&gateway, &token(claims)).status(), Some(403), "{claims}");
    }
}

#[test]
fn what_is_no_token_is_unauthenticated() {
    let gateway = gateway();
    for text in [
        "",
        "Bearer",
        "Bearer a.b",
        "Basic e30.e30.e30",
        "Bearer a.!.c",
        "Bearer a.bm8.c",
        "Bearer a.e30.c.d",
    ] {
        let exchange = send(&gateway, text);
        assert_eq!(exchange.status(), Some(401), "{text}");
        assert!(exchange.reply_header("www-authenticate").is_some());
    }
}
