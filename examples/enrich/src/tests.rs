//! Native tests with scripted services: their responses, and the failure of each.

use super::*;
use lockgate_sdk::testing::{CalloutRequest, Gateway, ScriptedResponse, no_response, response};

fn gateway(plans: impl FnMut(&CalloutRequest) -> ScriptedResponse + 'static) -> Gateway<Enrich> {
    let gateway = Gateway::configured("").expect("nothing is to be configured");
    let users = |request: &CalloutRequest| match request.path() {
        "/users/7" => response(200).text("Ada"),
        _ => response(404),
    };
    gateway.upstream("users", users).upstream("plans", plans)
}

#[test]
fn the_upstream_gets_both_headers() {
    let gateway = gateway(|_| response(200).text("gold"));
    let exchange = gateway.get("/").header("x-user-id", "7").send();
    assert_eq!(exchange.forwarded("x-user-name").as_deref(), Some("Ada"));
    assert_eq!(exchange.forwarded("x-plan").as_deref(), Some("gold"));
}

#[test]
fn both_services_are_called_at_once() {
    let gateway = gateway(|_| response(200).after(Duration::from_millis(400)));
    let exchange = gateway.get("/").header("x-user-id", "7").send();
    assert_eq!(exchange.callouts(), ["users/users/7", "plans/plans/7"]);
}

#[test]
fn without_the_second_service_the_plan_is_free() {
    for plans in [
        response(500),
        no_response(),
        response(200).after(Duration::from_secs(1)),
    ] {
        let gateway = gateway(move |_| plans.clone());
        let exchange = gateway.get("/").header("x-user-id", "7").send();
        gateway.advance(Duration::from_millis(500));
        assert_eq!(exchange.forwarded("x-plan").as_deref(), Some("free"));
    }
}

#[test]
fn an_unknown_user_does_not_pass() {
    let gateway = gateway(|_| response(200));
    assert_eq!(gateway.get("/").header("x-user-id", "8").send().status(), Some(403));
    assert_eq!(
        gateway.get("/").header("x-user-id", "../admin").send().status(),
        Some(400)
    );
    assert_eq!(gateway.get("/").send().status(), Some(400));
}
