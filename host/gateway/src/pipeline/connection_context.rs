//! A client connection as its requests see it.

use std::cell::Cell;
use std::rc::Rc;
use std::time::Instant;

use lockgate_client::Interim;
use lockgate_exchange::{ConnectionInfo, Scheme};
use lockgate_http::inbound::Peer;
use lockgate_telemetry::metrics::RequestSeries;
use lockgate_upstream::UpstreamTimeouts;

use crate::body::source::ByteCounter;
use crate::chain::Chain;
use crate::context::WorkerContext;
use crate::context::idle_monitor::ActivityMonitor;
use crate::context::view::{ListenerView, RouteView, View};
use crate::downstream::connection::DownstreamConnection;
use crate::pipeline::deadline::{Deadline, Silence};
use crate::pipeline::recorder::RequestRecorder;
use crate::pipeline::tunnel::Tunnel;

/// What all requests of a connection share.
pub(crate) struct ConnectionContext {
    /// The worker that it lives on.
    pub(crate) worker: Rc<WorkerContext>,
    /// What plugins may know of the connection.
    pub(crate) info: Rc<ConnectionInfo>,
    /// The client's end of the connection.
    pub(crate) peer: Peer,
    /// How the client reached us.
    pub(crate) scheme: Scheme,
    /// When something last happened on it, and what it is to do.
    pub(crate) activity: Rc<ActivityMonitor>,
    /// The listener as it was when the connection came in.
    pub(crate) listener: Rc<ListenerView>,
    /// Who passes interim responses of upstreams on to the client; nobody where they are dropped.
    pub(crate) interim: Interim,
    /// The tunnel that a request has just got, until the server of the connection takes it.
    pub(crate) tunnel: Cell<Option<Box<Tunnel>>>,
}

impl ConnectionContext {
    /// A connection whose handshake is done.
    pub(crate) fn new(downstream: &DownstreamConnection, info: ConnectionInfo) -> Self {
        let scheme = if info.tls.is_some() {
            Scheme::Https
        } else {
            Scheme::Http
        };
        Self {
            worker: downstream.worker.clone(),
            peer: Peer::new(info.peer, info.local, scheme),
            info: Rc::new(info),
            scheme,
            activity: downstream.activity.clone(),
            listener: downstream.listener.clone(),
            interim: Interim::default(),
            tunnel: Cell::default(),
        }
    }

    /// The listener by the rules of the view that answers a request. One that a reload has taken away keeps its last rules.
    pub(crate) fn listener<'a>(&'a self, view: &'a View) -> &'a Rc<ListenerView> {
        view.listener(&self.info.listener).unwrap_or(&self.listener)
    }

    /// Where requests of this connection on a route are counted.
    pub(crate) fn series(&self, view: &View, route: &RouteView) -> RequestSeries {
        view.requests(&self.worker.metrics, self.listener(view), route)
    }

    /// The time that a request has which started at `started` and matches `route`.
    pub(crate) fn deadline(&self, view: &View, route: &RouteView, started: Instant, received: ByteCounter) -> Deadline {
        // Which branch of a split is taken is known once the request leaves the chain.
        let upstream = route.settings().and_then(|settings| settings.destination.upstream());
        let upstream = upstream.map(|upstream| upstream.0);
        let silence = self.silence(view, route, upstream);
        Deadline::new(route.due(started), silence, received, self.worker.idle_monitor.timers())
    }

    /// How long a request of `route` to the upstream at this index may wait without a byte.
    pub(crate) fn silence(&self, view: &View, route: &RouteView, upstream: Option<usize>) -> Silence {
        let body = self.listener.settings.limits.body_timeout.0;
        let mut timeouts = match upstream {
            Some(index) => view.snapshot.model.upstreams[index].settings.timeouts,
            None => UpstreamTimeouts::default(),
        };
        if let Some(policy) = route.settings().and_then(|settings| settings.policy.as_deref()) {
            timeouts.first_byte = policy.timeouts.first_byte.unwrap_or(timeouts.first_byte);
            timeouts.idle = policy.timeouts.idle.unwrap_or(timeouts.idle);
        }
        Silence::new(body, timeouts.first_byte.0, timeouts.idle.0)
    }

    /// Starts the record of a request.
    pub(crate) fn start_recorder(
        &self,
        view: &Rc<View>,
        route: &RouteView,
        chain: &Rc<Chain>,
        received: ByteCounter,
    ) -> Box<RequestRecorder> {
        let series = self.series(view, route);
        let log = self.worker.shared.access_log.load_full();
        RequestRecorder::start(
            chain.clone(),
            view.clone(),
            series,
            log,
            received,
            self.worker.clone(),
            self.activity.start_request(),
        )
    }
}
