//! Native tests: bytes count for the consumer and the day.

use lockgate_sdk::testing::{self, Gateway, response};

use super::*;

fn gateway() -> Gateway<ByteBudget> {
    Gateway::configured(r#"{ "budget": "100B" }"#).expect("the configuration is right")
}

/// The status of the reply to `consumer`, and a response of 40 bytes otherwise.
fn visit(gateway: &Gateway<ByteBudget>, consumer: &str) -> Option<u16> {
    let request = gateway.post("/", &"x".repeat(20));
    let exchange = request.property("lockgate.consumer.name", consumer).send();
    let status = exchange.status();
    if status.is_none() {
        exchange.respond_with(response(200).text(&"y".repeat(40)));
    }
    status
}

#[test]
fn a_consumer_who_has_used_the_budget_is_refused_until_the_day_ends() {
    let gateway = gateway();
    assert_eq!([(); 3].map(|()| visit(&gateway, "ada")), [None, None, Some(429)]);
    assert_eq!(visit(&gateway, "bob"), None);
    assert_eq!(testing::metric(r#"budget_bytes{consumer="ada"}"#), Some(120));
    assert_eq!(testing::metric(r#"budget_refused{consumer="ada"}"#), Some(1));
    gateway.advance(Duration::from_secs(DAY));
    assert_eq!(visit(&gateway, "ada"), None);
}
