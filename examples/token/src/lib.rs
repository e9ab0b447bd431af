//! Adds an access token to every request. The token is fetched once for all requests, and again before it expires.

use std::time::Duration;

use lockgate_sdk::Upstream;
use lockgate_sdk::prelude::*;
use lockgate_sdk::single::Single;
use serde::Deserialize;

struct Token {
    config: Config,
    token: Single<String>,
}

#[derive(Config)]
struct Config {
    /// The upstream that issues tokens.
    issuer: Upstream,
    /// The path of the token endpoint, for a `POST`.
    path: String,
    /// The client's id, sent as `client_id`.
    client: String,
    /// The client's secret, sent as `client_secret`.
    #[config(secret)]
    secret: String,
}

/// The response of the issuer (RFC 6749, section 5.1).
#[derive(Deserialize)]
struct Issued {
    access_token: String,
    expires_in: u64,
}

/// The number of seconds before the expiry at which the token is fetched again.
const MARGIN: u64 = 10;

#[plugin]
impl Plugin for Token {
    type Config = Config;

    fn new(config: Config) -> Result<Self, ConfigError> {
        let token = Single::default();
        Ok(Token { config, token })
    }

    async fn on_request(&self, request: &mut Request) -> Result<Flow> {
        match self.token.get(async || self.fetch().await).await {
            Ok(token) => request.set_header("authorization", format!("Bearer {token}"))?,
            Err(error) => {
                log::warn!("no token: {error}");
                return Ok(reply(503).problem("no_token", "The service is unavailable.").into());
            }
        }
        Ok(Flow::Continue)
    }

    /// Removes a token that the upstream has refused.
    fn on_response(&self, response: &mut Response) -> Result<()> {
        if response.status()? == 401 {
            self.token.forget();
        }
        Ok(())
    }
}

impl Token {
    async fn fetch(&self) -> Result<(String, Duration)> {
        let Config {
            issuer,
            path,
            client,
            secret,
        } = &self.config;
        let form = format!("grant_type=client_credentials&client_id={client}&client_secret={secret}");
        let callout = issuer.post(path).body("application/x-www-form-urlencoded", form);
        let issued: Issued = callout.timeout(Duration::from_secs(2)).await?.successful()?.json()?;
        let ttl = Duration::from_secs(issued.expires_in.saturating_sub(MARGIN));
        Ok((issued.access_token, ttl))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use lockgate_sdk::testing::{Gateway, ScriptedResponse, no_response, response};

    const CONFIG: &str = r#"{ "issuer": "login", "path": "/token", "client": "me", "secret": "s3" }"#;

    fn issued(token: u32) -> ScriptedResponse {
        response(200).text(&format!(r#"{{ "access_token": "t{token}", "expires_in": 60 }}"#))
    }

    /// A gateway whose issuer returns `t1`, `t2`, … after 20 ms each.
    fn gateway() -> Gateway<Token> {
        let mut count = 0;
        let gateway = Gateway::configured(CONFIG).expect("a good configuration");
        gateway.upstream("login", move |request| {
            assert_eq!(
                request.body(),
                "grant_type=client_credentials&client_id=me&client_secret=s3"
            );
            count += 1;
            issued(count).after(Duration::from_millis(20))
        })
    }

    fn token(gateway: &Gateway<Token>) -> Option<String> {
        gateway.get("/").send().forwarded("authorization")
    }

    #[test]
    fn many_requests_share_one_fetch() {
        let gateway = gateway();
        let (first, second) = (gateway.get("/").send(), gateway.get("/").send());
        gateway.advance(Duration::from_millis(20));
        for exchange in [first, second] {
            assert_eq!(exchange.forwarded("authorization").as_deref(), Some("Bearer t1"));
        }
        assert_eq!(token(&gateway).as_deref(), Some("Bearer t1"));
    }

    #[test]
    fn a_token_is_fetched_again_before_it_expires_and_after_a_401() {
        let gateway = gateway();
        let waiting = gateway.get("/").send();
        gateway.advance(Duration::from_secs(49));
        drop(waiting);
        assert_eq!(token(&gateway).as_deref(), Some("Bearer t1"));
        gateway.advance(Duration::from_secs(2));
        let renewed = gateway.get("/").send();
        gateway.advance(Duration::from_millis(20));
        assert_eq!(renewed.forwarded("authorization").as_deref(), Some("Bearer t2"));
        renewed.respond(401, &[]);
        let again = gateway.get("/").send();
        gateway.advance(Duration::from_millis(20));
        assert_eq!(again.forwarded("authorization").as_deref(), Some("Bearer t3"));
    }

    #[test]
    fn without_a_token_no_request_passes() {
        let gateway = gateway().upstream("login", |_| no_response());
        assert_eq!(gateway.get("/").send().status(), Some(503));
        let gateway = gateway.upstream("login", |_| response(200).text("{}"));
        assert_eq!(gateway.get("/").send().status(), Some(503));
    }
}
