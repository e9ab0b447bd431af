//! [`Publisher`]: takes what a source reports. A list that differs is logged, counted, saved, and handed on; a failure leaves the list as it is.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::{Duration, Instant};

use lockgate_client::Address;
use lockgate_exchange::clock;
use lockgate_upstream::{DiscoverySettings, EndpointSettings};
use tokio::sync::Notify;

use crate::error::SourceError;
use crate::saved::Saved;
use crate::sink::DiscoverySink;
use crate::status::UpstreamDiscovery;

/// Maximum number of endpoints that a source gives an upstream.
pub(crate) const MAX_ENDPOINTS: usize = 10_000;
/// Maximum number of addresses in a line of the log.
const MAX_SHOWN: usize = 10;
/// Maximum number of lines of the log about changes of one list in [`CHANGE_INTERVAL`]; further changes are counted.
const MAX_CHANGES: u32 = 10;
/// See [`MAX_CHANGES`].
const CHANGE_INTERVAL: Duration = Duration::from_secs(60);
/// The log repeats that a source fails after this time.
const REMINDER: Duration = Duration::from_secs(300);
/// The saved list is written again after this time, though it is the same: its age counts.
const SAVE_INTERVAL: Duration = Duration::from_secs(60);

/// Takes what the source of an upstream reports.
pub(crate) struct Publisher {
    pub(crate) upstream: Arc<str>,
    pub(crate) settings: DiscoverySettings,
    pub(crate) status: UpstreamDiscovery,
    pub(crate) sink: Arc<dyn DiscoverySink>,
    pub(crate) saved: Saved,
    /// Told of the first outcome.
    pub(crate) decided: Arc<Notify>,
    list: Option<Vec<EndpointSettings>>,
    /// Lines of the log about changes since this time.
    logged: (Instant, u32),
    /// Changes since the last line of the log.
    unlogged: u64,
    reported: Option<Instant>,
    written: Option<Instant>,
}

impl Publisher {
    /// Takes the saved list of an earlier run for the first.
    pub(crate) fn new(
        upstream: Arc<str>,
        settings: DiscoverySettings,
        status: UpstreamDiscovery,
        sink: Arc<dyn DiscoverySink>,
        saved: Saved,
        decided: Arc<Notify>,
    ) -> Self {
        Self {
            upstream,
            settings,
            status,
            sink,
            saved,
            decided,
            list: None,
            logged: (Instant::now(), 0),
            unlogged: 0,
            reported: None,
            written: None,
        }
    }

    /// Puts the saved list of an earlier run in force, until the source has answered.
    pub(crate) fn restore(&mut self) {
        let Some((list, age)) = self.saved.read(&self.upstream, &self.settings) else {
            return;
        };
        tracing::info!(
            upstream = &*self.upstream,
            endpoints = list.len(),
            age_s = age.as_secs(),
            "the last list of an earlier run is in force until the source answers"
        );
        self.status.change(|status| {
            status.endpoints = list.len();
            status.saved = Some((age, clock::now()));
        });
        self.sink.set_discovered(&self.upstream, &list);
        self.list = Some(list);
        self.decided.notify_waiters();
    }

    /// The source's list. Its order does not matter, and of two endpoints with one address the first counts.
    pub(crate) async fn list(&mut self, mut list: Vec<EndpointSettings>) {
        list.sort_by_cached_key(|endpoint| endpoint.address.to_string());
        list.dedup_by(|later, first| later.address == first.address);
        if list.len() > MAX_ENDPOINTS {
            tracing::warn!(
                upstream = &*self.upstream,
                endpoints = list.len(),
                "too many endpoints: the first 10000 are used"
            );
            list.truncate(MAX_ENDPOINTS);
        }
        let has_changed = self.list.as_ref() != Some(&list);
        self.recovered();
        self.status.change(|status| {
            status.confirmed = Some(clock::now());
            status.endpoints = list.len();
            status.updates += u64::from(has_changed);
            status.last_error = None;
        });
        if has_changed {
            self.log_change(&list);
            self.sink.set_discovered(&self.upstream, &list);
        }
        if has_changed || self.written.is_none_or(|written| written.elapsed() >= SAVE_INTERVAL) {
            self.save(&list).await;
        }
        self.list = Some(list);
        self.decided.notify_waiters();
    }

    /// The list in force is still the source's.
    pub(crate) fn confirmed(&self) {
        self.status.change(|status| {
            if status.last_error.is_none() && status.confirmed.is_some() {
                status.confirmed = Some(clock::now());
            }
        });
    }

    /// The source has failed; the last list stays in force.
    pub(crate) fn failed(&mut self, error: &SourceError) {
        self.status.change(|status| {
            status.failures += 1;
            status.last_error = Some(error.to_string());
        });
        if self.reported.is_none_or(|reported| reported.elapsed() >= REMINDER) {
            self.reported = Some(Instant::now());
            let (upstream, source) = (&*self.upstream, self.settings.kind());
            match &self.list {
                Some(list) => {
                    let age_s = self.status.get().age().unwrap_or_default().as_secs();
                    tracing::warn!(upstream, source, %error, endpoints = list.len(), age_s, "discovery fails, the last list stays in force");
                }
                None => tracing::warn!(upstream, source, %error, "discovery fails, and there is no list yet"),
            }
        }
        self.decided.notify_waiters();
    }

    /// A part of the source's answer is of no use; the rest is.
    pub(crate) fn skipped(&self, count: usize, reason: &str) {
        if count > 0 && self.list.is_none() {
            let (upstream, source) = (&*self.upstream, self.settings.kind());
            tracing::warn!(upstream, source, count, reason, "entries of the registry are not used");
        }
    }

    fn recovered(&mut self) {
        if self.reported.take().is_some() {
            tracing::info!(
                upstream = &*self.upstream,
                source = self.settings.kind(),
                "discovery works again"
            );
        }
    }

    fn log_change(&mut self, new: &[EndpointSettings]) {
        if self.logged.0.elapsed() >= CHANGE_INTERVAL {
            self.logged = (Instant::now(), 0);
        }
        if self.logged.1 == MAX_CHANGES {
            self.unlogged += 1;
            return;
        }
        self.logged.1 += 1;
        let old = self.list.as_deref().unwrap_or_default();
        let by_address = |list: &[EndpointSettings]| -> HashMap<Address, EndpointSettings> {
            list.iter()
                .map(|endpoint| (endpoint.address.clone(), endpoint.clone()))
                .collect()
        };
        let (before, after) = (by_address(old), by_address(new));
        let missing = |list: &[EndpointSettings], other: &HashMap<Address, EndpointSettings>| -> Vec<String> {
            let missing = list.iter().filter(|endpoint| !other.contains_key(&endpoint.address));
            missing.map(|endpoint| endpoint.address.to_string()).collect()
        };
        let (added, removed) = (missing(new, &before), missing(old, &after));
        let changed = new
            .iter()
            .filter(|endpoint| before.get(&endpoint.address).is_some_and(|known| known != *endpoint))
            .count();
        let shown = |list: &[String]| list.iter().take(MAX_SHOWN).cloned().collect::<Vec<_>>().join(" ");
        tracing::info!(
            upstream = &*self.upstream,
            source = self.settings.kind(),
            endpoints = new.len(),
            added = added.len(),
            removed = removed.len(),
            changed,
            added_addresses = shown(&added),
            removed_addresses = shown(&removed),
            changes_not_logged = self.unlogged,
            "endpoints of an upstream changed"
        );
        self.unlogged = 0;
    }

    async fn save(&mut self, list: &[EndpointSettings]) {
        let (saved, upstream, settings) = (self.saved.clone(), Arc::clone(&self.upstream), self.settings.clone());
        let list = list.to_vec();
        let written = tokio::task::spawn_blocking(move || saved.write(&upstream, &settings, &list)).await;
        let is_first = self.written.replace(Instant::now()).is_none();
        if let Ok(Err(error)) = written
            && is_first
        {
            tracing::warn!(upstream = &*self.upstream, %error, "the list of endpoints cannot be saved; after a restart it has to come from the source");
        }
    }
}
