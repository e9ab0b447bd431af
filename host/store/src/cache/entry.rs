//! Entries of the cache: a response, and the times that its age is computed from.

use std::sync::Arc;
use std::time::{Duration, Instant};

use bytes::Bytes;
use http::header::{CONTENT_LENGTH, HeaderName};
use http::{HeaderMap, StatusCode};

use super::Hit;
use super::vary::Vary;
use crate::name::Name;

/// Bytes that an entry takes besides its name, headers and body.
const OVERHEAD: usize = 512;

/// The head of a response that is to be stored.
#[derive(Clone, Debug)]
pub struct NewEntry {
    /// Its status.
    pub status: StatusCode,
    /// Its headers, as a hit has them. A `content-length` must be the body's length.
    pub headers: HeaderMap,
    /// Time that it is fresh from `now` on.
    pub fresh_for: Duration,
    /// Its age at `now`.
    pub age: Duration,
    /// When it was received.
    pub now: Instant,
    pub(super) vary: Vary,
    pub(super) partition: Partition,
}

/// Whom a stored response is for, besides its key: entries of one partition never answer requests of another. A purge removes them from all.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub enum Partition {
    /// Requests that match no route.
    #[default]
    NoRoute,
    /// Requests of this route.
    Route(Arc<str>),
    /// Requests of all routes whose caches share this name.
    Shared(Arc<str>),
}

impl Partition {
    fn len(&self) -> usize {
        match self {
            Self::NoRoute => 0,
            Self::Route(name) | Self::Shared(name) => name.len(),
        }
    }
}

impl NewEntry {
    /// The entry of a response of age zero, which fits every request.
    pub fn new(status: StatusCode, headers: HeaderMap, fresh_for: Duration, now: Instant) -> Self {
        Self {
            status,
            headers,
            fresh_for,
            age: Duration::ZERO,
            now,
            vary: Vary::default(),
            partition: Partition::default(),
        }
    }

    /// For requests of this partition only.
    pub fn within(self, partition: Partition) -> Self {
        Self { partition, ..self }
    }

    /// With the age that the response had when it was received.
    pub fn aged(self, age: Duration) -> Self {
        Self { age, ..self }
    }

    /// For requests only that have the same values of these headers as `request`.
    pub fn varying_by(self, names: Vec<HeaderName>, request: &HeaderMap) -> Self {
        Self {
            vary: Vary::of(names, request),
            ..self
        }
    }

    /// The length of the body by `content-length`.
    pub(super) fn announced_length(&self) -> Option<usize> {
        self.headers.get(CONTENT_LENGTH)?.to_str().ok()?.parse().ok()
    }

    /// The bytes that it takes without its body.
    pub(super) fn cost(&self, name: &Name<'_>) -> usize {
        let headers: usize = self
            .headers
            .iter()
            .map(|(name, value)| name.as_str().len() + value.len() + 64)
            .sum();
        OVERHEAD + name.len() + self.partition.len() + headers + self.vary.cost()
    }
}

/// A stored response, complete.
#[derive(Debug)]
pub struct Stored {
    /// Its status.
    pub status: StatusCode,
    /// Its headers.
    pub headers: HeaderMap,
    /// Its body, in one piece of exactly that size.
    pub body: Bytes,
    pub(super) fresh_for: Duration,
    pub(super) age: Duration,
    pub(super) since: Instant,
    pub(super) vary: Vary,
    pub(super) partition: Partition,
    pub(super) cost: usize,
}

impl Stored {
    pub(super) fn hit(self: std::sync::Arc<Self>, now: Instant) -> Hit {
        let here = now.saturating_duration_since(self.since);
        Hit {
            age: self.age.saturating_add(here),
            fresh_for: self.fresh_for.saturating_sub(here),
            stale_for: here.saturating_sub(self.fresh_for),
            stored: self,
        }
    }
}
