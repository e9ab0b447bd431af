//! Which responses are stored, and whom they answer.

use super::*;

/// A `GET` of this route.
fn of_route(route: &str) -> SharedExchange {
    let exchange = request(Method::GET, &[]);
    exchange.borrow_mut().info.route = Some(route.into());
    exchange
}

fn stores(store: &Arc<Store>, exchange: &SharedExchange, more: &Value) -> bool {
    let mut call = json!({ "op": "store", "key": "K", "ttl_ms": 60_000 });
    call.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
    let is_stored = call_cache(store, exchange, call)["storing"] == true;
    pass(exchange, "the body", true);
    is_stored
}

fn finds(store: &Arc<Store>, exchange: &SharedExchange, more: &Value) -> bool {
    let mut call = json!({ "op": "lookup", "key": "K" });
    call.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
    call_cache(store, exchange, call)["found"] == true
}

#[test]
fn a_response_answers_its_own_route_unless_a_scope_is_named() {
    let (store, alone, shared) = (store(), json!({}), json!({ "scope": "all" }));
    let internal = of_route("internal");
    respond(&internal, StatusCode::OK, &[]);
    assert!(stores(&store, &internal, &alone));
    assert!(finds(&store, &of_route("internal"), &alone));
    for other in [of_route("public"), request(Method::GET, &[])] {
        assert!(!finds(&store, &other, &alone));
        assert!(!finds(&store, &other, &shared));
        let call = json!({ "op": "serve", "key": "K" });
        assert_eq!(call_cache(&store, &other, call), json!({ "served": false }));
    }
    assert!(stores(&store, &internal, &shared));
    assert!(finds(&store, &of_route("public"), &shared));
    assert!(
        !finds(&store, &of_route("public"), &json!({ "scope": "internal" })),
        "a scope is no route"
    );
    let purge = call_cache(&store, &of_route("public"), json!({ "op": "purge", "key": "K" }));
    assert_eq!(purge, json!({ "purged": 2 }));
}

#[test]
fn what_a_request_brings_back_from_another_route_is_not_stored() {
    let store = store();
    let moved = of_route("internal");
    moved.borrow_mut().info.rerouted = true;
    respond(&moved, StatusCode::OK, &[]);
    assert!(!stores(&store, &moved, &json!({})));
    assert!(stores(&store, &moved, &json!({ "scope": "all" })));
}

#[test]
fn a_local_response_is_never_stored() {
    for details in [Some("malformed_target"), Some("served_from_cache"), Some(""), None] {
        let (store, exchange) = (store(), request(Method::GET, &[]));
        respond(&exchange, StatusCode::OK, &[]);
        exchange.borrow_mut().info.code_details = details.map(Into::into);
        assert!(!stores(&store, &exchange, &json!({})), "{details:?}");
        assert!(!finds(&store, &request(Method::GET, &[]), &json!({})));
    }
}

#[test]
fn a_request_with_a_body_is_neither_answered_nor_stored() {
    let store = store();
    let with_body = request(Method::GET, &[]);
    with_body.borrow_mut().info.has_body = true;
    respond(&with_body, StatusCode::OK, &[]);
    assert!(!stores(&store, &with_body, &json!({})));
    store_response(&store, &[], "the body");
    assert!(finds(&store, &request(Method::GET, &[]), &json!({})));
    assert!(!finds(&store, &with_body, &json!({})));
}

#[test]
fn a_request_for_an_upgrade_is_neither_answered_nor_stored() {
    let store = store();
    let upgrade = request(Method::GET, &[]);
    upgrade.borrow_mut().request.is_upgrade = true;
    for status in [StatusCode::SWITCHING_PROTOCOLS, StatusCode::OK] {
        respond(&upgrade, status, &[]);
        assert!(!stores(&store, &upgrade, &json!({})), "{status}");
    }
    store_response(&store, &[], "the body");
    assert!(finds(&store, &request(Method::GET, &[]), &json!({})));
    assert!(!finds(&store, &upgrade, &json!({})));
}
