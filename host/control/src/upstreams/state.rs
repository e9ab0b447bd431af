//! [`State`]: the overlay over the living upstreams: what has registered, what was turned, what is being removed. Whoever calls says what time it is.

use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;
use std::time::{Duration, Instant};

use lockgate_client::Address;
use lockgate_overlay::{
    BreakerOverride, EndpointOverlay, Heartbeats, MAX_PER_UPSTREAM, MAX_REGISTRATIONS, Overlay, Registration,
};
use lockgate_upstream::{BreakerState, EndpointSettings, Upstream};

use super::error::ChangeError;
use super::layers::{self, is_listed};
use super::own::OwnAddresses;
use super::report::EndpointChange;

/// The time for which a change of an endpoint is kept that nobody lists any more.
const MARK_RETENTION: Duration = Duration::from_secs(600);
/// The pause between two looks at which endpoints are listed.
const LOOK_AT_LISTS: Duration = Duration::from_secs(15);
/// The pause between two looks at whether removed endpoints are idle.
const LOOK_AT_LEAVING: Duration = Duration::from_millis(50);

/// The name of an upstream and the address of an endpoint.
pub(super) type Key = (Arc<str>, Address);

/// The overlay over the living upstreams.
#[derive(Default)]
pub(super) struct State {
    upstreams: BTreeMap<Arc<str>, Arc<Upstream>>,
    overlay: Overlay,
    /// Grows with each change of the overlay.
    version: u64,
    heartbeats: Heartbeats,
    /// Endpoints that were removed and may have requests in progress, and when they go at the latest.
    leaving: HashMap<Key, (EndpointSettings, Instant)>,
    /// When changes of endpoints that nobody lists are dropped.
    absent: HashMap<Key, Instant>,
    own: OwnAddresses,
    drain_timeout: Duration,
}

/// What the clock has changed.
#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct Elapsed {
    /// Registrations that have ended, each with its time to live.
    pub(super) ended: Vec<(Arc<str>, Address, Duration)>,
    /// Removed endpoints that have gone.
    pub(super) gone: Vec<Key>,
    /// Changes that were dropped.
    pub(super) dropped: Vec<Key>,
}

impl State {
    /// Takes over the overlay of an earlier process. Its registrations have one time to live for their next heartbeat.
    pub(super) fn restore(&mut self, overlay: Overlay, now: Instant) {
        for (upstream, of_upstream) in &overlay.upstreams {
            for (key, endpoint) in &of_upstream.endpoints {
                if let (Some(registration), Ok(address)) = (&endpoint.registration, key.parse()) {
                    let ttl = registration.ttl.map(|ttl| ttl.duration());
                    self.heartbeats.beat(upstream, &address, ttl, now);
                }
            }
        }
        self.overlay = overlay;
    }

    /// Lays the overlay over the upstreams of a new configuration. Returns the names of upstreams that are gone and had changes.
    pub(super) fn configure(
        &mut self,
        upstreams: impl IntoIterator<Item = Arc<Upstream>>,
        own: OwnAddresses,
        drain_timeout: Duration,
    ) -> Vec<String> {
        let upstreams = upstreams.into_iter();
        self.upstreams = upstreams.map(|upstream| (upstream.name().clone(), upstream)).collect();
        (self.own, self.drain_timeout) = (own, drain_timeout);
        let (upstreams, heartbeats) = (&self.upstreams, &mut self.heartbeats);
        let dropped = self.overlay.retain_upstreams(|name| upstreams.contains_key(name));
        dropped.iter().for_each(|name| heartbeats.stop_upstream(name));
        self.leaving.retain(|(name, _), _| upstreams.contains_key(name));
        self.absent.retain(|(name, _), _| upstreams.contains_key(name));
        self.version += u64::from(!dropped.is_empty());
        self.upstreams.values().for_each(|upstream| self.lay_over(upstream));
        dropped
    }

    /// Registers an endpoint, or renews its registration. True if that is more than a heartbeat.
    ///
    /// # Errors
    /// [`ChangeError`]: the upstream is unknown, the registration is out of bounds, the address is the gateway's own, or there are too many.
    pub(super) fn register(
        &mut self,
        upstream: &str,
        address: &Address,
        registration: Registration,
        now: Instant,
    ) -> Result<bool, ChangeError> {
        let live = self.live(upstream)?.clone();
        registration
            .check()
            .map_err(|(place, reason)| ChangeError::Invalid { place, reason })?;
        if self.own.contains(address) {
            return Err(ChangeError::Invalid {
                place: "address",
                reason: format!("found \"{address}\", an address of the gateway itself, expected another server"),
            });
        }
        let known = self.overlay.endpoint(upstream, address);
        if known.is_none_or(|known| known.registration.is_none()) {
            self.check_room(upstream)?;
        }
        let ttl = registration.ttl.map(|ttl| ttl.duration());
        let is_changed = self.overlay.change(upstream, address, |endpoint| {
            endpoint.registration = Some(registration);
            endpoint.removed = false;
        });
        self.heartbeats.beat(upstream, address, ttl, now);
        let was_leaving = self.leaving.remove(&(live.name().clone(), address.clone())).is_some();
        self.version += u64::from(is_changed);
        if is_changed || was_leaving {
            self.lay_over(&live);
        }
        Ok(is_changed || was_leaving)
    }

    fn check_room(&self, upstream: &str) -> Result<(), ChangeError> {
        let of_upstream = self
            .overlay
            .upstreams
            .get(upstream)
            .map_or(0, |overlay| overlay.registrations());
        if of_upstream >= MAX_PER_UPSTREAM {
            return Err(ChangeError::Conflict(format!(
                "upstream \"{upstream}\" has {of_upstream} registered endpoints, expected at most {MAX_PER_UPSTREAM}"
            )));
        }
        let all = self.overlay.registrations();
        if all >= MAX_REGISTRATIONS {
            return Err(ChangeError::Conflict(format!(
                "the gateway has {all} registered endpoints, expected at most {MAX_REGISTRATIONS}"
            )));
        }
        Ok(())
    }

    /// Turns an endpoint.
    ///
    /// # Errors
    /// [`ChangeError`]: it is unknown, it is being removed, or there is nothing to change.
    pub(super) fn turn(
        &mut self,
        upstream: &str,
        address: &Address,
        change: &EndpointChange,
    ) -> Result<(), ChangeError> {
        let (live, key) = self.endpoint(upstream, address)?;
        if change.weight.is_none() && change.draining.is_none() {
            return Err(ChangeError::Invalid {
                place: "body",
                reason: "found nothing to change, expected \"weight\" or \"draining\"".to_owned(),
            });
        }
        if self.leaving.contains_key(&key) {
            return Err(ChangeError::Conflict(format!(
                "endpoint \"{address}\" of upstream \"{upstream}\" is being removed, expected one that stays: PUT registers it again"
            )));
        }
        let is_changed = self.overlay.change(upstream, address, |endpoint| {
            endpoint.weight = change.weight.unwrap_or(endpoint.weight);
            endpoint.draining = change.draining.unwrap_or(endpoint.draining);
        });
        self.version += u64::from(is_changed);
        self.lay_over(&live);
        Ok(())
    }

    /// Removes an endpoint, which then drains. Again is no mistake.
    ///
    /// # Errors
    /// [`ChangeError`]: it is unknown.
    pub(super) fn remove(&mut self, upstream: &str, address: &Address, now: Instant) -> Result<(), ChangeError> {
        let (live, key) = self.endpoint(upstream, address)?;
        if self.leaving.contains_key(&key) {
            return Ok(());
        }
        let is_listed = is_listed(live.group(), address);
        let is_changed = self.overlay.change(upstream, address, |endpoint| {
            *endpoint = EndpointOverlay {
                removed: is_listed,
                ..EndpointOverlay::default()
            };
        });
        self.heartbeats.stop(upstream, address);
        self.version += u64::from(is_changed);
        if let Some(endpoint) = live.group().endpoint(address) {
            let settings = EndpointSettings {
                weight: endpoint.weight(),
                labels: endpoint.labels().clone(),
                ..EndpointSettings::at(address.clone())
            };
            self.leaving.insert(key, (settings, now + self.drain_timeout));
        }
        self.lay_over(&live);
        Ok(())
    }

    /// Holds the breaker of an upstream in a state, or lets it go.
    ///
    /// # Errors
    /// [`ChangeError`]: the upstream is unknown, or has no breaker.
    pub(super) fn hold_breaker(&mut self, upstream: &str, state: Option<BreakerOverride>) -> Result<(), ChangeError> {
        let live = self.live(upstream)?.clone();
        if !has_breaker(&live) {
            return Err(ChangeError::Conflict(format!(
                "upstream \"{upstream}\" has no circuit breaker, expected one with the setting \"circuit_breaker\""
            )));
        }
        self.version += u64::from(self.overlay.set_breaker(upstream, state));
        self.lay_over(&live);
        Ok(())
    }

    /// Does what is due.
    pub(super) fn elapse(&mut self, now: Instant) -> Elapsed {
        let mut elapsed = Elapsed::default();
        for (upstream, address) in self.heartbeats.take_ended(now) {
            let mut ttl = Duration::ZERO;
            let is_changed = self.overlay.change(&upstream, &address, |endpoint| {
                let ended = endpoint.registration.take();
                ttl = ended.and_then(|ended| ended.ttl).unwrap_or_default().duration();
            });
            self.version += u64::from(is_changed);
            elapsed.ended.push((upstream.into(), address, ttl));
        }
        let is_over = |(key, (_, end)): &(&Key, &(EndpointSettings, Instant))| *end <= now || self.is_idle(key);
        elapsed.gone = self
            .leaving
            .iter()
            .filter(is_over)
            .map(|(key, _)| key.clone())
            .collect();
        elapsed.gone.iter().for_each(|key| drop(self.leaving.remove(key)));
        self.note_absent(now);
        let dropped = self.absent.iter().filter(|(_, end)| **end <= now);
        elapsed.dropped = dropped.map(|(key, _)| key.clone()).collect();
        for key in &elapsed.dropped {
            self.absent.remove(key);
            let is_changed = self
                .overlay
                .change(&key.0, &key.1, |endpoint| *endpoint = EndpointOverlay::default());
            self.version += u64::from(is_changed);
        }
        let names = elapsed
            .ended
            .iter()
            .map(|(name, ..)| name)
            .chain(elapsed.gone.iter().map(|(name, _)| name));
        let mut names: Vec<_> = names.chain(elapsed.dropped.iter().map(|(name, _)| name)).collect();
        names.dedup();
        for live in names.into_iter().filter_map(|name| self.upstreams.get(name)) {
            self.lay_over(live);
        }
        elapsed
    }

    /// When [`State::elapse`] has something to do next.
    pub(super) fn next_due(&self, now: Instant) -> Option<Instant> {
        let leaving = (!self.leaving.is_empty()).then(|| now + LOOK_AT_LEAVING);
        let lists = (!self.overlay.upstreams.is_empty()).then(|| now + LOOK_AT_LISTS);
        let absent = self.absent.values().min().copied();
        [self.heartbeats.next_end(), leaving, lists, absent]
            .into_iter()
            .flatten()
            .min()
    }

    fn is_idle(&self, (name, address): &Key) -> bool {
        let endpoint = self.upstreams.get(name).and_then(|live| live.group().endpoint(address));
        endpoint.is_none_or(|endpoint| endpoint.standing().active() == 0)
    }

    /// Notes which changed endpoints nobody lists, and which are listed again.
    fn note_absent(&mut self, now: Instant) {
        let mut absent = HashMap::new();
        for (name, overlay) in &self.overlay.upstreams {
            let Some((name, live)) = self.upstreams.get_key_value(&**name) else {
                continue;
            };
            for (key, endpoint) in &overlay.endpoints {
                let Ok(address) = key.parse() else { continue };
                if endpoint.registration.is_none() && !is_listed(live.group(), &address) {
                    let key = (name.clone(), address);
                    let end = self.absent.get(&key).copied().unwrap_or(now + MARK_RETENTION);
                    absent.insert(key, end);
                }
            }
        }
        self.absent = absent;
    }

    /// Gives an upstream its registered endpoints and what was turned.
    fn lay_over(&self, live: &Upstream) {
        let overlay = self.overlay.upstreams.get(&**live.name());
        let leaving = self.leaving.iter().filter(|((name, _), _)| name == live.name());
        layers::lay_over(live.group(), overlay, leaving.map(|(_, (settings, _))| settings));
        let held = overlay.and_then(|overlay| overlay.breaker).map(|held| match held {
            BreakerOverride::Open => BreakerState::Open,
            BreakerOverride::Closed => BreakerState::Closed,
        });
        live.force_breaker(held);
    }

    /// The living upstream of this name.
    pub(super) fn live(&self, upstream: &str) -> Result<&Arc<Upstream>, ChangeError> {
        self.upstreams
            .get(upstream)
            .ok_or_else(|| ChangeError::UnknownUpstream {
                name: upstream.to_owned(),
                known: self.upstreams.keys().map(ToString::to_string).collect(),
            })
    }

    /// All upstreams, sorted by name.
    pub(super) fn upstreams(&self) -> impl Iterator<Item = &Arc<Upstream>> {
        self.upstreams.values()
    }

    fn endpoint(&self, upstream: &str, address: &Address) -> Result<(Arc<Upstream>, Key), ChangeError> {
        let live = self.live(upstream)?.clone();
        if live.group().endpoint(address).is_some() {
            let key = (live.name().clone(), address.clone());
            return Ok((live, key));
        }
        let known = live.group().endpoints();
        Err(ChangeError::UnknownEndpoint {
            upstream: upstream.to_owned(),
            address: address.to_string(),
            known: known.iter().map(|endpoint| endpoint.address().to_string()).collect(),
        })
    }

    /// The overlay and its version.
    pub(super) fn overlay(&self) -> (u64, &Overlay) {
        (self.version, &self.overlay)
    }

    /// A copy of the overlay, with its version.
    pub(super) fn overlay_now(&self) -> (u64, Overlay) {
        (self.version, self.overlay.clone())
    }

    /// Whether an endpoint is being removed.
    pub(super) fn is_leaving(&self, key: &Key) -> bool {
        self.leaving.contains_key(key)
    }

    /// When the registration of an endpoint ends.
    pub(super) fn registration_end(&self, upstream: &str, address: &Address) -> Option<Instant> {
        self.heartbeats.end(upstream, address)
    }
}

/// Whether an upstream has a circuit breaker.
fn has_breaker(live: &Upstream) -> bool {
    live.policy_report().is_some_and(|report| report.breaker.is_some())
}

#[cfg(test)]
mod tests;
