//! Blocks requests that have a header with one of the listed values.

use lockgate_sdk::prelude::*;

#[derive(Config)]
struct Block {
    /// The name of the header.
    header: String,
    /// The texts that its values must not contain. Case is ignored.
    values: Vec<String>,
}

#[plugin]
impl Plugin for Block {
    type Config = Block;

    fn new(mut config: Block) -> Result<Self, ConfigError> {
        if config.values.iter().any(String::is_empty) {
            return Err(ConfigError::at("/values", "an empty value would block every request"));
        }
        config.values.iter_mut().for_each(|value| value.make_ascii_lowercase());
        Ok(config)
    }

    fn on_request(&self, request: &mut Request) -> Result<Flow> {
        for mut value in request.headers().all(&self.header)? {
            value.make_ascii_lowercase();
            if self.values.iter().any(|refused| value.contains(refused)) {
                log::info!("blocked: {} is {value:?}", self.header);
                return Ok(reply(403).problem("blocked", "This client is blocked.").into());
            }
        }
        Ok(Flow::Continue)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use lockgate_sdk::testing::Gateway;

    const CONFIG: &str = r#"{ "header": "user-agent", "values": ["EvilBot", "scraper"] }"#;

    #[test]
    fn a_listed_value_is_refused_in_every_value_of_the_header() {
        let gateway = Gateway::<Block>::configured(CONFIG).expect("a good configuration");
        let refused = gateway.get("/").header("user-agent", "Mozilla (evilbot/2)").send();
        assert_eq!(refused.status(), Some(403));
        drop(refused);
        let second = gateway
            .get("/")
            .header("user-agent", "curl")
            .header("user-agent", "a-scraper");
        assert_eq!(second.send().status(), Some(403));
        assert!(!gateway.get("/").header("user-agent", "curl").send().is_paused());
    }

    #[test]
    fn a_configuration_that_would_block_every_request_is_refused() {
        let refused = Gateway::<Block>::configured(r#"{ "header": "a", "values": [""] }"#).err();
        assert!(refused.expect("refused").contains("at /values"));
    }
}
