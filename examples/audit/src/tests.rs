//! Native tests: batches by number and by time, and what is left at the end.

use std::cell::RefCell;
use std::rc::Rc;

use lockgate_sdk::testing::{Gateway, response};

use super::*;

/// A gateway with batches of two, and the number of records in each batch that has arrived.
fn gateway(status: u16) -> (Gateway<Audit>, Rc<RefCell<Vec<usize>>>) {
    let batches: Rc<RefCell<Vec<usize>>> = Rc::default();
    let seen = batches.clone();
    let gateway = Gateway::configured(r#"{ "sink": "audit", "batch": 2 }"#).expect("the configuration is right");
    let gateway = gateway.upstream("audit", move |request| {
        let records = request.body().matches("\"path\":\"/").count();
        seen.borrow_mut().push(records);
        response(status)
    });
    (gateway, batches)
}

#[test]
fn a_full_batch_is_sent_at_once_and_another_one_in_time() {
    let (gateway, batches) = gateway(204);
    for path in ["/a", "/b", "/c"] {
        drop(gateway.get(path).send());
    }
    assert_eq!(*batches.borrow(), [2]);
    gateway.advance(Duration::from_secs(5));
    assert_eq!(*batches.borrow(), [2, 1]);
}

#[test]
fn the_last_records_are_sent_at_the_end() {
    let (gateway, batches) = gateway(204);
    drop(gateway.get("/a").send());
    gateway.end();
    assert!(gateway.is_done());
    assert_eq!(*batches.borrow(), [1]);
}

#[test]
fn a_sink_that_refuses_gets_the_records_again() {
    let (gateway, batches) = gateway(503);
    drop(gateway.get("/a").send());
    gateway.advance(Duration::from_secs(10));
    assert_eq!(*batches.borrow(), [1, 1]);
}
