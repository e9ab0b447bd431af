//! The record of one TCP connection: started when it is accepted, ended when it is over, whatever happened. Its end reports to the
//! plugins that both sides are closed, ends their streams, counts the connection and writes its line in the access log.

use std::cell::Cell;
use std::future::{Future, poll_fn};
use std::pin::pin;
use std::rc::Rc;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Duration;

use lockgate_exchange::{Direction, clock};
use lockgate_sandbox::{Hooks, PeerType, Phase};
use lockgate_telemetry::access_log::{AccessLog, ConnectionRecord};
use lockgate_telemetry::close_reason::CloseReason;
use lockgate_telemetry::metrics::TcpSeries;

use super::flow::CloseNotified;
use crate::chain::{Chain, Stop};
use crate::context::WorkerContext;
use crate::context::idle_monitor::{ActivityMonitor, Directive};
use crate::context::view::View;
use crate::downstream::connection::DownstreamConnection;
use crate::relay::{Side, Watch};

/// The record of one connection.
pub(super) struct ConnectionRecorder {
    pub(super) chain: Rc<Chain>,
    pub(super) close_notified: CloseNotified,
    /// The close reason. Until it is set: the worker ended.
    pub(super) ending: Cell<CloseReason>,
    /// The side that closed last, for the plugins.
    pub(super) closed_by: Cell<PeerType>,
    /// Duration of the connect to the upstream, once it is done.
    pub(super) connected: Cell<Option<Duration>>,
    worker: Rc<WorkerContext>,
    /// Keeps the VMs of the snapshot alive.
    _view: Rc<View>,
    series: TcpSeries,
    access_log: Option<Arc<AccessLog>>,
    activity: Rc<ActivityMonitor>,
    received: Cell<u64>,
    sent: Cell<u64>,
}

impl ConnectionRecorder {
    pub(super) fn start(
        chain: Rc<Chain>,
        downstream: &DownstreamConnection,
        view: Rc<View>,
        series: TcpSeries,
    ) -> Rc<Self> {
        let worker = downstream.worker.clone();
        Rc::new(Self {
            chain,
            close_notified: CloseNotified::default(),
            ending: Cell::new(CloseReason::Drained),
            closed_by: Cell::new(PeerType::Local),
            connected: Cell::new(None),
            access_log: worker.shared.access_log.load_full(),
            worker,
            _view: view,
            series,
            activity: downstream.activity.clone(),
            received: Cell::new(0),
            sent: Cell::new(0),
        })
    }

    /// A pending action of a plugin that ends the connection.
    pub(super) fn check_pending(&self) -> Result<(), Stop> {
        if self.chain.is_empty() {
            Ok(())
        } else {
            self.chain.check_pending()
        }
    }

    /// Wakes this task when a plugin asks for something.
    pub(super) fn register(&self, cx: &Context<'_>) {
        if !self.chain.is_empty() {
            self.chain.exchange.borrow_mut().register(cx.waker());
        }
    }

    /// The close reason, if the connection is to be closed: idle for too long, or the process ends.
    pub(super) fn poll_close(&self, cx: &mut Context<'_>) -> Option<CloseReason> {
        match (self.activity.poll_directive(cx), self.worker.draining.get()) {
            // Bytes have no end of a request at which the connection could be closed; it has the whole drain time.
            (Directive::Continue, _) | (Directive::Retire | Directive::HeadTimeout, true) => None,
            (_, false) => Some(CloseReason::IdleTimeout),
            (Directive::Close, true) => Some(CloseReason::Drained),
        }
    }

    /// The result of `step`, unless the connection is to be closed before that, or a plugin closes it.
    pub(super) async fn bound<T>(&self, step: impl Future<Output = Result<T, CloseReason>>) -> Result<T, CloseReason> {
        let mut step = pin!(step);
        poll_fn(|cx| {
            if let Some(ending) = self.poll_close(cx) {
                return Poll::Ready(Err(ending));
            }
            self.register(cx);
            if let Err(stop) = self.check_pending() {
                return Poll::Ready(Err(stop.into()));
            }
            step.as_mut().poll(cx)
        })
        .await
    }

    /// Ends the connection in every plugin that saw it, one after the other: its sides are closed, and then it is done.
    fn end(&self) {
        for (index, filter) in self.chain.filters().iter().enumerate() {
            if filter.running().is_some_and(|stream| !stream.is_lost()) {
                self.notify_closed(index, filter.hooks());
            }
            self.chain.finish_at(index);
        }
    }

    fn notify_closed(&self, index: usize, hooks: Hooks) {
        // A failure was logged where it happened, and there is nothing left to deny.
        self.chain.start_clock();
        if hooks.downstream_close {
            let by = self.closed_by.get();
            let _ = self
                .chain
                .call(index, Direction::Request, Phase::DownstreamClose, |stream| {
                    stream.closed(Direction::Request, by)
                });
        }
        if hooks.upstream_close && self.connected.get().is_some() && !self.close_notified.get().take(index) {
            let by = match self.ending.get() {
                CloseReason::UpstreamReset => PeerType::Remote,
                _ => PeerType::Local,
            };
            let _ = self
                .chain
                .call(index, Direction::Response, Phase::UpstreamClose, |stream| {
                    stream.closed(Direction::Response, by)
                });
        }
    }

    fn record(&self, log: &AccessLog, took: Duration) {
        let exchange = self.chain.exchange.borrow();
        let info = &exchange.info;
        let tls = info.connection.tls.as_ref();
        log.write(&ConnectionRecord {
            time: info.started_at,
            connection: info.connection.id,
            listener: &info.connection.listener,
            client: info.client,
            protocol: "tcp",
            tls: tls.map(|tls| tls.version),
            server_name: tls.and_then(|tls| tls.server_name.as_deref()),
            upstream: info.upstream.as_deref(),
            endpoint: info.upstream_address,
            attempts: info.attempts,
            bytes_in: self.received.get(),
            bytes_out: self.sent.get(),
            duration: took,
            connect: self.connected.get(),
            result: self.ending.get().as_str(),
            cause: self.chain.take_cause(),
            plugins: self.chain.plugin_times(),
        });
    }
}

impl Watch for Rc<ConnectionRecorder> {
    fn poll_close(&self, cx: &mut Context<'_>) -> Option<CloseReason> {
        let ending = ConnectionRecorder::poll_close(self, cx);
        if ending.is_none() {
            self.register(cx);
        }
        ending
    }

    fn check(&self) -> Result<(), CloseReason> {
        Ok(self.check_pending()?)
    }

    fn received(&self, from: Side, count: usize) {
        self.activity.touch();
        if from == Side::Client {
            self.received.set(self.received.get() + count as u64);
            self.series.received(count as u64);
        }
        if count == 0 {
            // Who ends last closes the connection.
            self.closed_by.set(match from {
                Side::Client => PeerType::Remote,
                Side::Upstream => PeerType::Local,
            });
        }
    }

    fn wrote(&self, to: Side, count: usize) {
        self.activity.touch();
        if to == Side::Client {
            self.sent.set(self.sent.get() + count as u64);
            self.series.sent(count as u64);
        }
    }
}

impl Drop for ConnectionRecorder {
    fn drop(&mut self) {
        let took = {
            let mut exchange = self.chain.exchange.borrow_mut();
            let took = clock::now().saturating_duration_since(exchange.info.started);
            exchange.info.ended = Some(took);
            exchange.info.request_bytes = self.received.get();
            exchange.info.response_bytes = self.sent.get();
            took
        };
        self.end();
        self.series.record_close(self.ending.get());
        if let Some(log) = &self.access_log {
            self.record(log, took);
        }
    }
}
