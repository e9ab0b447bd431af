//! The plugins that one request passes, with their stream contexts and pending actions.
//! Knows the order, the failure policy and the time each plugin took; not bodies (`filter`) and not the network.

pub(crate) mod filter;
pub(crate) mod message_body;

use std::cell::{Cell, OnceCell};
use std::rc::Rc;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::{Duration, Instant};

use bytes::Bytes;
use lockgate_exchange::{Direction, LocalResponse, PendingActions, Reservation, ResponseHead, SharedExchange, clock};
use lockgate_http::problem::Problem;
use lockgate_routing::RouteTable;
use lockgate_sandbox::settings::OnError;
use lockgate_sandbox::{Action, CallTrace, Failure, Hooks, Phase, Stream, Vm};
use lockgate_telemetry::access_log::PluginTimes;
use lockgate_telemetry::metrics::PluginSeries;

/// What ends a request's way before its upstream.
#[derive(Debug)]
pub(crate) enum Stop {
    /// A plugin's local response.
    Reply(Box<LocalResponse>),
    /// The gateway's own response, because something failed.
    Problem(Problem),
    /// The route's response.
    Route(Box<RouteReply>),
    /// A reset of the stream, pending for by a plugin.
    Close,
}

/// A response that a route makes by itself: a redirect, a fixed response, an injected fault.
#[derive(Debug)]
pub(crate) struct RouteReply {
    /// Its head.
    pub(crate) head: ResponseHead,
    /// Its body.
    pub(crate) body: Bytes,
    /// What it is, for the access log.
    pub(crate) details: &'static str,
    /// Why it is an error, in words.
    pub(crate) cause: Option<&'static str>,
}

/// A plugin of a chain on this worker: what all requests that pass it share.
pub(crate) struct PluginHandle {
    /// The plugin's VM on this worker.
    pub(crate) vm: Rc<Vm>,
    /// Where its time is counted.
    pub(crate) series: PluginSeries,
    /// Its name.
    pub(crate) name: Arc<str>,
}

/// One request in one plugin.
pub(crate) struct FilterState {
    handle: Rc<PluginHandle>,
    stream: OnceCell<Stream>,
    bypassed: Cell<bool>,
    elapsed: [Cell<Duration>; 2],
    /// Time that messages waited in it, in both directions.
    waited: Cell<Duration>,
}

impl FilterState {
    fn new(handle: Rc<PluginHandle>) -> Self {
        Self {
            handle,
            stream: OnceCell::new(),
            bypassed: Cell::new(false),
            elapsed: Default::default(),
            waited: Cell::default(),
        }
    }

    /// The stream context, if the request has reached this plugin and the plugin still takes part.
    pub(crate) fn running(&self) -> Option<&Stream> {
        if self.bypassed.get() { None } else { self.stream.get() }
    }

    /// True when the request came as far as this plugin.
    pub(crate) fn was_reached(&self) -> bool {
        self.stream.get().is_some()
    }

    /// What the plugin exports.
    pub(crate) fn hooks(&self) -> Hooks {
        self.handle.vm.plugin().hooks()
    }

    /// True when body or trailers in this direction concern the plugin.
    pub(crate) fn reads_body(&self, direction: Direction) -> bool {
        let hooks = self.hooks();
        match direction {
            Direction::Request => hooks.request_body || hooks.request_trailers,
            Direction::Response => hooks.response_body || hooks.response_trailers,
        }
    }

    /// Notes the time that a message has waited in it.
    pub(crate) fn note_wait(&self, waited: Duration) {
        self.waited.set(self.waited.get() + waited);
        self.handle.series.record_wait(waited);
    }

    /// Maximum bytes of a body that are kept while the plugin pauses, in each direction.
    pub(crate) fn body_limit(&self) -> u64 {
        self.handle.vm.plugin().settings().limits.body.0
    }
}

/// The plugins that one request passes.
pub(crate) struct Chain {
    /// What the plugins read and change.
    pub(crate) exchange: SharedExchange,
    filters: Box<[FilterState]>,
    /// Set if an operator wants to see the host calls that are made for it.
    trace: Option<Rc<CallTrace>>,
    /// Start of the time that is counted for the next plugin.
    timer_start: Cell<Instant>,
    stopped: Cell<Option<Stop>>,
    /// Why the message is about to end, in words, for logs.
    cause: Cell<Option<String>>,
}

impl Chain {
    /// A chain for one request; no plugin has seen it yet.
    pub(crate) fn new(
        exchange: SharedExchange,
        handles: &[Rc<PluginHandle>],
        trace: Option<Rc<CallTrace>>,
    ) -> Rc<Self> {
        let filters = handles.iter().cloned().map(FilterState::new).collect();
        let timer_start = Cell::new(exchange.borrow().info.started);
        Rc::new(Self {
            exchange,
            filters,
            trace,
            timer_start,
            stopped: Cell::new(None),
            cause: Cell::new(None),
        })
    }

    /// Every plugin's state, in the chain's order.
    pub(crate) fn filters(&self) -> &[FilterState] {
        &self.filters
    }

    /// True when the chain has no plugin.
    pub(crate) fn is_empty(&self) -> bool {
        self.filters.is_empty()
    }

    /// The time that each plugin took which the exchange has reached, for the access log.
    pub(crate) fn plugin_times(&self) -> Vec<PluginTimes<'_>> {
        let reached = self.filters.iter().filter(|filter| filter.was_reached());
        reached
            .map(|filter| PluginTimes {
                name: &filter.handle.name,
                request_us: filter.elapsed[0].get(),
                response_us: filter.elapsed[1].get(),
                wait_us: filter.waited.get(),
            })
            .collect()
    }

    /// The last plugin that the request has reached.
    pub(crate) fn reached(&self) -> Option<usize> {
        self.filters.iter().rposition(FilterState::was_reached)
    }

    /// Starts the time of the next plugin. Plugins are called in a row: one reading of the clock ends one's time and starts the next's.
    pub(crate) fn start_clock(&self) {
        self.timer_start.set(clock::cpu());
    }

    /// Opens the plugin at `index` for this request, with a stream context of its own.
    pub(crate) fn open(&self, index: usize) -> Result<(), Stop> {
        let filter = &self.filters[index];
        self.exchange.borrow_mut().position = index;
        match filter.handle.vm.open_traced(&self.exchange, self.trace.as_ref()) {
            Ok(stream) => {
                // Each plugin is opened once, in the request's headers phase.
                let _ = filter.stream.set(stream);
                Ok(())
            }
            Err(failure) => self.failed(index, &failure),
        }
    }

    /// Calls the plugin at `index`, if it takes part, and reads its pending actions.
    /// A local response, a reset or a failure with `deny` comes back as [`Stop`].
    pub(crate) fn call(
        &self,
        index: usize,
        direction: Direction,
        phase: Phase,
        call: impl FnOnce(&Stream) -> Result<Action, Failure>,
    ) -> Result<Action, Stop> {
        let filter = &self.filters[index];
        let Some(stream) = filter.running() else {
            return Ok(Action::Continue);
        };
        {
            let mut exchange = self.exchange.borrow_mut();
            exchange.position = index;
            // A resume from before this callback does not apply to a pause that the callback may ask for.
            resumed(&mut exchange.pending, index, direction);
        }
        let outcome = call(stream);
        let ended = clock::cpu();
        let took = ended.saturating_duration_since(self.timer_start.replace(ended));
        let elapsed = &filter.elapsed[direction as usize];
        elapsed.set(elapsed.get() + took);
        filter.handle.series.record(phase, took);
        match outcome {
            Ok(action) => {
                let pending = &mut self.exchange.borrow_mut().pending;
                take_ending(pending)?;
                Ok(if resumed(pending, index, direction) {
                    Action::Continue
                } else {
                    action
                })
            }
            Err(failure) => self.failed(index, &failure).map(|()| Action::Continue),
        }
    }

    /// Notes why the message is about to end, in words.
    pub(crate) fn note_cause(&self, cause: impl Into<String>) {
        self.cause.set(Some(cause.into()));
    }

    /// What was noted last, once.
    pub(crate) fn take_cause(&self) -> Option<String> {
        self.cause.take()
    }

    /// The name of the plugin at `index`.
    pub(crate) fn name(&self, index: usize) -> &str {
        &self.filters[index].handle.name
    }

    /// A pending action of any plugin that ends this message.
    pub(crate) fn check_pending(&self) -> Result<(), Stop> {
        take_ending(&mut self.exchange.borrow_mut().pending)
    }

    /// True when plugins have changed what decides the route, or one has cleared the route cache.
    pub(crate) fn wants_another_route(&self, routes: &RouteTable) -> bool {
        if self.is_empty() {
            return false;
        }
        let exchange = self.exchange.borrow();
        let changed = exchange.changed;
        changed.pseudo_headers || (changed.headers && routes.asks_for_headers()) || !exchange.pending.reroute.is_empty()
    }

    /// True, once, when the plugin at `index` has resumed the paused message.
    pub(crate) fn resumed(&self, index: usize, direction: Direction) -> bool {
        resumed(&mut self.exchange.borrow_mut().pending, index, direction)
    }

    /// True while the plugin at `index` has a callout open.
    pub(crate) fn has_open_callout(&self, index: usize) -> bool {
        self.filters[index].running().is_some_and(Stream::has_open_callout)
    }

    /// Applies `on_error` when a plugin was lost while the message waited in it. True if the message continues without the plugin.
    pub(crate) fn lost(&self, index: usize, phase: Phase) -> Result<bool, Stop> {
        let filter = &self.filters[index];
        match filter.running() {
            Some(stream) if stream.is_lost() => self.failed(index, &stream.loss(phase)).map(|()| true),
            _ => Ok(filter.bypassed.get()),
        }
    }

    /// Reserves memory of the plugin's at `index` for what the host holds because of it. `None` if there is no room and the
    /// message continues without the plugin.
    pub(crate) fn reserve(&self, index: usize, bytes: usize) -> Result<Option<Reservation>, Stop> {
        let Some(stream) = self.filters[index].running() else {
            return Ok(None);
        };
        match stream.reserve(bytes) {
            Ok(reservation) => Ok(Some(reservation)),
            Err(failure) => self.failed(index, &failure).map(|()| None),
        }
    }

    fn failed(&self, index: usize, failure: &Failure) -> Result<(), Stop> {
        self.filters[index].bypassed.set(true);
        // What it requested before the failure is void; what others requested is not.
        self.exchange.borrow_mut().pending.discard(index);
        match failure.on_error {
            OnError::Deny => {
                self.note_cause(format!("{failure} ({})", failure.kind.as_str()));
                Err(Stop::Problem(Problem::PluginFailed))
            }
            OnError::Bypass => Ok(()),
        }
    }

    /// True when a plugin may still read the heads after they were sent: in body, trailers or log callbacks.
    pub(crate) fn reads_sent_headers(&self) -> bool {
        self.filters
            .iter()
            .filter(|filter| filter.running().is_some())
            .any(|filter| {
                let hooks = filter.hooks();
                hooks.finish || hooks.delete || hooks.response_body || hooks.response_trailers
            })
    }

    /// Stops the request while its body is on the way: wakes the pipeline, which waits for the upstream.
    pub(crate) fn stop(&self, stop: Stop) {
        self.stopped.set(Some(stop));
        self.exchange.borrow_mut().wake();
    }

    /// What stopped the request while its body was on the way.
    pub(crate) fn take_stopped(&self) -> Option<Stop> {
        self.stopped.take().or_else(|| self.check_pending().err())
    }

    /// Ready when something in the chain stops the request while its body is on the way.
    pub(crate) fn poll_stopped(&self, cx: &mut Context<'_>) -> Poll<Stop> {
        if let Some(stop) = self.take_stopped() {
            return Poll::Ready(stop);
        }
        self.exchange.borrow_mut().register(cx.waker());
        Poll::Pending
    }

    /// The exchange is over: done, log and delete in every plugin that saw it, in the chain's order.
    pub(crate) fn finish(&self) {
        (0..self.filters.len()).for_each(|index| self.finish_at(index));
    }

    /// The same in one of them.
    pub(crate) fn finish_at(&self, index: usize) {
        if let Some(stream) = self.filters[index].stream.get() {
            if let Ok(mut exchange) = self.exchange.try_borrow_mut() {
                exchange.position = index;
            }
            stream.finish();
        }
    }
}

/// The pending action that ends the message, if there is one.
fn take_ending(pending: &mut PendingActions) -> Result<(), Stop> {
    if pending.failed.clear() {
        return Err(Stop::Problem(Problem::PluginFailed));
    }
    if let Some(response) = pending.local_response.take() {
        return Err(Stop::Reply(Box::new(response)));
    }
    if pending.close.clear() {
        return Err(Stop::Close);
    }
    Ok(())
}

/// Whether the plugin at `index` has resumed the message; true once.
fn resumed(pending: &mut PendingActions, index: usize, direction: Direction) -> bool {
    match direction {
        Direction::Request => pending.resume_request.take(index),
        Direction::Response => pending.resume_response.take(index),
    }
}
