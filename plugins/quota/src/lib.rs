//! Rate limits for consumers, addresses or any other key. The host counts; the plugin defines what is counted, and sets
//! the headers for the client.
//!
//! [`config`] checks the configuration, [`fields`] writes the headers; this file applies them to the request.

mod config;
mod fields;

use config::{Config, OnStoreError, Rule};
use fields::Field;
use lockgate_sdk::Status;
use lockgate_sdk::counter::{self, Algorithm, Decision};
use lockgate_sdk::prelude::*;

struct Quota {
    rules: Vec<Rule>,
    policy: String,
    legacy_headers: bool,
    ipv6_prefix: u8,
}

#[plugin(name = "quota", capabilities(foreign_functions = ["lockgate.counter"]))]
impl Plugin for Quota {
    type Config = Config;
    /// The header fields of the response.
    type State = Vec<Field>;

    fn new(config: Config) -> Result<Self, ConfigError> {
        let (legacy_headers, ipv6_prefix) = (config.legacy_headers, config.ipv6_prefix);
        let rules = config.rules()?;
        Ok(Quota {
            policy: fields::policy(&rules),
            rules,
            legacy_headers,
            ipv6_prefix,
        })
    }

    fn on_request(&self, state: &mut Vec<Field>) -> Result<Flow> {
        if self.rules.is_empty() {
            return Ok(Flow::Continue);
        }
        let decision = match self.charge() {
            Ok(decision) => decision,
            Err(error) => return Ok(self.not_counted(&error)),
        };
        let fields = fields::fields(&self.rules, &self.policy, &decision.rules, self.legacy_headers);
        if decision.allowed {
            *state = fields;
            return Ok(Flow::Continue);
        }
        let answer = reply(429).header("retry-after", fields::retry_after(&decision.rules).to_string());
        let answer = fields
            .into_iter()
            .fold(answer, |answer, (name, value)| answer.header(name, value));
        Ok(answer
            .details("quota_exceeded")
            .problem("quota-exceeded", "Too many requests. Try again later.")
            .into())
    }

    fn on_response(&self, response: &mut Response, state: &mut Vec<Field>) -> Result<Flow> {
        for (name, value) in state.drain(..) {
            response.set_header(name, value)?;
        }
        Ok(Flow::Continue)
    }
}

impl Quota {
    /// Charges the request to all rules, or to none.
    fn charge(&self) -> Result<Decision> {
        let mut keys = Vec::with_capacity(self.rules.len());
        for rule in &self.rules {
            // The name separates the keys of the rules, the window those of a changed rule.
            let mut key = String::with_capacity(rule.name.len() + 40);
            key.push_str(&rule.name);
            key.push('/');
            key.push_str(&rule.window_ms.to_string());
            key.push('/');
            key.push_str(&rule.key.render_by_network(self.ipv6_prefix)?);
            keys.push(key);
        }
        let rules = self.rules.iter().zip(&keys).map(|(rule, key)| counter::Rule {
            key,
            algorithm: Algorithm::TokenBucket,
            limit: rule.limit,
            window_ms: rule.window_ms,
            burst: rule.burst,
            cost: rule.cost,
        });
        let decision = counter::take(&rules.collect::<Vec<_>>())?;
        if decision.rules.len() == self.rules.len() {
            Ok(decision)
        } else {
            Err(Error::Malformed("lockgate.counter"))
        }
    }

    /// The flow of a request that cannot be counted: it passes if every rule allows that, and the store has failed. An argument that the
    /// host refuses comes from the request, and no client decides whether it is counted.
    fn not_counted(&self, error: &Error) -> Flow {
        let is_refused = matches!(
            error,
            Error::Host {
                status: Status::BadArgument,
                ..
            }
        );
        if !is_refused && self.rules.iter().all(|rule| rule.on_store_error == OnStoreError::Allow) {
            log::warn!("passed without being counted: {error}");
            return Flow::Continue;
        }
        log::error!("denied, as it cannot be counted: {error}");
        reply(503)
            .details("quota_unavailable")
            .problem("quota_unavailable", "The quota is unavailable.")
            .into()
    }
}

#[cfg(test)]
mod tests;
