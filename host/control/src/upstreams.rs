//! [`Upstreams`]: the endpoints of all upstreams as they are now, and the changes that the admin API makes while traffic flows.
//!
//! The groups that the workers read are alive by themselves; here is what the control side does with them. `state` has the overlay, `layers` lays it over them,
//! `describe` makes reports of them. Changes go to disk, the clock runs, and the health checks are told what to check. Nothing of it is on a
//! worker. All methods are quick: they hold a lock that only the control side takes, and wait for the disk without it.

mod describe;
mod error;
mod layers;
mod maintenance;
mod own;
mod report;
mod start;
mod state;

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard, OnceLock, PoisonError};
use std::time::Duration;

use lockgate_client::Address;
use lockgate_discovery::{Discovery, SourceStatus};
use lockgate_exchange::clock;
use lockgate_gateway::Snapshot;
use lockgate_health::{Check, CheckedUpstream, Checker};
use lockgate_overlay::{BreakerOverride, OverlayFile, OverlayWriter, Registration};
use lockgate_telemetry::metrics::EndpointStates;
use lockgate_upstream::{EndpointState, Upstream};
use tokio::sync::Notify;

pub use self::error::ChangeError;
pub(crate) use self::maintenance::spawn;
use self::own::OwnAddresses;
pub use self::report::{
    BreakerChange, EndpointChange, EndpointChanged, EndpointReport, OverlayReport, UpstreamChange, UpstreamChanged,
    UpstreamReport,
};
use self::state::{Elapsed, State};

/// The maximum time that a change waits for the disk.
const WRITE_TIMEOUT: Duration = Duration::from_secs(2);

/// The endpoints of all upstreams as they are now, and the changes of them. A clone is the same.
#[derive(Clone, Default)]
pub struct Upstreams(Arc<Shared>);

#[derive(Default)]
struct Shared {
    state: Mutex<State>,
    /// Something may be due earlier than it was.
    changed: Notify,
    keeper: OnceLock<Keeper>,
    checker: OnceLock<Checker>,
    discovery: OnceLock<Discovery>,
}

/// Where the overlay is kept.
struct Keeper {
    file: OverlayFile,
    writer: OverlayWriter,
}

impl Upstreams {
    /// Lays the overlay over the groups of a snapshot that is about to go live, and has their endpoints checked.
    pub(crate) fn activate(&self, snapshot: &Snapshot) {
        let upstreams = snapshot.upstreams.iter().cloned();
        let (own, drain_timeout) = (
            OwnAddresses::of(&snapshot.model),
            snapshot.model.drain_timeout.duration(),
        );
        for name in self.state().configure(upstreams, own, drain_timeout) {
            tracing::warn!(
                upstream = name,
                "overlay dropped: the configuration has no such upstream any more"
            );
        }
        self.has_changed();
        if let Some(checker) = self.0.checker.get() {
            let settings = snapshot.model.upstreams.iter().map(|upstream| &upstream.settings);
            let checked = snapshot
                .upstreams
                .iter()
                .zip(settings)
                .filter_map(|(upstream, settings)| {
                    Some(CheckedUpstream {
                        check: Check::of(settings)?,
                        group: Box::new(upstream.group().clone()),
                    })
                });
            checker.set(checked.collect());
        }
    }

    /// Ends registrations in time, and lets removed endpoints go. It never ends.
    pub(crate) async fn run(self) {
        loop {
            let changed = self.0.changed.notified();
            let now = clock::now();
            let (elapsed, next) = {
                let mut state = self.state();
                (state.elapse(now), state.next_due(now))
            };
            if elapsed != Elapsed::default() {
                log_elapsed(&elapsed);
                self.wake_writer();
            }
            match next {
                // Whichever comes first.
                Some(next) => drop(tokio::time::timeout_at(next.into(), changed).await),
                None => changed.await,
            }
        }
    }

    /// Every upstream, sorted by name.
    pub fn list(&self) -> Vec<UpstreamReport> {
        let sources = self.sources();
        let (state, now) = (self.state(), clock::now());
        state
            .upstreams()
            .map(|live| describe::upstream(&state, live, sources.get(live.name()), now))
            .collect()
    }

    /// One upstream.
    ///
    /// # Errors
    /// [`ChangeError::UnknownUpstream`].
    pub fn upstream(&self, name: &str) -> Result<UpstreamReport, ChangeError> {
        let sources = self.sources();
        let (state, now) = (self.state(), clock::now());
        Ok(describe::upstream(&state, state.live(name)?, sources.get(name), now))
    }

    /// How the sources of discovery are doing, by upstream.
    fn sources(&self) -> BTreeMap<Arc<str>, SourceStatus> {
        self.0.discovery.get().map(Discovery::status).unwrap_or_default()
    }

    /// The endpoints of every upstream by state.
    fn states(&self) -> Vec<(Arc<str>, EndpointStates)> {
        let count = |live: &Arc<Upstream>| {
            let mut states = EndpointStates::default();
            for endpoint in live.group().endpoints() {
                let state = endpoint.standing().state();
                let place = EndpointState::ALL.iter().position(|known| *known == state);
                states[place.unwrap_or_default()] += 1;
            }
            (live.name().clone(), states)
        };
        self.state().upstreams().map(count).collect()
    }

    /// The overlay, and where it is kept.
    pub fn overlay(&self) -> OverlayReport {
        let keeper = self.0.keeper.get();
        OverlayReport {
            file: keeper.map(|keeper| keeper.file.path().display().to_string()),
            error: keeper
                .and_then(|keeper| keeper.writer.failure())
                .map(|failure| failure.to_string()),
            overlay: self.state().overlay().1.clone(),
        }
    }

    /// Registers an endpoint, or renews its registration.
    ///
    /// # Errors
    /// [`ChangeError`].
    pub async fn register(
        &self,
        upstream: &str,
        address: &str,
        registration: Registration,
    ) -> Result<EndpointChanged, ChangeError> {
        let address = parse(address)?;
        let ttl = registration.ttl;
        if self.state().register(upstream, &address, registration, clock::now())? {
            let ttl = ttl.map_or("none".to_owned(), |ttl| ttl.to_string());
            tracing::info!(upstream, endpoint = %address, ttl, "endpoint registered");
        }
        self.finish(upstream, &address).await
    }

    /// Changes the weight of an endpoint, or drains it.
    ///
    /// # Errors
    /// [`ChangeError`].
    pub async fn change_endpoint(
        &self,
        upstream: &str,
        address: &str,
        change: &EndpointChange,
    ) -> Result<EndpointChanged, ChangeError> {
        let address = parse(address)?;
        self.state().turn(upstream, &address, change)?;
        let weight = change
            .weight
            .map(|weight| weight.map_or("its own".to_owned(), |weight| weight.value().to_string()));
        let draining = change.draining;
        tracing::info!(upstream, endpoint = %address, weight, draining, "endpoint changed by the admin API");
        self.finish(upstream, &address).await
    }

    /// Removes an endpoint, which then drains.
    ///
    /// # Errors
    /// [`ChangeError`].
    pub async fn remove(&self, upstream: &str, address: &str) -> Result<EndpointChanged, ChangeError> {
        let address = parse(address)?;
        self.state().remove(upstream, &address, clock::now())?;
        tracing::info!(upstream, endpoint = %address, "endpoint removed by the admin API: it drains, then it goes");
        self.finish(upstream, &address).await
    }

    /// Changes an upstream.
    ///
    /// # Errors
    /// [`ChangeError`].
    pub async fn change(&self, upstream: &str, change: &UpstreamChange) -> Result<UpstreamChanged, ChangeError> {
        let breaker = match change.breaker {
            BreakerChange::Open => Some(BreakerOverride::Open),
            BreakerChange::Closed => Some(BreakerOverride::Closed),
            BreakerChange::Auto => None,
        };
        self.state().hold_breaker(upstream, breaker)?;
        let held = breaker.map_or("auto", BreakerOverride::as_str);
        tracing::info!(upstream, breaker = held, "circuit breaker changed by the admin API");
        let persisted = self.persisted().await;
        let upstream = self.upstream(upstream)?;
        Ok(UpstreamChanged { persisted, upstream })
    }

    /// Waits until a change is on disk, and reports it.
    async fn finish(&self, upstream: &str, address: &Address) -> Result<EndpointChanged, ChangeError> {
        // Before the wait: what it is by then is another call's business.
        let address = address.to_string();
        let report = self.upstream(upstream)?;
        let endpoint = report
            .endpoints
            .into_iter()
            .find(|endpoint| endpoint.address == address);
        let persisted = self.persisted().await;
        Ok(EndpointChanged { persisted, endpoint })
    }

    /// Whether the overlay as it is now is on disk, soon.
    async fn persisted(&self) -> bool {
        self.has_changed();
        let Some(keeper) = self.0.keeper.get() else {
            return false;
        };
        let version = self.state().overlay().0;
        let written = tokio::time::timeout(WRITE_TIMEOUT, keeper.writer.persisted(version)).await;
        matches!(written, Ok(Ok(())))
    }

    fn has_changed(&self) {
        self.0.changed.notify_one();
        self.wake_writer();
    }

    fn wake_writer(&self) {
        if let Some(keeper) = self.0.keeper.get() {
            keeper.writer.wake();
        }
    }

    fn state(&self) -> MutexGuard<'_, State> {
        lock(&self.0)
    }
}

/// A poisoned lock has whole data: what panics there has a mistake of its own.
fn lock(shared: &Shared) -> MutexGuard<'_, State> {
    shared.state.lock().unwrap_or_else(PoisonError::into_inner)
}

fn parse(address: &str) -> Result<Address, ChangeError> {
    address
        .parse()
        .map_err(|error: lockgate_client::AddressError| ChangeError::Invalid {
            place: "address",
            reason: error.to_string(),
        })
}

fn log_elapsed(elapsed: &Elapsed) {
    for (upstream, endpoint, ttl) in &elapsed.ended {
        let ttl = lockgate_units::Period(*ttl);
        tracing::warn!(upstream = &**upstream, %endpoint, "registration ended: no heartbeat for {ttl}");
    }
    for (upstream, endpoint) in &elapsed.gone {
        tracing::info!(upstream = &**upstream, %endpoint, "removed endpoint has gone");
    }
    for (upstream, endpoint) in &elapsed.dropped {
        tracing::warn!(upstream = &**upstream, %endpoint, "change by the admin API dropped: nobody lists the endpoint any more");
    }
}
