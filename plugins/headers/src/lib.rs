//! Adds, sets and removes headers of requests and responses. Values are templates.

mod edits;

use edits::{Edit, Settings};
use lockgate_sdk::Headers;
use lockgate_sdk::prelude::*;

struct HeadersPlugin {
    request: Vec<Edit>,
    response: Vec<Edit>,
}

#[derive(Config)]
struct Config {
    /// The changes to request headers.
    #[config(default)]
    request: Settings,
    /// The changes to response headers.
    #[config(default)]
    response: Settings,
}

#[plugin(name = "headers")]
impl Plugin for HeadersPlugin {
    type Config = Config;

    fn new(config: Config) -> Result<Self, ConfigError> {
        let request = edits::edits("request", config.request)?;
        let response = edits::edits("response", config.response)?;
        Ok(HeadersPlugin { request, response })
    }

    fn on_request(&self, request: &mut Request) -> Result<Flow> {
        apply(&self.request, request.headers())
    }

    fn on_response(&self, response: &mut Response) -> Result<Flow> {
        apply(&self.response, response.headers())
    }
}

/// Applies the changes. If the host refuses a value, which a template may have made invalid, the request fails: it
/// never goes on without a configured header.
fn apply(edits: &[Edit], headers: Headers) -> Result<Flow> {
    for edit in edits {
        match edit {
            Edit::Remove(name) => headers.remove(name)?,
            Edit::Set(name, value) => headers.set(name, value.render()?)?,
            Edit::Add(name, value) => headers.add(name, value.render()?)?,
        }
    }
    Ok(Flow::Continue)
}

#[cfg(test)]
mod tests {
    use super::*;
    use lockgate_sdk::Status;
    use lockgate_sdk::testing::{self, Gateway};

    const CONFIG: &str = r#"{
        "request": {
            "remove": ["X-Debug"],
            "set": { "X-Tenant": "{consumer|header:x-team}/{request.id}" },
            "add": { "X-Via": "lockgate" }
        },
        "response": { "remove": ["server"], "set": { "x-served-to": "{consumer}" } }
    }"#;

    #[test]
    fn both_directions_are_changed_as_configured() {
        let gateway = Gateway::<HeadersPlugin>::configured(CONFIG).expect("a good configuration");
        let request = gateway
            .get("/")
            .header("x-debug", "1")
            .header("x-via", "cdn")
            .header("x-tenant", "forged");
        let exchange = request
            .header("x-request-id", "7")
            .property("lockgate.consumer.name", "alice")
            .send();
        assert_eq!(exchange.forwarded("x-debug"), None);
        assert_eq!(exchange.forwarded("x-tenant").as_deref(), Some("alice/7"));
        assert_eq!(exchange.forwarded("x-via").as_deref(), Some("cdn, lockgate"));
        let response = exchange.respond(200, &[("server", "x")]);
        assert_eq!(response.header("server"), None);
        assert_eq!(response.header("x-served-to").as_deref(), Some("alice"));
    }

    #[test]
    fn an_empty_configuration_changes_nothing() {
        let gateway = Gateway::<HeadersPlugin>::configured("").expect("an empty configuration");
        let exchange = gateway.get("/").header("x-debug", "1").send();
        assert_eq!(exchange.forwarded("x-debug").as_deref(), Some("1"));
    }

    #[test]
    fn a_header_that_the_host_refuses_fails_the_request() {
        let gateway = Gateway::<HeadersPlugin>::configured(CONFIG).expect("a good configuration");
        testing::fail("proxy_replace_header_map_value", Status::BadArgument);
        assert_eq!(gateway.get("/").send().status(), Some(500));
        assert!(
            testing::log().iter().any(|line| line.contains("BAD_ARGUMENT")),
            "{:?}",
            testing::log()
        );
    }

    #[test]
    fn a_template_with_an_unknown_source_is_refused() {
        let config = r#"{ "request": { "set": { "x-a": "{nobody}" } } }"#;
        let refused = Gateway::<HeadersPlugin>::configured(config).err().expect("refused");
        assert!(refused.contains("nobody") && refused.contains("consumer"), "{refused}");
    }
}
