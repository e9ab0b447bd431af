//! A plugin on one screen: it answers `/hello` itself, and adds a header to every response.

use lockgate_sdk::prelude::*;

struct Hello {
    greeting: String,
}

#[derive(Config)]
struct Config {
    /// The text before the name.
    #[config(default = "Hello")]
    greeting: String,
}

#[plugin]
impl Plugin for Hello {
    type Config = Config;

    fn new(config: Config) -> Result<Self, ConfigError> {
        Ok(Hello {
            greeting: config.greeting,
        })
    }

    fn on_request(&self, request: &mut Request) -> Result<Flow> {
        if request.path()? != "/hello" {
            return Ok(Flow::Continue);
        }
        let name = request.query("name")?.unwrap_or_else(|| "world".to_owned());
        Ok(reply(200).text(format!("{}, {name}!\n", self.greeting)).into())
    }

    fn on_response(&self, response: &mut Response) -> Result<Flow> {
        response.set_header("x-hello", "lockgate")?;
        Ok(Flow::Continue)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use lockgate_sdk::testing::Gateway;

    #[test]
    fn hello_is_answered_and_other_requests_pass() {
        let gateway = Gateway::<Hello>::configured(r#"{ "greeting": "Ahoy" }"#).expect("a good configuration");
        let greeted = gateway.get("/hello?name=Ada%20L.").send();
        assert_eq!(greeted.reply_body().as_deref(), Some("Ahoy, Ada L.!\n"));
        drop(greeted);
        let passed = gateway.get("/orders").send();
        assert!(!passed.is_paused());
        assert_eq!(passed.respond(200, &[]).header("x-hello").as_deref(), Some("lockgate"));
    }

    #[test]
    fn a_typo_in_the_configuration_is_reported() {
        let refused = Gateway::<Hello>::configured(r#"{ "greting": "Ahoy" }"#)
            .err()
            .expect("refused");
        assert!(refused.contains("greting"), "{refused}");
    }
}
