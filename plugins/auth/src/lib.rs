//! Lets in who brings a known API key, and tells the rest of the chain who it is.
//!
//! The decisions are in [`keys`] and [`config`]; here they meet the request.

mod config;
mod keys;

use config::{Announcement, Config, OnMissing, Place};
use keys::{Consumer, Keys};
use lockgate_sdk::prelude::*;
use lockgate_sdk::property::{CONSUMER_GROUPS, CONSUMER_NAME};

struct Auth {
    places: Vec<Place>,
    keys: Keys,
    announcement: Announcement,
    on_missing: OnMissing,
    hide_credentials: bool,
    challenge: String,
}

#[plugin(name = "auth", capabilities(write_properties = ["lockgate.consumer.*"]))]
impl Plugin for Auth {
    type Config = Config;

    fn new(config: Config) -> Result<Self, ConfigError> {
        Ok(Auth {
            places: config.places()?,
            announcement: config.announcement()?,
            on_missing: config.on_missing,
            hide_credentials: config.hide_credentials,
            challenge: config.challenge()?,
            keys: config.keys()?,
        })
    }

    fn on_request(&self, request: &mut Request) -> Result<Flow> {
        match self.credential(request)? {
            Some(key) => match self.keys.owner(key.as_bytes()) {
                Some(consumer) => self.admit(request, consumer),
                None => Ok(self.refuse("auth_unknown_key", "The API key is not valid.")),
            },
            None if self.on_missing == OnMissing::Anonymous => self.admit_anonymous(request),
            None => Ok(self.refuse("auth_missing_key", "An API key is required.")),
        }
    }
}

impl Auth {
    /// The first credential that the request brings. An empty one is none.
    fn credential(&self, request: &Request) -> Result<Option<String>> {
        for place in &self.places {
            let found = match place {
                Place::Header(name) => request.header(name)?,
                Place::Query(name) => request.query(name)?,
                Place::Cookie(name) => request.cookie(name)?,
            };
            if let Some(key) = found.filter(|key| !key.is_empty()) {
                return Ok(Some(key));
            }
        }
        Ok(None)
    }

    fn admit(&self, request: &mut Request, consumer: &Consumer) -> Result<Flow> {
        self.clean(request)?;
        request.add_header(&self.announcement.consumer, &consumer.name)?;
        CONSUMER_NAME.set(&consumer.name)?;
        CONSUMER_GROUPS.set(&consumer.groups)?;
        if !consumer.groups.is_empty() {
            request.add_header(&self.announcement.groups, &consumer.groups)?;
        }
        Ok(Flow::Continue)
    }

    /// Whom an earlier auth plugin has found stays who it is; otherwise nobody may claim to be somebody.
    fn admit_anonymous(&self, request: &mut Request) -> Result<Flow> {
        if request.consumer()?.is_none() {
            self.clean(request)?;
        }
        Ok(Flow::Continue)
    }

    /// Takes away what only this plugin may say, and what is not for the upstream.
    fn clean(&self, request: &mut Request) -> Result<()> {
        request.remove_header(&self.announcement.consumer)?;
        request.remove_header(&self.announcement.groups)?;
        if !self.hide_credentials {
            return Ok(());
        }
        for place in &self.places {
            match place {
                Place::Header(name) => request.remove_header(name)?,
                Place::Query(name) => request.remove_query(name)?,
                Place::Cookie(name) => request.remove_cookie(name)?,
            }
        }
        Ok(())
    }

    fn refuse(&self, details: &str, reason: &str) -> Flow {
        let answer = reply(401).header("www-authenticate", &*self.challenge).details(details);
        answer.problem("unauthorized", reason).into()
    }
}

#[cfg(test)]
mod tests;
