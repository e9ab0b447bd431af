//! A snapshot as one worker sees it: the same routes and upstreams, with this worker's own VMs and counters.

use std::cell::RefCell;
use std::rc::Rc;
use std::sync::Arc;

use lockgate_config::model::{Listener, PluginIndex, Protocol};
use lockgate_sandbox::{Host, Vm};
use lockgate_telemetry::metrics::{RequestSeries, TcpSeries, UpstreamSeries, WorkerMetrics};
use lockgate_tls::server::CertificateStore;

use crate::chain::Stand;
use crate::context::snapshot::{LoadedPlugin, Snapshot};

/// A listener as requests see it.
pub(crate) struct ListenerView {
    /// Its place in the snapshot.
    pub(crate) index: usize,
    /// Its settings.
    pub(crate) settings: Listener,
    /// What it serves over TLS with; none in the clear.
    pub(crate) certificates: Option<Arc<CertificateStore>>,
    /// What becomes of its connections; none if it takes requests.
    pub(crate) forwarding: Option<ForwardingView>,
}

/// What becomes of TCP connections.
pub(crate) struct ForwardingView {
    /// The upstream's place in the snapshot.
    pub(crate) upstream: usize,
    /// The plugins that see the bytes.
    pub(crate) chain: Rc<[Rc<Stand>]>,
    /// Where connections are counted.
    pub(crate) series: TcpSeries,
}

/// A snapshot on one worker. A request holds it from its first to its last byte.
pub(crate) struct View {
    /// What all workers share.
    pub(crate) snapshot: Arc<Snapshot>,
    /// In the snapshot's order.
    pub(crate) listeners: Vec<Rc<ListenerView>>,
    stands: Vec<(Arc<LoadedPlugin>, Rc<Stand>)>,
    /// A chain for each route, the global one in front; the last is the global chain alone.
    chains: Vec<Rc<[Rc<Stand>]>>,
    requests: RefCell<Vec<Option<RequestSeries>>>,
    upstreams: Vec<UpstreamSeries>,
}

impl View {
    /// Looks at `snapshot`; VMs of plugins that did not change are taken over from `before`.
    /// New ones are started here, which runs guest code: a failure leaves the VM to its back-off.
    pub(crate) fn new(
        snapshot: Arc<Snapshot>,
        before: Option<&View>,
        outside: &Rc<dyn Host>,
        metrics: &WorkerMetrics,
    ) -> Self {
        let stands: Vec<_> = snapshot
            .plugins
            .iter()
            .map(|loaded| {
                (
                    loaded.clone(),
                    before
                        .and_then(|view| view.stand(loaded))
                        .unwrap_or_else(|| raise(loaded, outside, metrics)),
                )
            })
            .collect();
        let model = &snapshot.model;
        let pick = |indexes: &mut dyn Iterator<Item = &PluginIndex>| {
            indexes.map(|i| stands[i.0].1.clone()).collect::<Rc<[_]>>()
        };
        let mut chains: Vec<_> = model
            .routes
            .iter()
            .map(|route| pick(&mut model.global_chain.iter().chain(&route.chain)))
            .collect();
        chains.push(pick(&mut model.global_chain.iter()));
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
        let series = vec![None; listeners.len() * chains.len()];
        Self {
            listeners,
            stands,
            chains,
            requests: RefCell::new(series),
            upstreams,
            snapshot,
        }
    }

    /// The listener called `name`, while it exists.
    pub(crate) fn listener(&self, name: &str) -> Option<&Rc<ListenerView>> {
        self.listeners.iter().find(|listener| &*listener.settings.name == name)
    }

    /// The chain of a route, or the global chain alone for requests that match none.
    pub(crate) fn chain(&self, route: Option<usize>) -> &Rc<[Rc<Stand>]> {
        &self.chains[route.unwrap_or(self.chains.len() - 1)]
    }

    /// Where requests on this listener and route are counted.
    pub(crate) fn requests(
        &self,
        metrics: &WorkerMetrics,
        listener: &ListenerView,
        route: Option<usize>,
    ) -> RequestSeries {
        let (name, place) = (&listener.settings.name, listener.index);
        let route_name = || route.map_or("", |route| &*self.snapshot.model.routes[route].name);
        if self
            .listeners
            .get(place)
            .is_none_or(|known| known.settings.name != *name)
        {
            // The connection came in by a listener that a reload has taken away since.
            return metrics.requests(name, route_name());
        }
        let slot = place * self.chains.len() + route.unwrap_or(self.chains.len() - 1);
        let mut requests = self.requests.borrow_mut();
        requests[slot]
            .get_or_insert_with(|| metrics.requests(name, route_name()))
            .clone()
    }

    /// Where requests to the upstream at `index` are counted.
    pub(crate) fn upstream_series(&self, index: usize) -> &UpstreamSeries {
        &self.upstreams[index]
    }

    /// Every plugin with its VM on this worker.
    pub(crate) fn stands(&self) -> impl Iterator<Item = &Rc<Stand>> {
        self.stands.iter().map(|(_, stand)| stand)
    }

    fn stand(&self, loaded: &Arc<LoadedPlugin>) -> Option<Rc<Stand>> {
        self.stands
            .iter()
            .find(|(known, _)| Arc::ptr_eq(known, loaded))
            .map(|(_, stand)| stand.clone())
    }
}

/// What becomes of the listener's connections, if it takes any. `pick` finds plugins.
fn forwarding(
    settings: &Listener,
    pick: &impl Fn(&mut dyn Iterator<Item = &PluginIndex>) -> Rc<[Rc<Stand>]>,
    metrics: &WorkerMetrics,
) -> Option<ForwardingView> {
    match &settings.protocol {
        Protocol::Http => None,
        Protocol::Tcp(forwarding) => Some(ForwardingView {
            upstream: forwarding.upstream.0,
            chain: pick(&mut forwarding.chain.iter()),
            series: metrics.tcp(&settings.name),
        }),
    }
}

fn raise(loaded: &LoadedPlugin, outside: &Rc<dyn Host>, metrics: &WorkerMetrics) -> Rc<Stand> {
    let vm = Vm::new(loaded.plugin.clone(), outside.clone());
    if let Err(failure) = vm.start() {
        tracing::error!(plugin = %failure.plugin, kind = failure.kind.as_str(), "plugin failed to start on this worker: {}", failure.message);
    }
    Rc::new(Stand {
        vm,
        series: metrics.plugin(loaded.plugin.name()),
        name: loaded.plugin.name().clone(),
    })
}
