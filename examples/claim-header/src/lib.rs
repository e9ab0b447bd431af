//! Passes a claim of the bearer token to the upstream as a header, if its value is allowed. Something in front must have verified the token.

use lockgate_sdk::base64::decode_url;
use lockgate_sdk::prelude::*;

#[derive(Config)]
struct Settings {
    /// The claim, like `tenant`.
    #[config(min_length = 1)]
    claim: String,
    /// The header that gets its value. A client cannot set it.
    #[config(min_length = 1)]
    header: String,
    /// The values that pass. Every other one is refused.
    #[config(min_length = 1)]
    allow: Vec<String>,
}

struct ClaimHeader(Settings);

#[plugin]
impl Plugin for ClaimHeader {
    type Config = Settings;

    fn new(settings: Settings) -> Result<Self, ConfigError> {
        Ok(ClaimHeader(settings))
    }

    fn on_request(&self, request: &mut Request) -> Result<()> {
        let ClaimHeader(settings) = self;
        request.remove_header(&settings.header)?;
        let token = request.header("authorization")?.unwrap_or_default();
        let value = claim(&token, &settings.claim)?;
        if !settings.allow.contains(&value) {
            log::info!("{} {value:?} is not allowed", settings.claim);
            return Err(reply(403)
                .problem("claim_not_allowed", "The token does not permit this.")
                .into());
        }
        request.set_header(&settings.header, value)
    }
}

/// A claim of a token with three parts (RFC 7519). What is no such token is a 401.
fn claim(authorization: &str, name: &str) -> Result<String> {
    let refused = || {
        let reply = reply(401).header("www-authenticate", "Bearer error=\"invalid_token\"");
        reply.problem("invalid_token", "A bearer token is needed.")
    };
    let (scheme, token) = authorization.split_once(' ').ok_or_else(refused)?;
    let parts: Vec<_> = token.split('.').collect();
    let [_, payload, _] = parts[..] else {
        return Err(refused().into());
    };
    if !scheme.eq_ignore_ascii_case("bearer") {
        return Err(refused().into());
    }
    let payload = decode_url(payload).ok_or_else(refused)?;
    let claims: serde_json::Value = serde_json::from_slice(&payload).map_err(|_| refused())?;
    Ok(claims[name].as_str().unwrap_or_default().to_owned())
}

#[cfg(test)]
mod tests;
