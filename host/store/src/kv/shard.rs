//! [`Shard`]: one part of a [`Kv`](super::Kv): its entries in order, and when they expire.

use std::collections::{BTreeMap, HashMap};
use std::time::Instant;

use bytes::Bytes;

use super::Name;
use super::watch::Watcher;

/// Entries by namespace and key, and their expiries in order.
#[derive(Debug, Default)]
pub(super) struct Shard {
    namespaces: HashMap<Name, BTreeMap<Name, Entry>>,
    /// By time and version, which no two entries have in common.
    expiries: BTreeMap<(Instant, u32), (Name, Name)>,
}

/// A value with what belongs to it.
#[derive(Debug)]
pub(super) struct Entry {
    pub(super) value: Bytes,
    pub(super) version: u32,
    pub(super) expires: Option<Instant>,
    /// The bytes that it is counted with.
    pub(super) cost: usize,
    /// Those who wait for its change.
    pub(super) watchers: Vec<Watcher>,
}

impl Entry {
    pub(super) fn is_live(&self, now: Instant) -> bool {
        self.expires.is_none_or(|expires| now < expires)
    }
}

/// An entry that is no longer in the table.
#[derive(Debug)]
pub(super) struct Removed {
    pub(super) namespace: Name,
    pub(super) entry: Entry,
}

impl Shard {
    /// The entry, unless it has expired.
    pub(super) fn live(&self, namespace: &str, key: &str, now: Instant) -> Option<&Entry> {
        let entry = self.namespaces.get(namespace)?.get(key)?;
        entry.is_live(now).then_some(entry)
    }

    /// As [`live`](Self::live), mutably.
    pub(super) fn live_mut(&mut self, namespace: &str, key: &str, now: Instant) -> Option<&mut Entry> {
        let entry = self.namespaces.get_mut(namespace)?.get_mut(key)?;
        entry.is_live(now).then_some(entry)
    }

    /// All entries of a namespace, in the order of their keys.
    pub(super) fn namespace(&self, namespace: &str) -> Option<&BTreeMap<Name, Entry>> {
        self.namespaces.get(namespace)
    }

    /// Adds an entry, or replaces the one of this key, which is returned.
    pub(super) fn insert(&mut self, namespace: &str, key: &str, entry: Entry) -> Option<Removed> {
        let old = self.remove(namespace, key);
        let namespace = match self.namespaces.get_key_value(namespace) {
            Some((known, _)) => known.clone(),
            None => Name::from(namespace),
        };
        let key = Name::from(key);
        if let Some(expires) = entry.expires {
            let name = (namespace.clone(), key.clone());
            self.expiries.insert((expires, entry.version), name);
        }
        self.namespaces.entry(namespace).or_default().insert(key, entry);
        old
    }

    /// Removes the entry of this key.
    pub(super) fn remove(&mut self, namespace: &str, key: &str) -> Option<Removed> {
        let entries = self.namespaces.get_mut(namespace)?;
        let entry = entries.remove(key)?;
        let is_last = entries.is_empty();
        if let Some(expires) = entry.expires {
            self.expiries.remove(&(expires, entry.version));
        }
        let (name, _) = self.namespaces.get_key_value(namespace)?;
        let removed = Removed {
            namespace: name.clone(),
            entry,
        };
        if is_last {
            self.namespaces.remove(namespace);
        }
        Some(removed)
    }

    /// Removes the entry of this key if it has expired.
    pub(super) fn remove_expired(&mut self, namespace: &str, key: &str, now: Instant) -> Option<Removed> {
        let entry = self.namespaces.get(namespace)?.get(key)?;
        (!entry.is_live(now)).then(|| self.remove(namespace, key)).flatten()
    }

    /// Moves at most `count` expired entries to `dropped`.
    pub(super) fn drop_expired(&mut self, now: Instant, count: usize, dropped: &mut Vec<Removed>) {
        for _ in 0..count {
            let Some((&(expires, _), (namespace, key))) = self.expiries.first_key_value() else {
                return;
            };
            if now < expires {
                return;
            }
            let (namespace, key) = (namespace.clone(), key.clone());
            dropped.extend(self.remove(&namespace, &key));
        }
    }
}
