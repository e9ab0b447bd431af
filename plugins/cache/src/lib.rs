//! Answers from stored responses, by the rules of RFC 9111. The plugin decides; the bytes stay in the host, which serves
//! them without their passing through here.
//!
//! What a request wants is in [`asking`], whether a response may be kept in [`storing`], what it is called in [`key`];
//! here they meet the request.

mod asking;
mod config;
mod directives;
mod key;
mod storing;

use std::cell::Cell;
use std::time::SystemTime;

use asking::{Asked, Forward, Plan};
use config::{Config, Consumers};
use lockgate_sdk::cache as store;
use lockgate_sdk::prelude::*;
use lockgate_sdk::property::{CONSUMER_NAME, UPSTREAM};
use lockgate_sdk::shared;
use storing::{Answered, Bounds};

struct Cache {
    config: Config,
    bounds: Bounds,
    has_warned: Cell<bool>,
}

/// How far the cache has come with a request.
#[derive(Default)]
enum Progress {
    /// It has nothing to do with it, or has answered it.
    #[default]
    Aside,
    /// The upstream is asked. With a name, the response may be stored under it.
    Forwarded {
        why: Forward,
        key: Option<String>,
        has_authorization: bool,
    },
    /// The upstream may change this resource.
    Changing { resource: String, key: String },
}

#[plugin(name = "cache", capabilities(foreign_functions = ["lockgate.cache"]))]
impl Plugin for Cache {
    type Config = Config;
    type State = Progress;

    fn new(config: Config) -> Result<Self, ConfigError> {
        let bounds = Bounds {
            default_ms: config.default_ttl.map(|ttl| ttl.milliseconds()),
            max_ms: config.max_ttl.map(|ttl| ttl.milliseconds()),
        };
        Ok(Cache {
            config,
            bounds,
            has_warned: Cell::new(false),
        })
    }

    fn on_request(&self, request: &mut Request, progress: &mut Progress) -> Flow {
        self.ask(request, progress).unwrap_or_else(|error| {
            // The upstream can answer without the cache.
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
    /// Answers the request, or notes what to do with its response.
    fn ask(&self, request: &Request, progress: &mut Progress) -> Result<Flow> {
        let headers = request.headers().list()?;
        let asked = Asked::read(&headers);
        let plan = asked.plan();
        if plan == Plan::Aside {
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
        let resource = key::resource(
            asked.scheme,
            asked.authority,
            asked.path_and_query,
            &self.config.ignore_query,
        );
        let key = self.key(&resource)?;
        if plan == Plan::Invalidate {
            *progress = Progress::Changing { resource, key };
            return Ok(Flow::Continue);
        }
        let why = match if plan == Plan::Refresh {
            None
        } else {
            Some(store::lookup(&key)?)
        } {
            None => Forward::Request,
            Some(None) => Forward::Miss,
            Some(Some(entry)) => match asked.refuses(&entry) {
                Some(why) => why,
                None if self.serve(&key, &entry)? => return Ok(Flow::Pause),
                None => Forward::Miss,
            },
        };
        if asked.directives.only_if_cached {
            let status = format!("{}; fwd={}", self.config.name, why.word());
            let answer = reply(504)
                .header("cache-status", status)
                .details("cache_only_if_cached");
            return Ok(answer
                .problem("not_cached", "No stored response fits, and the request wants no other.")
                .into());
        }
        let key = asked.brings_all().then_some(key);
        *progress = Progress::Forwarded {
            why,
            key,
            has_authorization: asked.has_authorization,
        };
        Ok(Flow::Continue)
    }

    /// Stores the response, drops what it has changed, and says what was done.
    fn finish(&self, response: &mut Response, progress: Progress) -> Result<()> {
        match progress {
            Progress::Aside => Ok(()),
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
                if Answered::read(&response.headers().list()?).is_success() {
                    invalidate(&resource)?;
                    // The new generation hides all that is stored; this gives back the room of the likeliest.
                    store::purge(&key)?;
                }
                Ok(())
            }
        }
    }

    /// The name under which a resource is stored for this request.
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
        store::serve(key, &[("cache-status", &status)])
    }

    fn store(&self, response: &Response, key: &str, has_authorization: bool) -> Result<bool> {
        let now = lockgate_sdk::now().unwrap_or(SystemTime::UNIX_EPOCH);
        match Answered::read(&response.headers().list()?).storing(has_authorization, self.bounds, now) {
            Some(storing) => store::store(key, storing.ttl_ms, &storing.vary),
            None => Ok(false),
        }
    }

    /// Once is enough for a host that cannot cache; the rest is for debugging.
    fn warn(&self, error: &Error) {
        if self.has_warned.replace(true) {
            log::debug!("not cached: {error}");
        } else {
            log::warn!("not cached: {error}; further ones are logged at debug level");
        }
    }
}

/// Which generation of the resource is the current one; 0 until it is first invalidated.
fn generation(resource: &str) -> Result<u64> {
    Ok(number(shared::value(&key::generations(resource))?.as_deref()))
}

/// Hides all that is stored of a resource, for all consumers and upstreams. Generations are times, as two workers that
/// counted at once could come back to a number that was in use.
fn invalidate(resource: &str) -> Result<()> {
    let since = lockgate_sdk::now()?
        .duration_since(SystemTime::UNIX_EPOCH)
        .unwrap_or_default();
    let now = u64::try_from(since.as_nanos()).unwrap_or(u64::MAX);
    shared::update(&key::generations(resource), |value| {
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
