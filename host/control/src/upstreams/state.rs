//! [`State`]: the overlay over the groups: what has registered, what was turned, what is being removed. Whoever calls says what time it is.

use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;
use std::time::{Duration, Instant};

use lockgate_client::Address;
use lockgate_overlay::{
    BreakerOverride, EndpointOverlay, Heartbeats, MAX_PER_UPSTREAM, MAX_REGISTRATIONS, Overlay, Registration,
};
use lockgate_upstream::{EndpointSettings, Group};

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

/// The overlay over the groups.
#[derive(Default)]
pub(super) struct State {
    groups: BTreeMap<Arc<str>, Arc<Group>>,
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

    /// Lays the overlay over the groups of a new configuration. Returns the names of upstreams that are gone and had changes.
    pub(super) fn configure(
        &mut self,
        groups: impl IntoIterator<Item = Arc<Group>>,
        own: OwnAddresses,
        drain_timeout: Duration,
    ) -> Vec<String> {
        self.groups = groups.into_iter().map(|group| (group.name().clone(), group)).collect();
        (self.own, self.drain_timeout) = (own, drain_timeout);
        let (groups, heartbeats) = (&self.groups, &mut self.heartbeats);
        let dropped = self.overlay.retain_upstreams(|name| groups.contains_key(name));
        dropped.iter().for_each(|name| heartbeats.stop_upstream(name));
        self.leaving.retain(|(name, _), _| groups.contains_key(name));
        self.absent.retain(|(name, _), _| groups.contains_key(name));
        self.version += u64::from(!dropped.is_empty());
        self.groups.values().for_each(|group| self.lay_over(group));
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
        let group = self.group(upstream)?.clone();
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
        let was_leaving = self.leaving.remove(&(group.name().clone(), address.clone())).is_some();
        self.version += u64::from(is_changed);
        if is_changed || was_leaving {
            self.lay_over(&group);
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
        let (group, key) = self.endpoint(upstream, address)?;
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
        self.lay_over(&group);
        Ok(())
    }

    /// Removes an endpoint, which then drains. Again is no mistake.
    ///
    /// # Errors
    /// [`ChangeError`]: it is unknown.
    pub(super) fn remove(&mut self, upstream: &str, address: &Address, now: Instant) -> Result<(), ChangeError> {
        let (group, key) = self.endpoint(upstream, address)?;
        if self.leaving.contains_key(&key) {
            return Ok(());
        }
        let is_listed = is_listed(&group, address);
        let is_changed = self.overlay.change(upstream, address, |endpoint| {
            *endpoint = EndpointOverlay {
                removed: is_listed,
                ..EndpointOverlay::default()
            };
        });
        self.heartbeats.stop(upstream, address);
        self.version += u64::from(is_changed);
        if let Some(endpoint) = group.endpoint(address) {
            let settings = EndpointSettings {
                weight: endpoint.weight(),
                labels: endpoint.labels().clone(),
                ..EndpointSettings::at(address.clone())
            };
            self.leaving.insert(key, (settings, now + self.drain_timeout));
        }
        self.lay_over(&group);
        Ok(())
    }

    /// Holds the breaker of an upstream in a state, or lets it go.
    ///
    /// # Errors
    /// [`ChangeError`]: the upstream is unknown, or has no breaker.
    pub(super) fn hold_breaker(&mut self, upstream: &str, state: Option<BreakerOverride>) -> Result<(), ChangeError> {
        let group = self.group(upstream)?.clone();
        if !has_breaker(&group) {
            return Err(ChangeError::Conflict(format!(
                "upstream \"{upstream}\" has no circuit breaker, expected one with the setting \"circuit_breaker\""
            )));
        }
        self.version += u64::from(self.overlay.set_breaker(upstream, state));
        self.lay_over(&group);
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
        for group in names.into_iter().filter_map(|name| self.groups.get(name)) {
            self.lay_over(group);
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
        let endpoint = self.groups.get(name).and_then(|group| group.endpoint(address));
        endpoint.is_none_or(|endpoint| endpoint.standing().active() == 0)
    }

    /// Notes which changed endpoints nobody lists, and which are listed again.
    fn note_absent(&mut self, now: Instant) {
        let mut absent = HashMap::new();
        for (name, overlay) in &self.overlay.upstreams {
            let Some((name, group)) = self.groups.get_key_value(&**name) else {
                continue;
            };
            for (key, endpoint) in &overlay.endpoints {
                let Ok(address) = key.parse() else { continue };
                if endpoint.registration.is_none() && !is_listed(group, &address) {
                    let key = (name.clone(), address);
                    let end = self.absent.get(&key).copied().unwrap_or(now + MARK_RETENTION);
                    absent.insert(key, end);
                }
            }
        }
        self.absent = absent;
    }

    /// Gives a group its registered endpoints and what was turned.
    fn lay_over(&self, group: &Group) {
        let overlay = self.overlay.upstreams.get(&**group.name());
        let leaving = self.leaving.iter().filter(|((name, _), _)| name == group.name());
        layers::lay_over(group, overlay, leaving.map(|(_, (settings, _))| settings));
    }

    /// The living group of an upstream.
    pub(super) fn group(&self, upstream: &str) -> Result<&Arc<Group>, ChangeError> {
        self.groups.get(upstream).ok_or_else(|| ChangeError::UnknownUpstream {
            name: upstream.to_owned(),
            known: self.groups.keys().map(ToString::to_string).collect(),
        })
    }

    /// The groups of all upstreams, sorted by name.
    pub(super) fn groups(&self) -> impl Iterator<Item = &Arc<Group>> {
        self.groups.values()
    }

    fn endpoint(&self, upstream: &str, address: &Address) -> Result<(Arc<Group>, Key), ChangeError> {
        let group = self.group(upstream)?.clone();
        if group.endpoint(address).is_some() {
            let key = (group.name().clone(), address.clone());
            return Ok((group, key));
        }
        let known = group.endpoints();
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

/// Whether an upstream has a circuit breaker. None has: there is no such setting yet.
fn has_breaker(_: &Group) -> bool {
    false
}

#[cfg(test)]
mod tests;
