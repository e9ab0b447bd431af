//! Native tests of gRPC calls: requests, responses and errors.

use std::time::Duration;

use lockgate_sdk::prelude::*;
use lockgate_sdk::testing::{self, Gateway, grpc_error, grpc_response, no_response, response};
use lockgate_sdk::{GrpcStatus, Upstream};

/// Asks a service whether the user is permitted.
struct Asks {
    authz: Upstream,
}

#[plugin]
impl Plugin for Asks {
    fn new(_: NoConfig) -> Result<Self, ConfigError> {
        let authz = Upstream::new("authz");
        Ok(Asks { authz })
    }

    async fn on_request(&self, request: &mut Request) -> Result<Flow> {
        let user = request.header("x-user")?.unwrap_or_default();
        let check = self.authz.grpc("authz.v1.Authz", "Check").message(user);
        let check = check.metadata("x-tenant", "acme").timeout(Duration::from_millis(100));
        match check.await {
            Ok(message) => request.set_header("x-granted", message)?,
            Err(Error::Grpc {
                status: GrpcStatus::PERMISSION_DENIED,
                message,
            }) => return Ok(reply(403).text(message).into()),
            Err(other) => return Err(other),
        }
        Ok(Flow::Continue)
    }
}

fn gateway() -> Gateway<Asks> {
    Gateway::configured("").expect("nothing is to be configured")
}

#[test]
fn a_call_is_sent_as_built_and_returns_its_message() {
    let gateway = gateway().upstream("authz", |asked| {
        assert_eq!((asked.method(), asked.path()), ("POST", "/authz.v1.Authz/Check"));
        assert_eq!(asked.header("x-tenant"), Some("acme"));
        grpc_response(format!("all for {}", asked.body()))
    });
    let exchange = gateway.get("/").header("x-user", "ada").send();
    assert_eq!(exchange.forwarded("x-granted").as_deref(), Some("all for ada"));
}

#[test]
fn each_status_is_a_distinct_error() {
    let gateway = gateway().upstream("authz", |_| grpc_error(GrpcStatus::PERMISSION_DENIED, "not you"));
    let exchange = gateway.get("/").send();
    assert_eq!(exchange.status(), Some(403));
}

#[test]
fn a_missing_response_has_a_status_too() {
    for (script, expected) in [
        (no_response(), "status 14: unavailable"),
        (response(503), "status 14: unavailable"),
        (response(404), "status 12: HTTP status 404"),
        (
            grpc_response("late").after(Duration::from_millis(200)),
            "status 4: deadline exceeded",
        ),
    ] {
        let gateway = gateway().upstream("authz", move |_| script.clone());
        let exchange = gateway.get("/").send();
        gateway.advance(Duration::from_millis(300));
        assert_eq!(exchange.status(), Some(500));
        assert!(
            testing::log().iter().any(|line| line.contains(expected)),
            "{:?}",
            testing::log()
        );
    }
}

#[test]
fn an_empty_message_is_a_message() {
    let gateway = gateway().upstream("authz", |_| grpc_response(""));
    assert_eq!(gateway.get("/").send().forwarded("x-granted").as_deref(), Some(""));
}
