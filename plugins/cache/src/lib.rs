//! A shared cache by RFC 9111. The plugin decides; the stored bytes stay in the host, which serves them itself.
//!
//! [`request`] decides what a request permits, [`response`] whether a response may be stored, and [`key`] under which
//! key. This file applies their decisions.

mod config;
mod directives;
mod key;
mod request;
mod response;

use std::cell::Cell;
use std::time::SystemTime;

use config::{Config, Consumers};
use lockgate_sdk::cache as store;
use lockgate_sdk::prelude::*;
use lockgate_sdk::property::{CONSUMER_NAME, UPSTREAM};
use lockgate_sdk::shared;
use request::{Forward, Plan, RequestInfo};
use response::{FreshnessBounds, ResponseInfo};

struct Cache {
    config: Config,
    bounds: FreshnessBounds,
    scope: store::Scope,
    has_warned: Cell<bool>,
}

/// The state of a request in the cache.
#[derive(Default)]
enum Progress {
    /// The cache does not handle the request, or has answered it.
    #[default]
    Inactive,
    /// The request goes to the upstream. With a key, its response may be stored.
    Forwarded {
        why: Forward,
        key: Option<String>,
        has_authorization: bool,
    },
    /// The request may change this resource.
    Changing { resource: String, key: String },
}

#[plugin(name = "cache", capabilities(foreign_functions = ["lockgate.cache"]))]
impl Plugin for Cache {
    type Config = Config;
    type State = Progress;

    fn new(config: Config) -> Result<Self, ConfigError> {
        let bounds = FreshnessBounds {
            default_ms: config.default_ttl.map(|ttl| ttl.milliseconds()),
            max_ms: config.max_ttl.map(|ttl| ttl.milliseconds()),
        };
        let scope = config.scope.clone().map_or(store::Scope::Route, store::Scope::Named);
        Ok(Cache {
            config,
            scope,
            bounds,
            has_warned: Cell::new(false),
        })
    }

    fn on_request(&self, request: &mut Request, progress: &mut Progress) -> Flow {
        self.ask(request, progress).unwrap_or_else(|error| {
            // Without the cache, the upstream answers.
            self.warn(&error);
            Flow::Continue
        })
    }

    fn on_response(&self, response: &mut Response, progress: &mut Progress) -> Flow {
        if let Err(error) = self.finish(response, std::mem::take(progress)) {
            self.warn(&error);
        }
        Flow::Continue
    }
}

impl Cache {
    /// Answers the request from the store, or records what to do with its response.
    fn ask(&self, request: &Request, progress: &mut Progress) -> Result<Flow> {
        let headers = request.headers().list()?;
        let info = RequestInfo::read(&headers, request.is_without_body());
        let plan = info.plan();
        if plan == Plan::Ignore {
            return Ok(Flow::Continue);
        }
        if plan == Plan::Bypass {
            *progress = Progress::Forwarded {
                why: Forward::Bypass,
                key: None,
                has_authorization: false,
            };
            return Ok(Flow::Continue);
        }
        let resource = key::resource(&info.origin, info.path_and_query, &self.config.ignore_query);
        let key = self.key(&resource)?;
        if plan == Plan::Invalidate {
            *progress = Progress::Changing { resource, key };
            return Ok(Flow::Continue);
        }
        let why = match if plan == Plan::Refresh {
            None
        } else {
            Some(store::lookup_in(&self.scope, &key)?)
        } {
            None => Forward::Request,
            Some(None) => Forward::Miss,
            Some(Some(entry)) => match info.forward_reason(&entry) {
                Some(why) => why,
                None if self.serve(&key, &entry)? => return Ok(Flow::Pause),
                None => Forward::Miss,
            },
        };
        if info.directives.only_if_cached {
            let status = format!("{}; fwd={}", self.config.name, why.word());
            let answer = reply(504)
                .header("cache-status", status)
                .details("cache_only_if_cached");
            return Ok(answer
                .problem(
                    "not_cached",
                    "No stored response matches, and the request permits no other.",
                )
                .into());
        }
        let key = info.may_be_stored().then_some(key);
        *progress = Progress::Forwarded {
            why,
            key,
            has_authorization: info.has_authorization,
        };
        Ok(Flow::Continue)
    }

    /// Stores the response, or invalidates the resource that the request has changed, and sets `Cache-Status`.
    fn finish(&self, response: &mut Response, progress: Progress) -> Result<()> {
        match progress {
            Progress::Inactive => Ok(()),
            Progress::Forwarded {
                why,
                key,
                has_authorization,
            } => {
                let stored = match key {
                    Some(key) => self.store(response, &key, has_authorization),
                    None => Ok(false),
                };
                let note = if matches!(stored, Ok(true)) { "; stored" } else { "" };
                response.add_header(
                    "cache-status",
                    format!("{}; fwd={}{note}", self.config.name, why.word()),
                )?;
                stored.map(drop)
            }
            Progress::Changing { resource, key } => {
                if ResponseInfo::read(&response.headers().list()?).is_success() {
                    invalidate(&resource)?;
                    // The new generation hides all stored responses; this frees the space of the most likely one.
                    store::purge(&key)?;
                }
                Ok(())
            }
        }
    }

    /// The key of a resource for this request.
    fn key(&self, resource: &str) -> Result<String> {
        let consumer = match self.config.consumers {
            Consumers::Isolated => CONSUMER_NAME.value()?,
            Consumers::Shared => None,
        };
        Ok(key::key(
            resource,
            generation(resource)?,
            UPSTREAM.value()?.as_deref(),
            consumer.as_deref(),
        ))
    }

    fn serve(&self, key: &str, entry: &store::Entry) -> Result<bool> {
        let status = format!("{}; hit; ttl={}", self.config.name, entry.ttl_ms / 1_000);
        store::serve_in(&self.scope, key, &[("cache-status", &status)])
    }

    fn store(&self, response: &Response, key: &str, has_authorization: bool) -> Result<bool> {
        let now = lockgate_sdk::now().unwrap_or(SystemTime::UNIX_EPOCH);
        match ResponseInfo::read(&response.headers().list()?).storage(has_authorization, self.bounds, now) {
            Some(storage) => store::store_in(&self.scope, key, storage.ttl_ms, &storage.vary),
            None => Ok(false),
        }
    }

    /// Logs an error: the first one as a warning, further ones at debug level, as they may occur at every request.
    fn warn(&self, error: &Error) {
        if self.has_warned.replace(true) {
            log::debug!("not cached: {error}");
        } else {
            log::warn!("not cached: {error}; further ones are logged at debug level");
        }
    }
}

/// The current generation of a resource; 0 until it is invalidated.
fn generation(resource: &str) -> Result<u64> {
    Ok(number(shared::value(&key::generation_record(resource))?.as_deref()))
}

/// Invalidates all stored responses of a resource, for all consumers and upstreams. Generations are times: with
/// counters, two workers at once could return to a number that was in use.
fn invalidate(resource: &str) -> Result<()> {
    let since = lockgate_sdk::now()?
        .duration_since(SystemTime::UNIX_EPOCH)
        .unwrap_or_default();
    let now = u64::try_from(since.as_nanos()).unwrap_or(u64::MAX);
    shared::update(&key::generation_record(resource), |value| {
        number(value).saturating_add(1).max(now).to_le_bytes().to_vec()
    })
    .map(drop)
}

fn number(value: Option<&[u8]>) -> u64 {
    value
        .and_then(|bytes| bytes.try_into().ok())
        .map_or(0, u64::from_le_bytes)
}

#[cfg(test)]
mod tests;
