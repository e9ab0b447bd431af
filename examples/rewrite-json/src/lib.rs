//! Removes fields from JSON responses, at any depth.

use lockgate_sdk::Body;
use lockgate_sdk::config::Size;
use lockgate_sdk::prelude::*;
use serde_json::Value;

#[derive(Config)]
struct Redact {
    /// The names of the fields to remove.
    fields: Vec<String>,
    /// The maximum size of a response. A larger one becomes a 500.
    #[config(default = "1MiB")]
    limit: Size,
}

#[plugin]
impl Plugin for Redact {
    type Config = Redact;

    fn new(config: Redact) -> Result<Self, ConfigError> {
        Ok(config)
    }

    async fn on_response(&self, response: &mut Response, body: &mut Body) -> Result<Flow> {
        let kind = response.header("content-type")?.unwrap_or_default();
        if !kind.starts_with("application/json") {
            return Ok(Flow::Continue);
        }
        let bytes = body.collect(self.limit.as_usize()).await?;
        // Invalid JSON may contain the fields, so it does not pass.
        let mut json: Value = serde_json::from_slice(&bytes).map_err(|error| Error::Plugin(error.to_string()))?;
        if self.redact(&mut json) {
            body.replace(json.to_string().as_bytes())?;
        }
        Ok(Flow::Continue)
    }
}

impl Redact {
    /// Removes the fields, and returns whether there were any.
    fn redact(&self, json: &mut Value) -> bool {
        match json {
            Value::Object(fields) => {
                let before = fields.len();
                fields.retain(|name, _| !self.fields.contains(name));
                let is_less = fields.len() < before;
                fields
                    .values_mut()
                    .fold(is_less, |changed, value| self.redact(value) | changed)
            }
            Value::Array(items) => items
                .iter_mut()
                .fold(false, |changed, item| self.redact(item) | changed),
            _ => false,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use lockgate_sdk::testing::{Gateway, response};

    fn gateway() -> Gateway<Redact> {
        Gateway::configured(r#"{ "fields": ["ssn"], "limit": "200B" }"#).expect("a good configuration")
    }

    #[test]
    fn fields_are_removed_at_any_depth() {
        let gateway = gateway();
        let people = response(200)
            .header("content-type", "application/json; charset=utf-8")
            .text(r#"{"people":[{"name":"Ada","ssn":"1"},{"name":"Bob"}],"ssn":"2"}"#);
        let answered = gateway.get("/").send().respond_with(people);
        assert_eq!(answered.body(), r#"{"people":[{"name":"Ada"},{"name":"Bob"}]}"#);
    }

    #[test]
    fn a_body_without_the_fields_or_of_another_type_is_unchanged() {
        let gateway = gateway();
        let exchange = gateway.get("/").send();
        let spaced = response(200)
            .header("content-type", "application/json")
            .text("[ 1,  2 ]");
        assert_eq!(exchange.respond_with(spaced).body(), "[ 1,  2 ]");
        drop(exchange);
        let exchange = gateway.get("/").send();
        let plain = response(200).header("content-type", "text/plain").text(r#"{"ssn":1}"#);
        assert_eq!(exchange.respond_with(plain).body(), r#"{"ssn":1}"#);
    }

    #[test]
    fn invalid_json_and_too_large_bodies_do_not_pass() {
        let gateway = gateway();
        for body in ["{", &"9".repeat(201)] {
            let exchange = gateway.get("/").send();
            let broken = response(200).header("content-type", "application/json").text(body);
            assert_eq!(exchange.respond_with(broken).body(), "");
            assert_eq!(exchange.status(), Some(500));
        }
    }
}
