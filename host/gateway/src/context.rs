//! What all connections of one worker share: the current view, the client towards upstreams, the counters.
//! Not what makes a worker run; that is `worker`.

pub(crate) mod connection_limiter;
pub(crate) mod descriptors;
pub(crate) mod draining_vms;
pub(crate) mod idle_monitor;
pub(crate) mod open_copies;
pub(crate) mod plugin_starts;
pub(crate) mod queue_notify;
pub(crate) mod rng;
pub(crate) mod snapshot;
pub(crate) mod timers;
pub(crate) mod view;

use std::cell::{Cell, RefCell};
use std::rc::Rc;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use lockgate_client::Resolve;
use lockgate_exchange::clock::WallClock;
use lockgate_http::inbound::RequestIds;
use lockgate_store::Store;
use lockgate_telemetry::access_log::AccessLog;
use lockgate_telemetry::call_trace::TraceSwitch;
use lockgate_telemetry::failure_log::FailureLog;
use lockgate_telemetry::metrics::WorkerMetrics;
use lockgate_upstream::Client;

use crate::chain::message_body::MessageBody;
use crate::context::connection_limiter::ConnectionLimiter;
use crate::context::draining_vms::DrainingVms;
use crate::context::idle_monitor::IdleMonitor;
use crate::context::open_copies::OpenCopies;
use crate::context::plugin_starts::PluginStarts;
use crate::context::queue_notify::{QueueNotify, QueueSender};
use crate::context::rng::Rng;
use crate::context::snapshot::Snapshot;
use crate::context::view::View;

/// What all workers share for as long as the process lives; keyed by names, never by snapshot.
#[derive(Clone)]
pub struct SharedState {
    /// Counters, keys, queues, the response cache.
    pub(crate) store: Arc<Store>,
    /// The access log, if there is one.
    pub(crate) access_log: Arc<arc_swap::ArcSwapOption<AccessLog>>,
    /// Whose host calls are logged.
    pub(crate) trace: Arc<TraceSwitch>,
    /// How many connections are open.
    pub(crate) connection_limiter: ConnectionLimiter,
    /// Who listens to which shared queue.
    pub(crate) queue_notify: QueueNotify,
    /// Plugins that have not started.
    pub(crate) plugin_starts: PluginStarts,
    /// The next connection's number.
    pub(crate) connections: Arc<AtomicU64>,
    /// Resolves the host names of endpoints; none: they have IP addresses.
    pub(crate) resolver: Option<Arc<dyn Resolve>>,
}

impl SharedState {
    /// The state of a new process: no connection is open, and no queue has a listener.
    pub fn new(
        store: Store,
        access_log: Option<Arc<AccessLog>>,
        trace: Arc<TraceSwitch>,
        plugin_starts: PluginStarts,
    ) -> Self {
        Self {
            store: Arc::new(store),
            access_log: Arc::new(arc_swap::ArcSwapOption::from(access_log)),
            trace,
            connection_limiter: Default::default(),
            queue_notify: Default::default(),
            plugin_starts,
            connections: Arc::new(AtomicU64::new(1)),
            resolver: None,
        }
    }

    /// The same state, in which `resolver` resolves the host names of endpoints.
    pub fn with_resolver(mut self, resolver: Arc<dyn Resolve>) -> Self {
        self.resolver = Some(resolver);
        self
    }
}

/// What a worker uses of the world. An embedded worker has substitutes.
pub(crate) struct WorkerResources {
    /// The client towards upstreams.
    pub(crate) client: Client<MessageBody>,
    /// The client for callouts.
    pub(crate) callouts: Client<MessageBody>,
    /// The time of day.
    pub(crate) wall_clock: WallClock,
    /// Random bytes.
    pub(crate) random: Rng,
    /// The source of request ids.
    pub(crate) request_ids: RequestIds,
}

impl WorkerResources {
    /// The system's. Callouts share the connections of forwarded requests.
    pub(crate) fn new(shared: &SharedState) -> Self {
        let client = match &shared.resolver {
            Some(resolver) => Client::with_resolver(resolver.clone()),
            None => Client::new(),
        };
        Self {
            callouts: client.clone(),
            client,
            wall_clock: WallClock::default(),
            random: Rng::System,
            request_ids: RequestIds::new(),
        }
    }
}

/// The context of one worker.
pub(crate) struct WorkerContext {
    view: RefCell<Option<Rc<View>>>,
    /// The last snapshot, once no request starts any more: plugins that are not done yet still make callouts.
    retired: RefCell<Option<Arc<Snapshot>>>,
    /// Connections to upstreams; they outlive reloads.
    pub(crate) client: Client<MessageBody>,
    /// The same for requests that plugins make.
    pub(crate) callouts: Client<MessageBody>,
    /// Tells the time of day.
    pub(crate) wall_clock: WallClock,
    /// Random bytes for guests.
    pub(crate) random: Rng,
    /// This worker's counters.
    pub(crate) metrics: WorkerMetrics,
    /// The source of request ids.
    pub(crate) request_ids: RequestIds,
    /// Notifies this worker of entries in shared queues that it listens to.
    pub(crate) queue_sender: QueueSender,
    /// What the workers share.
    pub(crate) shared: SharedState,
    /// VMs out of service whose plugins are not done yet.
    pub(crate) draining_vms: DrainingVms,
    /// Watches the connections for idle timeouts.
    pub(crate) idle_monitor: IdleMonitor,
    /// The log's lines for requests that failed.
    pub(crate) failures: FailureLog,
    /// The number of requests that routes delay.
    pub(crate) delayed: Cell<usize>,
    /// The number of copies of requests that are on the way to shadows.
    pub(crate) mirrored: OpenCopies,
    /// The process is ending: connections close after their current response.
    pub(crate) draining: Cell<bool>,
}

impl WorkerContext {
    /// The context of a worker that has no view yet.
    pub(crate) fn new(
        metrics: WorkerMetrics,
        shared: SharedState,
        queue_sender: QueueSender,
        setting: WorkerResources,
    ) -> Rc<Self> {
        Rc::new(Self {
            view: RefCell::new(None),
            retired: RefCell::default(),
            client: setting.client,
            callouts: setting.callouts,
            wall_clock: setting.wall_clock,
            random: setting.random,
            metrics,
            request_ids: setting.request_ids,
            queue_sender,
            shared,
            draining_vms: DrainingVms::default(),
            idle_monitor: IdleMonitor::new(),
            failures: FailureLog::default(),
            delayed: Cell::new(0),
            mirrored: OpenCopies::default(),
            draining: Cell::new(false),
        })
    }

    /// The view that a request which starts now is answered by.
    pub(crate) fn view(&self) -> Rc<View> {
        self.current()
            .expect("a worker accepts no connection before it has adopted a snapshot")
    }

    /// The view, if there is one yet.
    pub(crate) fn current(&self) -> Option<Rc<View>> {
        self.view.borrow().clone()
    }

    /// The snapshot whose upstreams plugins call: that of the view, and the last one after [`WorkerContext::retire`].
    pub(crate) fn snapshot(&self) -> Option<Arc<Snapshot>> {
        let of_view = self.view.borrow().as_ref().map(|view| view.snapshot.clone());
        of_view.or_else(|| self.retired.borrow().clone())
    }

    /// Requests that start from now on are answered by `view`.
    pub(crate) fn adopt(&self, view: Rc<View>) {
        // The old view is dropped after the cell is free: its end runs guest code.
        let before = self.view.borrow_mut().replace(view);
        drop(before);
    }

    /// No request starts any more: the plugins' VMs end with the last request.
    pub(crate) fn retire(&self) {
        let last = self.view.borrow_mut().take();
        self.retired.replace(last.as_ref().map(|view| view.snapshot.clone()));
        drop(last);
    }

    /// A new connection's number, unique in the process.
    pub(crate) fn connection_id(&self) -> u64 {
        self.shared.connections.fetch_add(1, Ordering::Relaxed)
    }
}
