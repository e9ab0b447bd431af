//! `lockgate.kv` of native builds, with the results that Lockgate gives. It is full when a test says so.

use std::collections::BTreeMap;

use serde_json::{Value, json};

use super::Memory;
use crate::abi::Status;
use crate::text::base64;

/// The values, by whether they are shared, and by key.
#[derive(Default)]
pub(crate) struct Values {
    entries: BTreeMap<(bool, String), Entry>,
    version: u32,
    watch: u32,
    watches: Vec<(u32, bool, String)>,
    /// The watches that have completed.
    pub(crate) completed: Vec<u32>,
    /// The maximum number of entries.
    pub(crate) capacity: Option<usize>,
    /// Whether the host has no such function.
    pub(crate) is_absent: bool,
}

struct Entry {
    value: Vec<u8>,
    version: u32,
    /// In nanoseconds of the clock.
    expires: Option<u64>,
}

impl Values {
    fn live(&self, place: &(bool, String), now: u64) -> Option<&Entry> {
        let entry = self.entries.get(place)?;
        entry.expires.is_none_or(|expires| now < expires).then_some(entry)
    }

    fn notify(&mut self, place: &(bool, String)) {
        let is_it = |(_, shared, key): &mut (u32, bool, String)| (*shared, &*key) == (place.0, &place.1);
        let completed = self.watches.extract_if(.., is_it).map(|(id, _, _)| id);
        self.completed.extend(completed);
    }

    fn write(&mut self, place: (bool, String), call: &Value, now: u64) -> Result<Value, Status> {
        let value = match (call["value"].as_str(), call["base64"].as_str()) {
            (Some(text), None) => text.as_bytes().to_vec(),
            (None, Some(encoded)) => base64::decode(encoded).ok_or(Status::BadArgument)?,
            _ => return Err(Status::BadArgument),
        };
        let ttl = call
            .get("ttl_ms")
            .map(|ttl| ttl.as_u64().filter(|ttl| *ttl > 0).ok_or(Status::BadArgument));
        let is_new = !self.entries.contains_key(&place);
        if is_new && self.capacity.is_some_and(|capacity| self.entries.len() >= capacity) {
            return Err(Status::InternalFailure);
        }
        self.version += 1;
        let entry = Entry {
            value,
            version: self.version,
            expires: ttl
                .transpose()?
                .map(|ttl| now.saturating_add(ttl.saturating_mul(1_000_000))),
        };
        self.notify(&place);
        self.entries.insert(place, entry);
        Ok(json!({ "written": true, "version": self.version }))
    }

    fn call(&mut self, call: &Value, now: u64) -> Result<Value, Status> {
        self.entries
            .retain(|_, entry| entry.expires.is_none_or(|expires| now < expires));
        let shared = call["shared"].as_bool().unwrap_or(false);
        let key = call["key"].as_str().unwrap_or_default().to_owned();
        let place = (shared, key);
        let version = call["version"].as_u64();
        let current = self.live(&place, now).map(|entry| entry.version);
        let is_current = version.is_some() && version == current.map(u64::from);
        let refused = || json!({ "written": false, "version": current });
        Ok(match call["op"].as_str().unwrap_or_default() {
            "get" => match self.live(&place, now) {
                None => json!({ "found": false }),
                Some(entry) => {
                    let mut found = json!({ "found": true, "version": entry.version });
                    match std::str::from_utf8(&entry.value) {
                        Ok(text) => found["value"] = text.into(),
                        Err(_) => found["base64"] = base64::encode(&entry.value).into(),
                    }
                    if let Some(expires) = entry.expires {
                        found["ttl_ms"] = (expires - now).div_ceil(1_000_000).into();
                    }
                    found
                }
            },
            "set" => self.write(place, call, now)?,
            "add" if current.is_some() => refused(),
            "add" => self.write(place, call, now)?,
            "cas" if !is_current => refused(),
            "cas" => self.write(place, call, now)?,
            "delete" => {
                let deleted = current.is_some() && (version.is_none() || is_current);
                if deleted {
                    self.entries.remove(&place);
                    self.notify(&place);
                }
                json!({ "deleted": deleted })
            }
            "list" => {
                let (prefix, after) = (call["prefix"].as_str().unwrap_or_default(), call["after"].as_str());
                let wanted = |key: &&str| key.starts_with(prefix) && after.is_none_or(|after| *key > after);
                let own = self.entries.keys().filter(|(known, _)| *known == shared);
                let keys: Vec<&str> = own.map(|(_, key)| key.as_str()).filter(wanted).collect();
                json!({ "keys": keys.get(..256).unwrap_or(&keys), "more": keys.len() > 256 })
            }
            "watch" if !is_current => json!({ "watch": null }),
            "watch" => {
                self.watch += 1;
                self.watches.push((self.watch, place.0, place.1));
                json!({ "watch": self.watch })
            }
            "unwatch" => {
                self.watches
                    .retain(|(id, _, _)| Some(u64::from(*id)) != call["watch"].as_u64());
                json!({})
            }
            _ => return Err(Status::BadArgument),
        })
    }
}

/// The foreign function.
pub(super) fn call(memory: &mut Memory, argument: &[u8]) -> Result<Vec<u8>, Status> {
    if memory.kv.is_absent {
        return Err(Status::NotFound);
    }
    let call = serde_json::from_slice(argument).map_err(|_| Status::BadArgument)?;
    let result = memory.kv.call(&call, memory.nanoseconds)?;
    Ok(result.to_string().into_bytes())
}
