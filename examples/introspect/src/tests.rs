//! Native tests: one call for all that wait, for as long as the verdict holds, and one timeout for all.

use std::cell::Cell;
use std::rc::Rc;

use lockgate_sdk::testing::{Exchange, Gateway, response};

use super::*;

/// A gateway whose issuer answers after `after`, and the number of its calls.
fn gateway(after: Duration) -> (Gateway<Introspect>, Rc<Cell<u32>>) {
    let calls: Rc<Cell<u32>> = Rc::default();
    let counted = calls.clone();
    let gateway = Gateway::configured(r#"{ "issuer": "login" }"#).expect("the configuration is right");
    let gateway = gateway.upstream("login", move |request| {
        counted.set(counted.get() + 1);
        let body = match &*request.body() {
            "token=good%2F1" => r#"{"active":true,"username":"ada"}"#,
            _ => r#"{"active":false}"#,
        };
        response(200).text(body).after(after)
    });
    (gateway, calls)
}

fn send<'g>(gateway: &'g Gateway<Introspect>, token: &str) -> Exchange<'g, Introspect> {
    let request = gateway.get("/").header("x-user", "forged");
    request.header("authorization", token).send()
}

#[test]
fn a_verdict_is_asked_for_once_a_minute_by_all_that_wait() {
    let (gateway, calls) = gateway(Duration::from_millis(100));
    let waiting = [(); 5].map(|()| send(&gateway, "Bearer good/1"));
    gateway.advance(Duration::from_millis(100));
    for exchange in &waiting {
        assert_eq!(exchange.forwarded("x-user").as_deref(), Some("ada"));
    }
    gateway.advance(Duration::from_secs(59));
    assert_eq!(
        send(&gateway, "Bearer good/1").forwarded("x-user").as_deref(),
        Some("ada")
    );
    assert_eq!(calls.get(), 1);
    gateway.advance(Duration::from_secs(1));
    send(&gateway, "Bearer good/1");
    assert_eq!(calls.get(), 2);
}

#[test]
fn an_inactive_token_and_a_missing_one_are_refused() {
    let (gateway, calls) = gateway(Duration::ZERO);
    assert_eq!(send(&gateway, "Bearer stolen").status(), Some(401));
    assert_eq!(send(&gateway, "Basic x").status(), Some(401));
    assert_eq!(calls.get(), 1);
}

#[test]
fn an_issuer_that_hangs_costs_all_that_wait_one_timeout() {
    let (gateway, calls) = gateway(Duration::from_secs(60));
    let waiting = [(); 40].map(|()| send(&gateway, "Bearer good/1"));
    gateway.advance(Duration::from_secs(2));
    assert!(waiting.iter().all(|exchange| exchange.status() == Some(503)));
    assert_eq!(calls.get(), 1);
}
