//! [`Kv::list`]: the keys of a namespace in order, part by part.

use std::ops::Bound;
use std::time::Instant;

use super::{Kv, Name, SHARDS};

/// Which keys are wanted.
#[derive(Clone, Copy, Debug)]
pub struct Listing<'a> {
    /// Keys that start with it.
    pub prefix: &'a str,
    /// Keys after this one; the last key of the part before.
    pub after: Option<&'a str>,
    /// At most this number of them.
    pub limit: usize,
}

/// Keys of a namespace.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Listed {
    /// The keys, in order.
    pub keys: Vec<Name>,
    /// Whether there are more behind the last one.
    pub more: bool,
}

impl Kv {
    /// The keys with a live value, in the order of their bytes. Keys that are written or removed meanwhile may or may not be among them.
    pub fn list(&self, namespace: &str, listing: Listing<'_>, now: Instant) -> Listed {
        let start = match listing.after {
            Some(after) if after >= listing.prefix => Bound::Excluded(after),
            _ => Bound::Included(listing.prefix),
        };
        let mut keys: Vec<Name> = Vec::new();
        for index in 0..SHARDS {
            let shard = self.lock(index);
            let Some(entries) = shard.namespace(namespace) else {
                continue;
            };
            let found = entries
                .range::<str, _>((start, Bound::Unbounded))
                .take_while(|(key, _)| key.starts_with(listing.prefix))
                .filter(|(_, entry)| entry.is_live(now))
                .map(|(key, _)| key.clone());
            keys.extend(found.take(listing.limit + 1));
        }
        keys.sort_unstable();
        let more = keys.len() > listing.limit;
        keys.truncate(listing.limit);
        Listed { keys, more }
    }
}
