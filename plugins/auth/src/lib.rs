//! Authenticates requests by API keys, and sets the consumer for the rest of the chain and the upstream.
//!
//! [`config`] checks the configuration, [`keys`] finds the consumer of a key; this file applies them to the request.

mod config;
mod keys;

use config::{Config, CredentialSource, IdentityHeaders, OnMissing};
use keys::{Consumer, Keys};
use lockgate_sdk::prelude::*;
use lockgate_sdk::property::{CONSUMER_GROUPS, CONSUMER_NAME};

struct Auth {
    sources: Vec<CredentialSource>,
    keys: Keys,
    identity_headers: IdentityHeaders,
    on_missing: OnMissing,
    hide_credentials: bool,
    challenge: String,
}

#[plugin(name = "auth", capabilities(write_properties = ["lockgate.consumer.*"]))]
impl Plugin for Auth {
    type Config = Config;

    fn new(config: Config) -> Result<Self, ConfigError> {
        Ok(Auth {
            sources: config.sources()?,
            identity_headers: config.identity_headers()?,
            on_missing: config.on_missing,
            hide_credentials: config.hide_credentials,
            challenge: config.challenge()?,
            keys: config.keys()?,
        })
    }

    fn on_request(&self, request: &mut Request) -> Result<Flow> {
        match self.credential(request)? {
            Some(key) => match self.keys.consumer_of(key.as_bytes()) {
                Some(consumer) => self.admit(request, consumer),
                None => Ok(self.unauthorized("auth_unknown_key", "The API key is not valid.")),
            },
            None if self.on_missing == OnMissing::Anonymous => self.admit_anonymous(request),
            None => Ok(self.unauthorized("auth_missing_key", "An API key is required.")),
        }
    }
}

impl Auth {
    /// The first credential in the request. An empty one counts as none.
    fn credential(&self, request: &Request) -> Result<Option<String>> {
        for place in &self.sources {
            let found = match place {
                CredentialSource::Header(name) => request.header(name)?,
                CredentialSource::Query(name) => request.query(name)?,
                CredentialSource::Cookie(name) => request.cookie(name)?,
            };
            if let Some(key) = found.filter(|key| !key.is_empty()) {
                return Ok(Some(key));
            }
        }
        Ok(None)
    }

    fn admit(&self, request: &mut Request, consumer: &Consumer) -> Result<Flow> {
        self.strip(request)?;
        request.add_header(&self.identity_headers.consumer, &consumer.name)?;
        CONSUMER_NAME.set(&consumer.name)?;
        CONSUMER_GROUPS.set(&consumer.groups)?;
        if !consumer.groups.is_empty() {
            request.add_header(&self.identity_headers.groups, &consumer.groups)?;
        }
        Ok(Flow::Continue)
    }

    /// Admits a request without a credential. The consumer of an earlier auth plugin stays; otherwise forged identity
    /// headers are removed.
    fn admit_anonymous(&self, request: &mut Request) -> Result<Flow> {
        if request.consumer()?.is_none() {
            self.strip(request)?;
        }
        Ok(Flow::Continue)
    }

    /// Removes the identity headers that the client sent, and the credentials if they are hidden from the upstream.
    fn strip(&self, request: &mut Request) -> Result<()> {
        request.remove_header(&self.identity_headers.consumer)?;
        request.remove_header(&self.identity_headers.groups)?;
        if !self.hide_credentials {
            return Ok(());
        }
        for place in &self.sources {
            match place {
                CredentialSource::Header(name) => request.remove_header(name)?,
                CredentialSource::Query(name) => request.remove_query(name)?,
                CredentialSource::Cookie(name) => request.remove_cookie(name)?,
            }
        }
        Ok(())
    }

    fn unauthorized(&self, details: &str, reason: &str) -> Flow {
        let answer = reply(401).header("www-authenticate", &*self.challenge).details(details);
        answer.problem("unauthorized", reason).into()
    }
}

#[cfg(test)]
mod tests;
