//! [`State`]: which endpoints each upstream has, and why. Pure: whoever calls says what time it is, and gives the lists to the groups.

use std::collections::{BTreeMap, HashMap, HashSet};
use std::sync::Arc;
use std::time::{Duration, Instant};

use lockgate_client::Address;
use lockgate_overlay::{Heartbeats, MAX_PER_UPSTREAM, MAX_REGISTRATIONS, Overlaid, Overlay, Registration, Source};
use lockgate_upstream::EndpointSettings;

use super::error::ChangeError;
use super::own::OwnAddresses;
use super::report::EndpointChange;

/// The time for which a change of an endpoint is kept that is in no list any more.
const MARK_RETENTION: Duration = Duration::from_secs(600);

/// The name of an upstream and the address of an endpoint.
pub(super) type Key = (Arc<str>, Address);

/// Which endpoints each upstream has, and why.
#[derive(Default)]
pub(super) struct State {
    upstreams: BTreeMap<Arc<str>, Lists>,
    overlay: Overlay,
    /// Grows with each change of the overlay.
    version: u64,
    heartbeats: Heartbeats,
    /// Endpoints that were removed and may have requests in progress, and when they go at the latest.
    leaving: HashMap<Key, (EndpointSettings, Instant)>,
    /// When changes of endpoints that are in no list are dropped.
    absent: HashMap<Key, Instant>,
    own: OwnAddresses,
    drain_timeout: Duration,
}

/// The endpoints of an upstream without the overlay.
#[derive(Clone, Debug, Default)]
pub(super) struct Lists {
    /// Those of the configuration.
    pub(super) configured: Vec<EndpointSettings>,
    /// Those of discovery.
    pub(super) discovered: Vec<EndpointSettings>,
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

impl Lists {
    /// All of them. What the configuration says of an address counts.
    fn all(&self) -> Vec<EndpointSettings> {
        let known: HashSet<&Address> = self.configured.iter().map(|endpoint| &endpoint.address).collect();
        let further = self.discovered.iter().filter(|endpoint| !known.contains(&endpoint.address));
        self.configured.iter().chain(further).cloned().collect()
    }

    fn has(&self, address: &Address) -> bool {
        let mut all = self.configured.iter().chain(&self.discovered);
        all.any(|endpoint| endpoint.address == *address)
    }
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

    /// The lists of a new configuration, by upstream; those of discovery stay. Returns the names of upstreams that are gone and had changes.
    pub(super) fn configure(
        &mut self,
        configured: Vec<(Arc<str>, Vec<EndpointSettings>)>,
        own: OwnAddresses,
        drain_timeout: Duration,
        now: Instant,
    ) -> Vec<String> {
        let mut previous = std::mem::take(&mut self.upstreams);
        for (name, configured) in configured {
            let discovered = previous.remove(&name).map(|lists| lists.discovered).unwrap_or_default();
            self.upstreams.insert(name, Lists { configured, discovered });
        }
        (self.own, self.drain_timeout) = (own, drain_timeout);
        let (upstreams, heartbeats) = (&self.upstreams, &mut self.heartbeats);
        let dropped = self.overlay.retain_upstreams(|name| upstreams.contains_key(name));
        dropped.iter().for_each(|name| heartbeats.stop_upstream(name));
        self.leaving.retain(|(name, _), _| upstreams.contains_key(name));
        self.absent.retain(|(name, _), _| upstreams.contains_key(name));
        if !dropped.is_empty() {
            self.version += 1;
        }
        for name in self.upstreams.keys().cloned().collect::<Vec<_>>() {
            self.note_absent(&name, now);
        }
        dropped
    }

    /// The endpoints that discovery lists of an upstream; false if there is no such upstream.
    pub(super) fn discover(&mut self, upstream: &str, discovered: Vec<EndpointSettings>, now: Instant) -> bool {
        let Some((name, lists)) = self.upstreams.iter_mut().find(|(name, _)| &***name == upstream) else {
            return false;
        };
        lists.discovered = discovered;
        let name = name.clone();
        self.note_absent(&name, now);
        true
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
        let name = self.name(upstream)?;
        registration
            .check()
            .map_err(|(place, reason)| ChangeError::Invalid { place, reason })?;
        if self.own.contains(address) {
            return Err(ChangeError::Invalid {
                place: "address",
                reason: format!("found \"{address}\", on which the gateway itself listens, expected another server"),
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
        let was_leaving = self.leaving.remove(&(name.clone(), address.clone())).is_some();
        self.absent.remove(&(name, address.clone()));
        self.version += u64::from(is_changed);
        Ok(is_changed || was_leaving)
    }

    fn check_room(&self, upstream: &str) -> Result<(), ChangeError> {
        let of_upstream = self.overlay.upstreams.get(upstream).map_or(0, |overlay| overlay.registrations());
        if of_upstream >= MAX_PER_UPSTREAM {
            return Err(ChangeError::Conflict(format!(
                "upstream \"{upstream}\" has {of_upstream} registered endpoints, expected at most {MAX_PER_UPSTREAM}"
            )));
        }
        if self.overlay.registrations() >= MAX_REGISTRATIONS {
            return Err(ChangeError::Conflict(format!(
                "the gateway has {MAX_REGISTRATIONS} registered endpoints, expected at most as many"
            )));
        }
        Ok(())
    }

    /// Turns an endpoint.
    ///
    /// # Errors
    /// [`ChangeError`]: it is unknown, it is being removed, or there is nothing to change.
    pub(super) fn turn(&mut self, upstream: &str, address: &Address, change: &EndpointChange) -> Result<(), ChangeError> {
        let key = self.endpoint(upstream, address)?;
        if change.weight.is_none() && change.draining.is_none() {
            return Err(ChangeError::Invalid {
                place: "body",
                reason: "found nothing to change, expected \"weight\" or \"draining\"".to_owned(),
            });
        }
        if self.leaving.contains_key(&key) {
            return Err(ChangeError::Conflict(format!(
                "endpoint \"{address}\" of upstream \"{upstream}\" is being removed; PUT registers it again"
            )));
        }
        let is_changed = self.overlay.change(upstream, address, |endpoint| {
            if let Some(weight) = change.weight {
                endpoint.weight = weight;
            }
            if let Some(draining) = change.draining {
                endpoint.draining = draining;
            }
        });
        self.version += u64::from(is_changed);
        Ok(())
    }

    /// Removes an endpoint, which then drains. Again is no mistake.
    ///
    /// # Errors
    /// [`ChangeError`]: it is unknown.
    pub(super) fn remove(&mut self, upstream: &str, address: &Address, now: Instant) -> Result<(), ChangeError> {
        let key = self.endpoint(upstream, address)?;
        if self.leaving.contains_key(&key) {
            return Ok(());
        }
        let in_force = self.in_force(upstream);
        let settings = in_force.into_iter().find(|endpoint| endpoint.settings.address == *address);
        let is_listed = self.upstreams.get(upstream).is_some_and(|lists| lists.has(address));
        let is_changed = self.overlay.change(upstream, address, |endpoint| {
            *endpoint = Default::default();
            endpoint.removed = is_listed;
        });
        self.heartbeats.stop(upstream, address);
        self.version += u64::from(is_changed);
        if let Some(Overlaid { settings, .. }) = settings {
            self.leaving.insert(key, (settings, now + self.drain_timeout));
        }
        Ok(())
    }

    /// Does what is due. `is_idle` says whether a removed endpoint has no request in progress.
    pub(super) fn elapse(&mut self, now: Instant, is_idle: impl Fn(&Key) -> bool) -> Elapsed {
        let mut elapsed = Elapsed::default();
        for (upstream, address) in self.heartbeats.take_ended(now) {
            let mut ttl = Duration::ZERO;
            let is_changed = self.overlay.change(&upstream, &address, |endpoint| {
                let ended = endpoint.registration.take();
                ttl = ended.and_then(|ended| ended.ttl).unwrap_or_default().duration();
            });
            self.version += u64::from(is_changed);
            if let Ok(name) = self.name(&upstream) {
                self.note_absent(&name, now);
                elapsed.ended.push((name, address, ttl));
            }
        }
        let gone = self.leaving.iter().filter(|(key, (_, end))| *end <= now || is_idle(key));
        elapsed.gone = gone.map(|(key, _)| key.clone()).collect();
        elapsed.gone.iter().for_each(|key| drop(self.leaving.remove(key)));
        let dropped = self.absent.iter().filter(|(_, end)| **end <= now);
        elapsed.dropped = dropped.map(|(key, _)| key.clone()).collect();
        for key in &elapsed.dropped {
            self.absent.remove(key);
            let is_changed = self.overlay.change(&key.0, &key.1, |endpoint| *endpoint = Default::default());
            self.version += u64::from(is_changed);
        }
        elapsed
    }

    /// When [`State::elapse`] has something to do next. Removed endpoints are looked at again and again.
    pub(super) fn next_due(&self, now: Instant) -> Option<Instant> {
        /// The pause between two looks at whether removed endpoints are idle.
        const LOOK: Duration = Duration::from_millis(50);
        let look = (!self.leaving.is_empty()).then(|| now + LOOK);
        let absent = self.absent.values().min().copied();
        [self.heartbeats.next_end(), look, absent].into_iter().flatten().min()
    }

    /// Notes which changed endpoints of an upstream are in no list, and which are again.
    fn note_absent(&mut self, name: &Arc<str>, now: Instant) {
        let (Some(lists), Some(overlay)) = (self.upstreams.get(name), self.overlay.upstreams.get(&**name)) else {
            return self.absent.retain(|(of, _), _| of != name);
        };
        let present: HashSet<Address> = lists.all().into_iter().map(|endpoint| endpoint.address).collect();
        for (key, endpoint) in &overlay.endpoints {
            let Ok(address) = key.parse::<Address>() else { continue };
            let is_there = endpoint.registration.is_some() || present.contains(&address);
            let key = (name.clone(), address);
            if is_there {
                self.absent.remove(&key);
            } else {
                self.absent.entry(key).or_insert(now + MARK_RETENTION);
            }
        }
    }

    /// The endpoints of an upstream that are in force, removed ones that may have requests in progress among them.
    pub(super) fn in_force(&self, upstream: &str) -> Vec<Overlaid> {
        let Some(lists) = self.upstreams.get(upstream) else { return Vec::new() };
        let mut endpoints = self.overlay.apply(upstream, &lists.all());
        let leaving = self.leaving.iter().filter(|((name, _), _)| &**name == upstream);
        let mut leaving: Vec<_> = leaving.map(|(_, (settings, _))| settings.clone()).collect();
        leaving.sort_by_cached_key(|settings| settings.address.to_string());
        endpoints.extend(leaving.into_iter().map(|settings| Overlaid {
            settings,
            draining: true,
            source: Source::Listed,
        }));
        endpoints
    }

    /// The name of an upstream, shared.
    pub(super) fn name(&self, upstream: &str) -> Result<Arc<str>, ChangeError> {
        let found = self.upstreams.get_key_value(upstream);
        found.map(|(name, _)| name.clone()).ok_or_else(|| ChangeError::UnknownUpstream {
            name: upstream.to_owned(),
            known: self.upstreams.keys().map(ToString::to_string).collect(),
        })
    }

    /// The names of all upstreams.
    pub(super) fn names(&self) -> impl Iterator<Item = &Arc<str>> {
        self.upstreams.keys()
    }

    fn endpoint(&self, upstream: &str, address: &Address) -> Result<Key, ChangeError> {
        let name = self.name(upstream)?;
        let known = self.in_force(upstream);
        if known.iter().any(|endpoint| endpoint.settings.address == *address) {
            return Ok((name, address.clone()));
        }
        Err(ChangeError::UnknownEndpoint {
            upstream: upstream.to_owned(),
            address: address.to_string(),
            known: known.iter().map(|endpoint| endpoint.settings.address.to_string()).collect(),
        })
    }

    /// The overlay and its version.
    pub(super) fn overlay(&self) -> (u64, &Overlay) {
        (self.version, &self.overlay)
    }

    /// Whether an endpoint is being removed.
    pub(super) fn is_leaving(&self, key: &Key) -> bool {
        self.leaving.contains_key(key)
    }

    /// Whether discovery alone lists an endpoint.
    pub(super) fn is_discovered(&self, upstream: &str, address: &Address) -> bool {
        let is_configured = |lists: &Lists| lists.configured.iter().any(|endpoint| endpoint.address == *address);
        self.upstreams.get(upstream).is_some_and(|lists| lists.has(address) && !is_configured(lists))
    }

    /// When the registration of an endpoint ends.
    pub(super) fn registration_end(&self, upstream: &str, address: &Address) -> Option<Instant> {
        self.heartbeats.end(upstream, address)
    }
}

#[cfg(test)]
mod tests;
