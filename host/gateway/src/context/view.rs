//! A snapshot as one worker sees it: the same routes and upstreams, with this worker's own VMs and counters.

use std::cell::{Cell, RefCell};
use std::rc::Rc;
use std::sync::Arc;
use std::time::{Duration, Instant};

use lockgate_config::model::{Destination, Listener, ListenerProtocol, PluginIndex, Route};
use lockgate_exchange::{Exchange, RequestHead};
use lockgate_sandbox::settings::OnError;
use lockgate_sandbox::{Host, Vm, VmState};
use lockgate_telemetry::metrics::{RequestSeries, TcpSeries, UpstreamSeries, WorkerMetrics};
use lockgate_tls::ServerTls;

use crate::chain::PluginHandle;
use crate::context::plugin_starts::StartFailure;
use crate::context::snapshot::{LoadedPlugin, Snapshot};

/// The time that a request has which matches no route. Plugins of the global chain may wait for its body or for a callout.
const NO_ROUTE_TIMEOUT: Duration = Duration::from_secs(60);

/// A listener as requests see it.
pub(crate) struct ListenerView {
    /// Its place in the snapshot.
    pub(crate) index: usize,
    /// Its settings.
    pub(crate) settings: Listener,
    /// What it serves over TLS with; none in the clear.
    pub(crate) certificates: Option<Arc<ServerTls>>,
    /// Where its TCP connections go; none if it takes requests.
    pub(crate) forwarding: Option<ForwardingView>,
}

/// Where TCP connections go.
pub(crate) struct ForwardingView {
    /// The upstream's place in the snapshot.
    pub(crate) upstream: usize,
    /// The plugins that see the bytes.
    pub(crate) chain: Rc<[Rc<PluginHandle>]>,
    /// Where connections are counted.
    pub(crate) series: TcpSeries,
}

/// A route as requests see it. One entry serves the requests that match no route.
pub(crate) struct RouteView {
    snapshot: Arc<Snapshot>,
    /// Its place in the snapshot; none for requests that match no route.
    index: Option<usize>,
    /// The global chain, then the route's own.
    chain: Rc<[Rc<PluginHandle>]>,
    /// Where its requests are counted, by listener; filled when they are first asked for.
    series: RefCell<Vec<Option<RequestSeries>>>,
    /// When the log last had a warning about requests of this route.
    warned: Cell<Option<Instant>>,
}

impl RouteView {
    fn new(snapshot: &Arc<Snapshot>, index: Option<usize>, chain: Rc<[Rc<PluginHandle>]>) -> Rc<Self> {
        Rc::new(Self {
            snapshot: snapshot.clone(),
            index,
            chain,
            series: RefCell::default(),
            warned: Cell::new(None),
        })
    }

    /// Whether a request of this route may write a warning to the log: every ten seconds one.
    pub(crate) fn may_warn(&self, now: Instant) -> bool {
        const INTERVAL: Duration = Duration::from_secs(10);
        let is_due = self
            .warned
            .get()
            .is_none_or(|last| now.saturating_duration_since(last) >= INTERVAL);
        if is_due {
            self.warned.set(Some(now));
        }
        is_due
    }

    /// The route's settings; none for requests that match no route.
    pub(crate) fn settings(&self) -> Option<&Route> {
        self.index.map(|index| &self.snapshot.model.routes[index])
    }

    /// Its name; empty for requests that match no route.
    pub(crate) fn name(&self) -> &str {
        self.settings().map_or("", |route| &*route.name)
    }

    /// The plugins that its requests pass, in the order of the request phase.
    pub(crate) fn chain(&self) -> &[Rc<PluginHandle>] {
        &self.chain
    }

    /// When a request that started at `started` is to be answered whole; none without a limit.
    pub(crate) fn due(&self, started: Instant) -> Option<Instant> {
        let timeout = match self.settings() {
            Some(settings) => settings.timeout?.0,
            None => NO_ROUTE_TIMEOUT,
        };
        Some(started + timeout)
    }
}

/// A snapshot on one worker. A request holds it from its first to its last byte.
pub(crate) struct View {
    /// What all workers share.
    pub(crate) snapshot: Arc<Snapshot>,
    /// In the snapshot's order.
    pub(crate) listeners: Vec<Rc<ListenerView>>,
    handles: Vec<(Arc<LoadedPlugin>, Rc<PluginHandle>)>,
    /// In the snapshot's order; the last is for requests that match no route.
    routes: Vec<Rc<RouteView>>,
    upstreams: Vec<UpstreamSeries>,
    /// Plugins that did not start, with the reasons.
    not_started: RefCell<Vec<(Rc<PluginHandle>, String)>>,
}

impl View {
    /// A view of `snapshot`. VMs of plugins that did not change are taken over from `before`.
    /// New ones are started here, which runs guest code: a failure leaves the VM to its back-off.
    pub(crate) fn new(
        snapshot: Arc<Snapshot>,
        before: Option<&View>,
        host: &Rc<dyn Host>,
        metrics: &WorkerMetrics,
    ) -> Self {
        let mut not_started = Vec::new();
        let mut handles = Vec::with_capacity(snapshot.plugins.len());
        for loaded in &snapshot.plugins {
            let (handle, failure) = match before.and_then(|view| Some((view, view.handle(loaded)?))) {
                Some((view, handle)) => {
                    let failure = view.start_failure(&handle);
                    (handle, failure)
                }
                None => start_plugin(loaded, host, metrics),
            };
            not_started.extend(failure.map(|failure| (handle.clone(), failure)));
            handles.push((loaded.clone(), handle));
        }
        let model = &snapshot.model;
        let pick = |indexes: &mut dyn Iterator<Item = &PluginIndex>| {
            indexes.map(|i| handles[i.0].1.clone()).collect::<Rc<[_]>>()
        };
        let mut routes: Vec<_> = model
            .routes
            .iter()
            .enumerate()
            .map(|(index, route)| {
                let chain = pick(&mut model.global_chain.iter().chain(&route.chain));
                RouteView::new(&snapshot, Some(index), chain)
            })
            .collect();
        routes.push(RouteView::new(&snapshot, None, pick(&mut model.global_chain.iter())));
        let listeners = model
            .listeners
            .iter()
            .enumerate()
            .map(|(index, settings)| {
                Rc::new(ListenerView {
                    index,
                    settings: settings.clone(),
                    certificates: snapshot.certificates[index].clone(),
                    forwarding: forwarding(settings, &pick, metrics),
                })
            })
            .collect::<Vec<_>>();
        let upstreams = model
            .upstreams
            .iter()
            .map(|upstream| metrics.upstream(&upstream.name))
            .collect();
        Self {
            listeners,
            handles,
            routes,
            upstreams,
            snapshot,
            not_started: RefCell::new(not_started),
        }
    }

    /// Plugins that have not started and whose requests are denied for it.
    pub(crate) fn start_failures(&self) -> Vec<StartFailure> {
        let denies = |handle: &PluginHandle| handle.vm.plugin().settings().on_error == OnError::Deny;
        let not_started = self.not_started.borrow();
        let denied = not_started.iter().filter(|(handle, _)| denies(handle));
        denied
            .map(|(handle, reason)| StartFailure {
                plugin: handle.name.to_string(),
                reason: reason.clone(),
            })
            .collect()
    }

    /// Starts the plugins that have not started, unless a request has done so.
    pub(crate) fn retry_starts(&self) {
        let retried = self.not_started.take().into_iter().filter_map(|(handle, _)| {
            if handle.vm.report().state == VmState::Running {
                return None;
            }
            match handle.vm.start() {
                Ok(()) => {
                    tracing::info!(plugin = &*handle.name, "plugin started on this worker at last");
                    None
                }
                Err(failure) => Some((handle, failure.message)),
            }
        });
        let retried = retried.collect();
        self.not_started.replace(retried);
    }

    fn start_failure(&self, handle: &Rc<PluginHandle>) -> Option<String> {
        let not_started = self.not_started.borrow();
        let mut not_started = not_started.iter();
        not_started
            .find(|(known, _)| Rc::ptr_eq(known, handle))
            .map(|(_, reason)| reason.clone())
    }

    /// The listener called `name`, while it exists.
    pub(crate) fn listener(&self, name: &str) -> Option<&Rc<ListenerView>> {
        self.listeners.iter().find(|listener| &*listener.settings.name == name)
    }

    /// The route of a request over this listener, or the entry for requests that match none.
    pub(crate) fn find_route(&self, request: &RequestHead, listener: &str) -> &Rc<RouteView> {
        match self.snapshot.routes.find(request, listener) {
            Some(index) => &self.routes[index.0],
            None => self.no_route(),
        }
    }

    /// The entry for requests that match no route: the global chain alone.
    pub(crate) fn no_route(&self) -> &Rc<RouteView> {
        self.routes
            .last()
            .expect("the entry for no route is made with the view")
    }

    /// The name of the upstream that a request of this route goes to, unless a plugin chooses another; of a split, the next branch. None:
    /// the route sends to no upstream.
    pub(crate) fn first_choice(&self, route: &Route) -> Option<Arc<str>> {
        let index = match &route.destination {
            Destination::Upstream(index) => index.0,
            Destination::Split(split) => split.choose().0,
            Destination::Redirect(_) | Destination::Respond(_) => return None,
        };
        Some(self.snapshot.upstreams[index].name().clone())
    }

    /// The index of the branch of a split that was chosen for this exchange.
    pub(crate) fn chosen_branch(&self, exchange: &Exchange) -> usize {
        let name = exchange.info.upstream.as_deref();
        let known = name.and_then(|name| self.snapshot.upstream(name));
        known
            .map(|(index, _)| index)
            .expect("a split is chosen from when the route is found")
    }

    /// The index of the upstream that a plugin chose by `lockgate.upstream`, else `default`; noted in the exchange. A name that a reload
    /// has removed counts as not chosen.
    pub(crate) fn choose_upstream(&self, exchange: &mut Exchange, default: usize) -> usize {
        let chosen = exchange.properties.get("lockgate.upstream");
        let chosen = chosen.and_then(|name| std::str::from_utf8(name).ok());
        let index = chosen
            .and_then(|name| self.snapshot.upstream(name))
            .map_or(default, |(index, _)| index);
        exchange.info.upstream = Some(self.snapshot.upstreams[index].name().clone());
        index
    }

    /// Where requests on this listener and route are counted.
    pub(crate) fn requests(
        &self,
        metrics: &WorkerMetrics,
        listener: &ListenerView,
        route: &RouteView,
    ) -> RequestSeries {
        let (name, place) = (&listener.settings.name, listener.index);
        let known = self.listeners.get(place);
        if known.is_none_or(|known| known.settings.name != *name) {
            // The connection came in by a listener that a reload has removed since.
            return metrics.requests(name, route.name());
        }
        let mut series = route.series.borrow_mut();
        if series.len() <= place {
            series.resize(self.listeners.len(), None);
        }
        series[place]
            .get_or_insert_with(|| metrics.requests(name, route.name()))
            .clone()
    }

    /// Where requests to the upstream at `index` are counted.
    pub(crate) fn upstream_series(&self, index: usize) -> &UpstreamSeries {
        &self.upstreams[index]
    }

    /// Every plugin with its VM on this worker.
    pub(crate) fn handles(&self) -> impl Iterator<Item = &Rc<PluginHandle>> {
        self.handles.iter().map(|(_, handle)| handle)
    }

    fn handle(&self, loaded: &Arc<LoadedPlugin>) -> Option<Rc<PluginHandle>> {
        self.handles
            .iter()
            .find(|(known, _)| Arc::ptr_eq(known, loaded))
            .map(|(_, handle)| handle.clone())
    }
}

/// Where the listener's TCP connections go, if it takes any. `pick` finds plugins.
fn forwarding(
    settings: &Listener,
    pick: &impl Fn(&mut dyn Iterator<Item = &PluginIndex>) -> Rc<[Rc<PluginHandle>]>,
    metrics: &WorkerMetrics,
) -> Option<ForwardingView> {
    match &settings.protocol {
        ListenerProtocol::Http => None,
        ListenerProtocol::Tcp(forwarding) => Some(ForwardingView {
            upstream: forwarding.upstream.0,
            chain: pick(&mut forwarding.chain.iter()),
            series: metrics.tcp(&settings.name),
        }),
    }
}

/// Starts a plugin on this worker, and says why it did not start.
fn start_plugin(
    loaded: &LoadedPlugin,
    host: &Rc<dyn Host>,
    metrics: &WorkerMetrics,
) -> (Rc<PluginHandle>, Option<String>) {
    let vm = Vm::new(loaded.plugin.clone(), host.clone());
    let failure = vm.start().err();
    if let Some(failure) = &failure {
        tracing::error!(plugin = %failure.plugin, kind = failure.kind.as_str(), "plugin failed to start on this worker: {}", failure.message);
    }
    let handle = Rc::new(PluginHandle {
        vm,
        series: metrics.plugin(loaded.plugin.name()),
        name: loaded.plugin.name().clone(),
    });
    (handle, failure.map(|failure| failure.message))
}
