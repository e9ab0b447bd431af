//! What is stored: a response as it came, and what it takes to judge its age.

use std::time::{Duration, Instant};

use bytes::Bytes;
use http::header::{CONTENT_LENGTH, HeaderName};
use http::{HeaderMap, StatusCode};

use super::Hit;
use super::vary::Vary;
use crate::name::Name;

/// What an entry costs besides its name, headers and body.
const OVERHEAD: usize = 512;

/// The head of a response that is to be stored.
#[derive(Clone, Debug)]
pub struct NewEntry {
    /// Its status.
    pub status: StatusCode,
    /// Its headers, as they are to be served. A `content-length` among them must come true.
    pub headers: HeaderMap,
    /// For how long it is fresh, from now on.
    pub fresh_for: Duration,
    /// How old it is already.
    pub age: Duration,
    /// When it came.
    pub now: Instant,
    pub(super) vary: Vary,
}

impl NewEntry {
    /// The entry for a response that is brand new and fits every request.
    pub fn new(status: StatusCode, headers: HeaderMap, fresh_for: Duration, now: Instant) -> Self {
        Self {
            status,
            headers,
            fresh_for,
            age: Duration::ZERO,
            now,
            vary: Vary::default(),
        }
    }

    /// The same for a response that had this age when it came.
    pub fn aged(self, age: Duration) -> Self {
        Self { age, ..self }
    }

    /// The same for a response that fits only requests which have the same values of these headers as this one.
    pub fn varying_by(self, names: Vec<HeaderName>, request: &HeaderMap) -> Self {
        Self {
            vary: Vary::of(names, request),
            ..self
        }
    }

    /// The length of the body, if the headers tell it.
    pub(super) fn announced_length(&self) -> Option<usize> {
        self.headers.get(CONTENT_LENGTH)?.to_str().ok()?.parse().ok()
    }

    /// What it costs without its body.
    pub(super) fn cost(&self, name: &Name<'_>) -> usize {
        let headers: usize = self
            .headers
            .iter()
            .map(|(name, value)| name.as_str().len() + value.len() + 64)
            .sum();
        OVERHEAD + name.len() + headers + self.vary.cost()
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
