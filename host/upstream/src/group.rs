//! [`Group`]: the living endpoints of an upstream, kept by name across reloads.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::atomic::{AtomicBool, AtomicU64, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use arc_swap::ArcSwap;
use lockgate_client::{Address, Security};
use tokio::sync::Notify;

use crate::endpoint::Endpoint;
use crate::endpoints::Endpoints;
use crate::policy::state::PolicyState;
use crate::settings::{Balance, EndpointSettings, InitialHealth, UpstreamSettings, Weight};
use crate::standing::{Ejection, Health, Standing};

/// Where endpoints of a group come from. An address that several sources name has the settings of the first of them in this order.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Source {
    /// `endpoints` of the configuration.
    Configured,
    /// Registration by the admin API.
    Registered,
    /// Service discovery.
    Discovered,
}

/// What an operator has turned while traffic flows. It is kept while the endpoint is away, and across reloads.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Override {
    /// In place of the weight in the settings.
    pub weight: Option<Weight>,
    /// No new requests.
    pub draining: bool,
    /// Not in the list, whoever names it.
    pub removed: bool,
}

/// The living endpoints of an upstream. All workers and all snapshots that name it share it; it ends with the last of them.
///
/// Readers see one list of endpoints at a time. The methods that change something may be called by any thread: those that take a list build
/// a new one, which is work for the control side; those about one endpoint set a flag that the next pick obeys, and leave the new list to
/// [`Groups::maintain`](crate::Groups::maintain).
#[derive(Debug)]
pub struct Group {
    name: Arc<str>,
    /// What the policies of the upstream know.
    pub(crate) policies: PolicyState,
    current: ArcSwap<Endpoints>,
    /// The number of `current`, in reach of a pick.
    current_id: AtomicU64,
    /// The next position in the cycle. Shared, so that the order is exact across workers.
    pub(crate) next: AtomicUsize,
    composition: Mutex<Composition>,
    /// An endpoint has become available or unavailable since the current list was built.
    is_stale: AtomicBool,
    wake: Arc<Notify>,
    made: Instant,
}

/// What the current list is built of.
#[derive(Debug, Default)]
struct Composition {
    /// By [`Source`].
    sources: [Vec<EndpointSettings>; 3],
    overrides: BTreeMap<String, Override>,
    balance: Balance,
    /// Whether endpoints take requests before their first health check.
    initial: InitialHealth,
    /// How connections to the endpoints are secured, wherever they come from.
    security: Security,
    /// A snapshot that serves has named the endpoints.
    is_live: bool,
}

impl Group {
    /// A group without endpoints. `wake` is notified when its list has to be built again.
    pub(crate) fn new(name: Arc<str>, wake: Arc<Notify>) -> Self {
        let empty = Endpoints::new(Box::default(), Balance::default());
        Self {
            name,
            policies: PolicyState::new(now()),
            current_id: AtomicU64::new(empty.id()),
            current: ArcSwap::from_pointee(empty),
            next: AtomicUsize::new(0),
            composition: Mutex::default(),
            is_stale: AtomicBool::new(false),
            wake,
            made: now(),
        }
    }

    /// The name of its upstream.
    pub fn name(&self) -> &Arc<str> {
        &self.name
    }

    /// The endpoints in force.
    pub fn endpoints(&self) -> Vec<Arc<Endpoint>> {
        self.current.load().list().to_vec()
    }

    /// The endpoint of this address.
    pub fn endpoint(&self, address: &Address) -> Option<Arc<Endpoint>> {
        let current = self.current.load();
        let mut list = current.list().iter();
        list.find(|endpoint| endpoint.address() == address).cloned()
    }

    /// Replaces the endpoints of a source. Those whose address stays keep their standing.
    pub fn set_endpoints(&self, source: Source, endpoints: Vec<EndpointSettings>) {
        let mut composition = self.composition();
        composition.sources[source as usize] = endpoints;
        self.rebuild(&composition, None);
    }

    /// A number that is another one whenever the endpoints in force are.
    pub fn version(&self) -> u64 {
        self.current_id.load(Ordering::Acquire)
    }

    /// The endpoints that a source has named last.
    pub fn source(&self, source: Source) -> Vec<EndpointSettings> {
        self.composition().sources[source as usize].clone()
    }

    /// Sets what an operator has turned at the endpoint of this address, whether it is in the group now or not.
    pub fn set_override(&self, address: &Address, turned: Override) {
        let mut composition = self.composition();
        match turned == Override::default() {
            true => composition.overrides.remove(&address.to_string()),
            false => composition.overrides.insert(address.to_string(), turned),
        };
        self.rebuild(&composition, None);
    }

    /// What an operator has turned, by address.
    pub fn overrides(&self) -> BTreeMap<String, Override> {
        self.composition().overrides.clone()
    }

    /// Notes what a health check found. True if the endpoint has become available or unavailable by it.
    pub fn set_health(&self, endpoint: &Endpoint, health: Health, why: Option<Arc<str>>) -> bool {
        self.changed(endpoint.standing().set_health(health, why, now()))
    }

    /// Takes an endpoint out until the ejection ends. True if it was available before.
    pub fn eject(&self, endpoint: &Endpoint, ejection: Ejection) -> bool {
        let changed = endpoint.standing().eject(ejection);
        // A prolonged one ends at another time.
        self.changed(true);
        changed
    }

    /// Ends an ejection before its time. True if the endpoint is available by it.
    pub fn readmit(&self, endpoint: &Endpoint) -> bool {
        self.changed(endpoint.standing().readmit(now()))
    }

    /// The time since the group was made.
    pub(crate) fn clock(&self) -> Duration {
        now().saturating_duration_since(self.made)
    }

    /// The list in force, for a pick.
    pub(crate) fn current(&self) -> arc_swap::Guard<Arc<Endpoints>> {
        self.current.load()
    }

    /// Whether `endpoints` are the list in force.
    pub(crate) fn is_current(&self, endpoints: &Endpoints) -> bool {
        self.current_id.load(Ordering::Relaxed) == endpoints.id()
    }

    /// The list that the group will have with these settings, if nothing else changes until then.
    pub(crate) fn prepare(&self, settings: &UpstreamSettings, security: &Security) -> Arc<Endpoints> {
        let known = self.current.load();
        let composition = self.composition();
        let added = composition.is_live.then(now);
        let overrides = &composition.overrides;
        let is_removed = |endpoint: &&EndpointSettings| {
            let turned = overrides.get(&endpoint.address.to_string());
            turned.is_some_and(|turned| turned.removed)
        };
        let initial = settings.initial_health();
        let listed = settings.endpoints.iter().filter(|endpoint| !is_removed(endpoint));
        let list = listed.map(|settings| {
            let known = known.list().iter();
            let known = known.clone().find(|known| *known.address() == settings.address);
            let standing = match known {
                Some(known) => known.standing().clone(),
                None => new_standing(added, initial),
            };
            let turned = composition.overrides.get(&settings.address.to_string());
            let weight = turned.and_then(|turned| turned.weight).unwrap_or(settings.weight);
            Arc::new(Endpoint::new(settings, weight, standing, security))
        });
        Arc::new(Endpoints::new(list.collect(), settings.balance))
    }

    /// Takes over what these settings say of endpoints, balancing and TLS. `prepared` is the list that [`Group::prepare`] made of them.
    pub(crate) fn publish(&self, settings: &UpstreamSettings, security: &Security, prepared: &Arc<Endpoints>) {
        let mut composition = self.composition();
        composition.sources[Source::Configured as usize].clone_from(&settings.endpoints);
        composition.balance = settings.balance;
        composition.initial = settings.initial_health();
        composition.security.clone_from(security);
        composition.is_live = true;
        self.rebuild(&composition, Some(prepared));
    }

    /// Ends what is over, builds the list again if somebody has become available or unavailable, and says when to ask next.
    pub(crate) fn maintain(&self, now: Instant) -> Option<Instant> {
        let current = self.current.load();
        let mut due: Option<Instant> = None;
        for endpoint in current.list() {
            let Some(until) = endpoint.standing().ejected_until() else {
                continue;
            };
            if until <= now {
                self.changed(endpoint.standing().readmit(now));
            } else {
                due = Some(due.map_or(until, |due| due.min(until)));
            }
        }
        if self.is_stale.swap(false, Ordering::AcqRel) {
            self.rebuild(&self.composition(), None);
        }
        due
    }

    fn changed(&self, changed: bool) -> bool {
        if changed {
            self.is_stale.store(true, Ordering::Release);
            self.wake.notify_one();
        }
        changed
    }

    /// Builds the list and makes it the current one, unless that would change nothing. A list that was prepared is taken as it is if it is
    /// the right one: picks find it without a look at the group's.
    fn rebuild(&self, composition: &Composition, prepared: Option<&Arc<Endpoints>>) {
        let current = self.current.load_full();
        let next = compose(composition, &current, prepared);
        let next = match prepared {
            Some(prepared) if prepared.is_same(&next) => prepared.clone(),
            _ if current.is_same(&next) => return,
            _ => Arc::new(next),
        };
        let id = next.id();
        self.current.store(next);
        self.current_id.store(id, Ordering::Release);
        // An ejection may end earlier than the next look at the group.
        self.wake.notify_one();
    }

    /// A poisoned lock has whole data: each change is one assignment.
    fn composition(&self) -> MutexGuard<'_, Composition> {
        self.composition.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// The list that a composition makes. Standings come from the current list, else from the prepared one.
fn compose(composition: &Composition, current: &Endpoints, prepared: Option<&Arc<Endpoints>>) -> Endpoints {
    let now = now();
    let known: BTreeMap<String, &Arc<Standing>> = prepared
        .into_iter()
        .flat_map(|prepared| prepared.list())
        .chain(current.list())
        .map(|endpoint| (endpoint.address().to_string(), endpoint.standing()))
        .collect();
    let mut seen = BTreeSet::new();
    let mut list = Vec::new();
    for settings in composition.sources.iter().flatten() {
        let address = settings.address.to_string();
        let turned = composition.overrides.get(&address).copied().unwrap_or_default();
        if turned.removed {
            continue;
        }
        let standing = known.get(&address).map(|&standing| standing.clone());
        let added = composition.is_live.then_some(now);
        let standing = standing.unwrap_or_else(|| new_standing(added, composition.initial));
        standing.set_draining(turned.draining, now);
        let weight = turned.weight.unwrap_or(settings.weight);
        if seen.insert(address) {
            list.push(Arc::new(Endpoint::new(
                settings,
                weight,
                standing,
                &composition.security,
            )));
        }
    }
    Endpoints::new(list.into(), composition.balance)
}

/// The standing of an endpoint that nobody has checked yet. `since` is the time at which it was added to a group that serves.
fn new_standing(since: Option<Instant>, initial: InitialHealth) -> Arc<Standing> {
    let standing = Standing::new(since);
    if initial == InitialHealth::Unhealthy {
        standing.set_health(Health::Unhealthy, Some("not checked yet".into()), now());
    }
    Arc::new(standing)
}

/// The runtime's clock, which tests can hold.
pub(crate) fn now() -> Instant {
    tokio::time::Instant::now().into_std()
}

#[cfg(test)]
mod tests;
