//! A connection as its requests see it: whom it belongs to, how it came in, on which worker.

use std::rc::Rc;
use std::time::Instant;

use lockgate_exchange::{ConnectionInfo, Scheme};
use lockgate_http::inbound::Peer;
use lockgate_telemetry::metrics::RequestSeries;

use crate::body::source::Meter;
use crate::chain::Chain;
use crate::context::Station;
use crate::context::idle_monitor::Pulse;
use crate::context::view::{ListenerView, View};
use crate::pipeline::deadline::Deadline;
use crate::pipeline::recorder::Ledger;

/// What all requests of a connection share.
pub(crate) struct Served {
    /// The worker's surroundings.
    pub(crate) station: Rc<Station>,
    /// What plugins may know of the connection.
    pub(crate) connection: Rc<ConnectionInfo>,
    /// Its other end.
    pub(crate) peer: Peer,
    /// How the client reached us.
    pub(crate) scheme: Scheme,
    /// Its signs of life.
    pub(crate) pulse: Rc<Pulse>,
    /// The listener as it was when the connection came in.
    pub(crate) listener: Rc<ListenerView>,
}

impl Served {
    /// The listener by the rules of the view that answers a request. One that a reload has taken away keeps its last rules.
    pub(crate) fn listener<'a>(&'a self, view: &'a View) -> &'a Rc<ListenerView> {
        view.listener(&self.connection.listener).unwrap_or(&self.listener)
    }

    /// Where requests of this connection on a route are counted.
    pub(crate) fn series(&self, view: &View, route: Option<usize>) -> RequestSeries {
        view.requests(&self.station.metrics, self.listener(view), route)
    }

    /// The time that a route gives a request which started at `started`.
    pub(crate) fn deadline(&self, view: &View, route: Option<usize>, started: Instant) -> Deadline {
        let timeout = route.and_then(|route| view.snapshot.model.routes[route].timeout);
        Deadline::new(started, timeout.map(|timeout| timeout.0), self.station.ward.alarms())
    }

    /// Opens the account of a request.
    pub(crate) fn open_ledger(
        &self,
        view: &Rc<View>,
        route: Option<usize>,
        chain: &Rc<Chain>,
        received: Meter,
    ) -> Ledger {
        let series = self.series(view, route);
        let log = self.station.shared.access_log.load_full();
        Ledger::open(chain.clone(), view.clone(), series, log, received, self.pulse.begin())
    }
}
