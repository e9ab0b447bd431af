//! [`Cache`]: values that one request fetches for all requests of all workers.

mod outcome;

use std::fmt::Display;
use std::marker::PhantomData;
use std::time::Duration;

use serde::Serialize;
use serde::de::DeserializeOwned;

use crate::error::{Error, Result};
use crate::futures::timer::{sleep, timeout};
use crate::services::kv::{Kv, Value};
use crate::text::sha256;

/// The default maximum duration of one fetch.
const FETCH_LIMIT: Duration = Duration::from_secs(30);
/// The default time for which a failure is shared.
const FAILURE_TTL: Duration = Duration::from_secs(1);
/// The time that a fetch holds its place beyond its maximum duration.
const GRACE: Duration = Duration::from_secs(1);
/// Longer keys are hashed, so that any token can be one.
const MAX_KEY: usize = 256;

/// The first byte of a slot: a fetch is in progress, a value as JSON, a failure.
const FETCHING: u8 = b'f';
const VALUE: u8 = b'v';
const FAILURE: u8 = b'e';

/// Values by key, kept in `lockgate.kv`: shared by all workers, kept through reloads, bounded by the settings of `kv`.
///
/// When a value is missing or has expired, one request of all workers fetches it while the others wait. A **failure is
/// shared** too: all that wait get it, and so does who asks within the next second. If the request that fetches ends
/// before, another one takes over. So a service that hangs costs one timeout, however many wait.
///
/// ```
/// # use lockgate_sdk::{Cache, Upstream, prelude::*};
/// # use std::time::Duration;
/// # struct Plugin { issuer: Upstream, verdicts: Cache<String, bool> }
/// # impl Plugin { async fn hook(&self, request: &mut Request) -> Result<Flow> {
/// // In `new`: Cache::new("verdicts")
/// let token = request.header("authorization")?.unwrap_or_default();
/// let active = self.verdicts.get(&token, async || {
///     let response = self.issuer.post("/introspect").text(&token).await?.successful()?;
///     Ok((response.text()?.contains("active"), Duration::from_secs(60)))
/// });
/// if !active.await? {
///     return Ok(reply(401).into());
/// }
/// # Ok(Flow::Continue) } }
/// ```
///
/// In other hosts than Lockgate it is [`Error::Unsupported`]; [`Single`](crate::single::Single) works everywhere, for
/// one value and one worker.
#[derive(Debug, Clone)]
pub struct Cache<K, V> {
    name: String,
    kv: Kv,
    failure_ttl: Duration,
    fetch_limit: Duration,
    types: PhantomData<fn(&K) -> V>,
}

enum Slot<V> {
    Fetching,
    Value(V),
    Failure(Error),
    /// Written by another version of the plugin.
    Malformed,
}

impl<K, V> Cache<K, V> {
    /// A cache of this name. Its keys start with the name, so that a plugin may have several.
    pub fn new(name: &str) -> Cache<K, V> {
        Cache {
            name: name.to_owned(),
            kv: Kv::own(),
            failure_ttl: FAILURE_TTL,
            fetch_limit: FETCH_LIMIT,
            types: PhantomData,
        }
    }

    /// Shares it with all plugins that have the same `vm_id`.
    pub fn shared(mut self) -> Cache<K, V> {
        self.kv = Kv::shared();
        self
    }

    /// Sets the time for which a failure is shared with further requests. By default 1 s; at least 1 ms.
    pub fn failures(mut self, ttl: Duration) -> Cache<K, V> {
        self.failure_ttl = ttl;
        self
    }

    /// Sets the maximum duration of one fetch, after which it fails. By default 30 s.
    pub fn fetch_limit(mut self, limit: Duration) -> Cache<K, V> {
        self.fetch_limit = limit;
        self
    }
}

impl<K, V: Serialize + DeserializeOwned> Cache<K, V> {
    /// The value of `key`; `fetch` fetches it if it is missing or expired, and returns it with its time to live. With a
    /// time of zero it is not kept. Without room in the store, each request fetches for itself.
    ///
    /// # Errors
    /// Those of `fetch`, also of another request's; [`Error::NoResponse`] if it takes longer than the limit.
    pub async fn get<Q: Display + ?Sized>(
        &self,
        key: &Q,
        fetch: impl AsyncFnOnce() -> Result<(V, Duration)>,
    ) -> Result<V> {
        let key = self.key(key);
        let version = loop {
            if let Some(found) = self.kv.get(&key)? {
                match decode(&found) {
                    Slot::Value(value) => return Ok(value),
                    Slot::Failure(error) => return Err(error),
                    Slot::Fetching => self.wait(&key, &found).await?,
                    Slot::Malformed => drop(self.kv.delete_version(&key, found.version)?),
                }
                continue;
            }
            match self.kv.add(&key, [FETCHING], Some(self.fetch_limit + GRACE)) {
                Ok(Some(version)) => break Some(version),
                Ok(None) => {}
                Err(Error::Full(_)) => break None,
                Err(error) => return Err(error),
            }
        };
        // Dropped without an outcome, it lets another request fetch.
        let mut place = Place {
            kv: self.kv,
            key: &key,
            version,
        };
        let fetched = match timeout(self.fetch_limit, fetch()).await? {
            Some(fetched) => fetched,
            None => Err(Error::NoResponse("the fetch has exceeded its limit".to_owned())),
        };
        match fetched {
            Ok((value, ttl)) => {
                if !ttl.is_zero() {
                    place.fill(&encode(&value)?, ttl);
                }
                Ok(value)
            }
            Err(error) => {
                place.fill(&outcome::encode(FAILURE, &error), self.failure_ttl);
                Err(error)
            }
        }
    }

    /// The value of `key`, if there is one. It is not fetched.
    pub fn cached<Q: Display + ?Sized>(&self, key: &Q) -> Result<Option<V>> {
        let found = self.kv.get(&self.key(key))?;
        Ok(found.and_then(|found| match decode(&found) {
            Slot::Value(value) => Some(value),
            _ => None,
        }))
    }

    /// Sets the value of `key`.
    ///
    /// # Errors
    /// [`Error::Full`] without room.
    pub fn set<Q: Display + ?Sized>(&self, key: &Q, value: &V, ttl: Duration) -> Result<()> {
        self.kv.set(&self.key(key), encode(value)?, Some(ttl))
    }

    /// Removes the value of `key`, for example when an upstream has refused it.
    pub fn forget<Q: Display + ?Sized>(&self, key: &Q) -> Result<()> {
        self.kv.delete(&self.key(key)).map(drop)
    }

    fn key<Q: Display + ?Sized>(&self, key: &Q) -> String {
        let text = key.to_string();
        if text.len() <= MAX_KEY {
            return [&self.name, "/", &text].concat();
        }
        [&self.name, "/sha256:", &sha256::hex(text.as_bytes())].concat()
    }

    /// Waits until the fetch of another request has ended, or has lost its place.
    async fn wait(&self, key: &str, found: &Value) -> Result<()> {
        let rest = found.expires_in.unwrap_or(self.fetch_limit);
        match timeout(rest, self.kv.changed(key, found.version)).await? {
            // Too many watch it: look again later.
            Some(Err(Error::Full(_))) => sleep(Duration::from_millis(50)).await,
            Some(result) => result,
            None => Ok(()),
        }
    }
}

/// The place of the request that fetches.
struct Place<'a> {
    kv: Kv,
    key: &'a str,
    /// `None` if it has no place, or has left it.
    version: Option<u32>,
}

impl Place<'_> {
    /// Replaces the place by the outcome. Without room, it is only left.
    fn fill(&mut self, outcome: &[u8], ttl: Duration) {
        if let Some(version) = self.version
            && self.kv.replace(self.key, version, outcome, Some(ttl)).is_ok()
        {
            self.version = None;
        }
    }
}

impl Drop for Place<'_> {
    fn drop(&mut self) {
        if let Some(version) = self.version {
            // If it fails, the place ends by its own expiry.
            let _ = self.kv.delete_version(self.key, version);
        }
    }
}

fn encode<V: Serialize>(value: &V) -> Result<Vec<u8>> {
    let mut slot = vec![VALUE];
    serde_json::to_writer(&mut slot, value).map_err(|error| Error::Plugin(error.to_string()))?;
    Ok(slot)
}

fn decode<V: DeserializeOwned>(found: &Value) -> Slot<V> {
    match found.bytes.split_first() {
        Some((&FETCHING, [])) => Slot::Fetching,
        Some((&VALUE, json)) => serde_json::from_slice(json).map_or(Slot::Malformed, Slot::Value),
        Some((&FAILURE, rest)) => outcome::decode(rest).map_or(Slot::Malformed, Slot::Failure),
        _ => Slot::Malformed,
    }
}
