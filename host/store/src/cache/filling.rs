//! [`Filling`]: a response that is being stored.

use std::sync::Arc;

use super::Cache;
use super::entry::{NewEntry, Stored};

/// Receives the body of a response in pieces, and stores the response when it is complete. Dropped before that, it stores nothing. The body
/// is copied: a piece of a network buffer would hold the whole buffer.
#[derive(Debug)]
pub struct Filling {
    cache: Arc<Cache>,
    scope: Box<str>,
    key: Box<str>,
    entry: Option<NewEntry>,
    announced: Option<usize>,
    body: Vec<u8>,
    /// Bytes of the cache's budget that this holds.
    reserved: usize,
    purges: u64,
}

impl Filling {
    pub(super) fn new(
        cache: Arc<Cache>,
        scope: &str,
        key: &str,
        entry: NewEntry,
        announced: Option<usize>,
        purges: u64,
    ) -> Self {
        let (scope, key) = (scope.into(), key.into());
        Self {
            cache,
            scope,
            key,
            entry: Some(entry),
            announced,
            body: Vec::new(),
            reserved: 0,
            purges,
        }
    }

    /// Adds the next piece. False: the response is too large, or longer than its `content-length`. It is given up, and further pieces are
    /// ignored.
    pub fn push(&mut self, piece: &[u8]) -> bool {
        if self.entry.is_none() {
            return false;
        }
        let length = self.body.len() + piece.len();
        let fits = self.announced.is_none_or(|announced| length <= announced)
            && self.reserved + piece.len() <= self.cache.limits.max_entry
            && self.reserve(piece.len());
        if !fits {
            self.give_up();
            return false;
        }
        if self.body.capacity() == 0 {
            self.body.reserve_exact(self.announced.unwrap_or(piece.len()));
        }
        self.body.extend_from_slice(piece);
        true
    }

    /// Stores the complete response. False: it is shorter than its `content-length`, was given up, or its key was purged meanwhile.
    pub fn commit(mut self) -> bool {
        let Some(entry) = self.entry.take() else { return false };
        if self.announced.is_some_and(|announced| announced != self.body.len()) {
            return false;
        }
        let body = std::mem::take(&mut self.body).into_boxed_slice();
        let stored = Stored {
            status: entry.status,
            headers: entry.headers,
            body: body.into(),
            fresh_for: entry.fresh_for,
            age: entry.age,
            since: entry.now,
            vary: entry.vary,
            partition: entry.partition,
            cost: self.reserved,
        };
        let is_kept = self.cache.put(&self.scope, &self.key, stored, self.purges);
        if is_kept {
            // From now on the entry holds these bytes.
            self.cache.budget.give_incoming(self.reserved);
            self.reserved = 0;
        }
        is_kept
    }

    pub(super) fn reserve(&mut self, bytes: usize) -> bool {
        if !self.cache.budget.take_incoming(bytes) {
            return false;
        }
        if !self.cache.make_room(bytes) {
            self.cache.budget.give_incoming(bytes);
            return false;
        }
        self.reserved += bytes;
        true
    }

    fn give_up(&mut self) {
        self.entry = None;
        self.body = Vec::new();
        self.cache.budget.give_incoming(self.reserved);
        self.cache.budget.give(self.reserved);
        self.reserved = 0;
    }
}

impl Drop for Filling {
    fn drop(&mut self) {
        self.give_up();
    }
}
