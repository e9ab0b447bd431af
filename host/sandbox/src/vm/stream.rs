//! [`Stream`]: one stream context, with the callbacks of a request or a TCP connection in one plugin.

use std::cell::Cell;
use std::rc::Rc;

use lockgate_abi::{Action, MapType, PeerType};
use lockgate_exchange::{Direction, Reservation, SharedExchange};
use wasmtime::TypedFunc;

use crate::calls::trace::CallTrace;
use crate::guest::exports::HeadersHook;
use crate::plugin::{Fingerprint, Plugin};
use crate::report::Failure;
use crate::state::{Phase, State};
use crate::view::headers::MapView;
use crate::vm::instance::InstanceHandle;

/// A request or a TCP connection in a plugin. Dropping it ends the context, as [`Stream::finish`] does.
///
/// A callback that the plugin does not have returns [`Action::Continue`]. A callback that it has is never skipped: once the plugin
/// is lost, the callback is a failure of the plugin.
pub struct Stream {
    instance: InstanceHandle,
    id: u32,
    /// Its place in the chain.
    position: usize,
    exchange: SharedExchange,
    finished: Cell<bool>,
}

impl Stream {
    pub(crate) fn open(
        instance: InstanceHandle,
        exchange: &SharedExchange,
        trace: Option<Rc<CallTrace>>,
        fingerprint: Option<Fingerprint>,
    ) -> Result<Self, Failure> {
        let id = instance.open(exchange, trace, fingerprint)?;
        let position = exchange.borrow().position;
        Ok(Self {
            instance,
            id,
            position,
            exchange: Rc::clone(exchange),
            finished: Cell::new(false),
        })
    }

    /// The plugin.
    #[must_use]
    pub fn plugin(&self) -> &Plugin {
        self.instance.plugin()
    }

    /// `proxy_on_request_headers`.
    ///
    /// # Errors
    /// The plugin failed in this callback.
    pub fn request_headers(&self, end_of_stream: bool) -> Result<Action, Failure> {
        let hook = self.instance.exports().request_headers.as_ref();
        self.headers(hook, MapType::HttpRequestHeaders, Phase::RequestHeaders, end_of_stream)
    }

    /// `proxy_on_request_body`. The plugin sees the exchange's `request_body`.
    ///
    /// # Errors
    /// The plugin failed in this callback.
    pub fn request_body(&self, end_of_stream: bool) -> Result<Action, Failure> {
        let Some(hook) = &self.instance.exports().request_body else {
            return Ok(Action::Continue);
        };
        let size = saturated(self.exchange.borrow().request_body.len());
        self.body(hook, Phase::RequestBody, size, end_of_stream)
    }

    /// `proxy_on_request_trailers`.
    ///
    /// # Errors
    /// The plugin failed in this callback.
    pub fn request_trailers(&self) -> Result<Action, Failure> {
        let hook = self.instance.exports().request_trailers.as_ref();
        self.trailers(hook, MapType::HttpRequestTrailers, Phase::RequestTrailers)
    }

    /// `proxy_on_response_headers`.
    ///
    /// # Errors
    /// The plugin failed in this callback.
    pub fn response_headers(&self, end_of_stream: bool) -> Result<Action, Failure> {
        let hook = self.instance.exports().response_headers.as_ref();
        self.headers(
            hook,
            MapType::HttpResponseHeaders,
            Phase::ResponseHeaders,
            end_of_stream,
        )
    }

    /// `proxy_on_response_body`. The plugin sees the exchange's `response_body`.
    ///
    /// # Errors
    /// The plugin failed in this callback.
    pub fn response_body(&self, end_of_stream: bool) -> Result<Action, Failure> {
        let Some(hook) = &self.instance.exports().response_body else {
            return Ok(Action::Continue);
        };
        let size = saturated(self.exchange.borrow().response_body.len());
        self.body(hook, Phase::ResponseBody, size, end_of_stream)
    }

    /// `proxy_on_response_trailers`.
    ///
    /// # Errors
    /// The plugin failed in this callback.
    pub fn response_trailers(&self) -> Result<Action, Failure> {
        let hook = self.instance.exports().response_trailers.as_ref();
        self.trailers(hook, MapType::HttpResponseTrailers, Phase::ResponseTrailers)
    }

    /// `proxy_on_new_connection`.
    ///
    /// # Errors
    /// The plugin failed in this callback.
    pub fn new_connection(&self) -> Result<Action, Failure> {
        let Some(hook) = &self.instance.exports().new_connection else {
            return Ok(Action::Continue);
        };
        self.call(hook, Phase::NewConnection, self.id)
    }

    /// `proxy_on_downstream_data` (request direction) or `proxy_on_upstream_data` (response direction). The plugin sees its
    /// buffer of that direction in the exchange.
    ///
    /// # Errors
    /// The plugin failed in this callback.
    pub fn data(&self, direction: Direction, end_of_stream: bool) -> Result<Action, Failure> {
        let exports = self.instance.exports();
        let (hook, phase) = match direction {
            Direction::Request => (&exports.downstream_data, Phase::DownstreamData),
            Direction::Response => (&exports.upstream_data, Phase::UpstreamData),
        };
        let Some(hook) = hook else {
            return Ok(Action::Continue);
        };
        let size = {
            let exchange = self.exchange.borrow();
            let halves = exchange.tcp.as_ref().and_then(|halves| halves.get(self.position));
            saturated(halves.map_or(0, |halves| halves.of(direction).len()))
        };
        self.call(hook, phase, (self.id, size, u32::from(end_of_stream)))
    }

    /// `proxy_on_downstream_connection_close` (request direction) or `proxy_on_upstream_connection_close` (response direction):
    /// the connection that data of this direction come from is closed, or its peer sends no more.
    ///
    /// # Errors
    /// The plugin failed in this callback.
    pub fn closed(&self, direction: Direction, by: PeerType) -> Result<Action, Failure> {
        let exports = self.instance.exports();
        let (hook, phase) = match direction {
            Direction::Request => (&exports.downstream_close, Phase::DownstreamClose),
            Direction::Response => (&exports.upstream_close, Phase::UpstreamClose),
        };
        if let Some(hook) = hook {
            self.run(hook, phase, false, (self.id, by as u32))?;
        }
        Ok(Action::Continue)
    }

    /// Whether the plugin no longer takes part: its VM has failed, or it has failed in this stream alone. A pipeline that
    /// waits for the stream to resume is woken then.
    #[must_use]
    pub fn is_lost(&self) -> bool {
        !self.instance.is_usable() || self.instance.has_failed_in(self.id)
    }

    /// Why the plugin no longer takes part, if [`Stream::is_lost`], for a message that is due in `phase`. To be called once: a VM that
    /// has failed in another callback is counted here as a failure of this stream.
    #[cold]
    #[must_use]
    pub fn loss(&self, phase: Phase) -> Failure {
        if self.instance.is_usable() {
            self.instance.failure_in(self.id)
        } else {
            self.instance.lost_stream(phase)
        }
    }

    /// Whether a callout of this stream is in progress.
    #[must_use]
    pub fn has_open_callout(&self) -> bool {
        let awaits = |state: &mut State| {
            state.callouts.values().any(|open| open.owner == self.id)
                || state.grpc.values().any(|open| open.owner == self.id)
        };
        self.instance.with_state(awaits) == Some(true)
    }

    /// Reserves memory of the plugin's for what the host holds because of it: a body while the plugin pauses.
    ///
    /// # Errors
    /// There is no room for it, and the plugin has failed in this stream.
    pub fn reserve(&self, bytes: usize) -> Result<Reservation, Failure> {
        self.instance.reserve(self.id, bytes)
    }

    /// Ends the context: done, log, delete. Further calls have no effect.
    pub fn finish(&self) {
        if !self.finished.replace(true) {
            self.instance.finish(self.id);
        }
    }

    fn headers(&self, hook: Option<&HeadersHook>, map: MapType, phase: Phase, end: bool) -> Result<Action, Failure> {
        let Some(hook) = hook else { return Ok(Action::Continue) };
        let count = self.entries(map);
        match hook {
            HeadersHook::Full(hook) => self.call(hook, phase, (self.id, count, u32::from(end))),
            HeadersHook::Short(hook) => self.call(hook, phase, (self.id, count)),
        }
    }

    fn body(
        &self,
        hook: &TypedFunc<(u32, u32, u32), u32>,
        phase: Phase,
        size: u32,
        end_of_stream: bool,
    ) -> Result<Action, Failure> {
        self.enter(hook, phase, end_of_stream, (self.id, size, u32::from(end_of_stream)))
    }

    fn trailers(
        &self,
        hook: Option<&TypedFunc<(u32, u32), u32>>,
        map: MapType,
        phase: Phase,
    ) -> Result<Action, Failure> {
        let Some(hook) = hook else { return Ok(Action::Continue) };
        self.call(hook, phase, (self.id, self.entries(map)))
    }

    fn entries(&self, map: MapType) -> u32 {
        let exchange = self.exchange.borrow();
        saturated(MapView::of(&exchange, map, self.instance.filter()).map_or(0, MapView::len))
    }

    fn call<P: wasmtime::WasmParams>(
        &self,
        hook: &TypedFunc<P, u32>,
        phase: Phase,
        params: P,
    ) -> Result<Action, Failure> {
        self.enter(hook, phase, false, params)
    }

    fn enter<P: wasmtime::WasmParams>(
        &self,
        hook: &TypedFunc<P, u32>,
        phase: Phase,
        is_last: bool,
        params: P,
    ) -> Result<Action, Failure> {
        let result = self.run(hook, phase, is_last, params)?;
        Ok(result.map_or(Action::Continue, |code| Action::from_code(code.cast_signed())))
    }

    /// Calls the guest, unless the stream has finished.
    fn run<P: wasmtime::WasmParams, R: wasmtime::WasmResults>(
        &self,
        hook: &TypedFunc<P, R>,
        phase: Phase,
        is_last: bool,
        params: P,
    ) -> Result<Option<R>, Failure> {
        if self.finished.get() {
            return Ok(None);
        }
        if self.is_lost() {
            return Err(self.loss(phase));
        }
        let enter = |state: &mut State| {
            state.enter_stream(self.id, &self.exchange, self.position, phase);
            state.is_last = is_last;
        };
        let result = self.instance.run(enter, hook, params);
        self.instance.run_deferred();
        if self.instance.has_failed_in(self.id) {
            return result.and_then(|_| Err(self.instance.failure_in(self.id)));
        }
        result.map(Some)
    }
}

impl Drop for Stream {
    fn drop(&mut self) {
        self.finish();
    }
}

/// A size for the guest. Nothing here comes near 4 GiB.
fn saturated(size: usize) -> u32 {
    u32::try_from(size).unwrap_or(u32::MAX)
}
