//! Asks the issuer whether a bearer token is active (RFC 7662). One request asks for all workers; the verdict holds for a minute.

use lockgate_sdk::prelude::*;
use serde::{Deserialize, Serialize};

#[derive(Config)]
struct Settings {
    /// The upstream that issues tokens.
    issuer: Upstream,
    /// The path of its introspection endpoint.
    #[config(default = "/introspect")]
    path: String,
    /// Time for which a verdict holds.
    #[config(default = "60s", min = "1s", max = "1h")]
    hold: Duration,
    /// Maximum time of one call.
    #[config(default = "2s", max = "10s")]
    timeout: Duration,
}

/// What the issuer says of a token.
#[derive(Serialize, Deserialize)]
struct Verdict {
    active: bool,
    #[serde(default)]
    username: String,
}

struct Introspect {
    settings: Settings,
    verdicts: Cache<String, Verdict>,
}

#[plugin(capabilities(foreign_functions = ["lockgate.kv"]))]
impl Plugin for Introspect {
    type Config = Settings;

    fn new(settings: Settings) -> Result<Self, ConfigError> {
        let verdicts = Cache::new("verdicts");
        Ok(Introspect { settings, verdicts })
    }

    async fn on_request(&self, request: &mut Request) -> Result<()> {
        request.remove_header("x-user")?;
        let header = request.header("authorization")?.unwrap_or_default();
        let missing = || reply(401).header("www-authenticate", "Bearer");
        let token = header.strip_prefix("Bearer ").ok_or_else(missing)?;
        let verdict = self.verdicts.get(token, async || self.ask(token).await).await;
        let verdict = verdict.map_err(|error| {
            log::warn!("no verdict: {error}");
            reply(503).problem("issuer_unavailable", "The token cannot be checked now.")
        })?;
        if !verdict.active {
            let challenge = "Bearer error=\"invalid_token\"";
            return Err(reply(401).header("www-authenticate", challenge).into());
        }
        request.set_header("x-user", verdict.username)
    }
}

impl Introspect {
    async fn ask(&self, token: &str) -> Result<(Verdict, Duration)> {
        let settings = &self.settings;
        let call = settings.issuer.post(&settings.path).form(&[("token", token)]);
        let answer = call.timeout(settings.timeout).await?.successful()?;
        Ok((answer.json()?, settings.hold))
    }
}

#[cfg(test)]
mod tests;
