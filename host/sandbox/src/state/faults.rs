//! Why a plugin counts as failed for one request while its VM stays usable: a limit that it has exceeded, or something that it did
//! to the request and the host has refused.
//!
//! A guest that is refused gets a status, and may go on as if nothing had happened. What was meant to stop a request, or to
//! overwrite what the client sent, must not pass because of that. So the request gets `on_error`, unless the guest has made up for
//! the refusal by the end of its callback: by another answer, by another value.

use std::fmt;

use http::HeaderValue;
use lockgate_abi::{BufferType, MapType, StreamType};

use super::{Phase, ROOT, State, text};
use crate::calls::HostCall;
use crate::memory::{self, Span};
use crate::report::{Refusal, RequestFault};
use crate::view::headers::MapMut;

/// A write to a map that was refused.
pub(crate) struct RefusedWrite {
    id: u32,
    map: MapType,
    /// The name, and the value that would have been overwritten. `None` for the whole map.
    entry: Option<(Box<[u8]>, HeaderValue)>,
}

/// What a guest writes to a header map.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Written<'a> {
    /// One more value of a name. A pseudo-header has one value, which is overwritten.
    Added(&'a [u8]),
    /// The values of a name, or none.
    Replaced(&'a [u8]),
    /// The whole map.
    Map,
}

impl Written<'_> {
    /// Whether it changes pseudo-headers.
    pub(crate) fn is_of_pseudo_headers(&self) -> bool {
        match self {
            Self::Added(name) | Self::Replaced(name) => is_pseudo(name),
            Self::Map => true,
        }
    }

    /// Whether it changes other headers.
    pub(crate) fn is_of_fields(&self) -> bool {
        match self {
            Self::Added(name) | Self::Replaced(name) => !is_pseudo(name),
            Self::Map => true,
        }
    }
}

impl fmt::Display for Written<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Added(name) | Self::Replaced(name) => write!(f, "{:?}", text(name, MAX_NAME)),
            Self::Map => f.write_str("the map"),
        }
    }
}

/// Maximum bytes of a name in the log.
const MAX_NAME: usize = 128;

/// Refused writes that are remembered of one callback. Of more, the request fails at once.
const MAX_REFUSED: usize = 16;

impl State {
    /// Counts a refusal.
    pub(crate) fn refuse(&mut self, what: Refusal) {
        match self.refusals.iter_mut().find(|(known, _)| *known == what) {
            Some((_, times)) => *times += 1,
            None => self.refusals.push((what, 1)),
        }
        self.memory_limit.follow_up = true;
    }

    /// Ends the plugin's part in the stream in effect, because the guest has exceeded a limit. The guest may finish its callback.
    /// The host call returns OK, the one status that every SDK survives, and has no effect.
    pub(crate) fn exceed_limit(&mut self, why: RequestFault, what: Refusal) {
        self.refuse(what);
        self.fail_request(self.effective.id, why);
    }

    /// Ends the plugin's part in a stream when the callback has returned. No effect in the root context.
    pub(crate) fn fail_request(&mut self, id: u32, why: RequestFault) {
        if id > ROOT && !self.faults.iter().any(|(known, _)| *known == id) {
            self.faults.push((id, why));
        }
        self.memory_limit.follow_up = true;
    }

    /// Whether the headers of the stream in effect may grow to this many written bytes, of all plugins together. If not, the
    /// plugin has failed for the request.
    pub(crate) fn may_grow_headers(&mut self, total: u64) -> bool {
        if total > self.plugin.settings().limits.header_growth.bytes() {
            self.exceed_limit(RequestFault::HeaderGrowth, Refusal::Headers);
            return false;
        }
        let bytes = usize::try_from(total).unwrap_or(usize::MAX);
        let account = &self.account;
        let has_room = match self
            .contexts
            .get_mut(self.effective.id)
            .map(|context| &mut context.written)
        {
            Some(Some(written)) => written.resize(bytes),
            Some(none) => {
                *none = account.reserve(bytes);
                none.is_some()
            }
            None => true,
        };
        if !has_room {
            self.exceed_limit(RequestFault::Memory, Refusal::Memory);
        }
        has_room
    }

    /// What was meant to stop a request was refused: a local response, or a reset.
    pub(crate) fn refuse_stop(&mut self) {
        // A callback of the root context about a callout is about its stream, also before the guest has said so.
        let id = if self.effective.id > ROOT {
            self.effective.id
        } else {
            self.callout_owner
        };
        let Some(context) = self.contexts.get(id) else { return };
        let is_stopped = {
            let pending = &context.exchange.borrow().pending;
            pending.local_response.is_some() || !pending.close.is_empty()
        };
        let is_over = id == self.running && matches!(self.phase, Phase::Done | Phase::Log | Phase::Delete);
        if !is_stopped && !is_over {
            self.fail_request(id, RequestFault::Stop);
        }
    }

    /// The guest has stopped the stream in effect: what was refused before does not matter any more.
    pub(crate) fn stopped(&mut self) {
        if !self.faults.is_empty() || !self.refused_writes.is_empty() {
            let id = self.effective.id;
            self.faults.retain(|(known, why)| *known != id || !why.is_refusal());
            self.refused_writes.retain(|write| write.id != id);
        }
    }

    /// A write to a map of the stream in effect was refused. If there is something that it would have overwritten and that the
    /// guest leaves there, the request fails.
    pub(crate) fn refuse_write(&mut self, map: MapType, written: &Written<'_>) {
        match *written {
            // The stream is over, and nothing passes any more.
            _ if self.phase == Phase::Log => {}
            Written::Map => self.refuse_map(map),
            Written::Added(name) if !is_pseudo(name) => {}
            Written::Added(name) | Written::Replaced(name) => self.refuse_overwriting(map, name),
        }
    }

    fn refuse_overwriting(&mut self, map: MapType, name: &[u8]) {
        let id = self.effective.id;
        if let Some(before) = self.header(id, map, name) {
            let entry = Some((name.into(), before));
            self.remember(RefusedWrite { id, map, entry });
        }
    }

    fn remember(&mut self, write: RefusedWrite) {
        if self.refused_writes.len() < MAX_REFUSED {
            self.refused_writes.push(write);
        } else {
            self.fail_request(write.id, RequestFault::Write);
        }
        self.memory_limit.follow_up = true;
    }

    /// The guest has written a whole map of the stream in effect: what was refused there before does not matter any more.
    pub(crate) fn map_written(&mut self, map: MapType) {
        let id = self.effective.id;
        self.refused_writes.retain(|write| (write.id, write.map) != (id, map));
    }

    /// All of the map stays as it was.
    fn refuse_map(&mut self, map: MapType) {
        let exchange = self.effective.exchange.clone();
        let is_there = exchange.is_some_and(|exchange| {
            let mut exchange = exchange.borrow_mut();
            MapMut::of(&mut exchange, map, &self.filter).is_some()
        });
        if is_there {
            let id = self.effective.id;
            self.remember(RefusedWrite { id, map, entry: None });
        }
    }

    /// A call was refused before its arguments were looked at, by a capability or because it cannot be made now.
    pub(crate) fn refuse_call(&mut self, memory: &[u8], call: HostCall, arguments: &[i32]) {
        let map = || arguments.first().and_then(|map| MapType::try_from(*map).ok());
        match (call, arguments) {
            (HostCall::SendLocalResponse, _) => self.refuse_stop(),
            (HostCall::CloseStream, [stream]) if StreamType::try_from(*stream).is_ok() => self.refuse_stop(),
            (HostCall::SetHeaderMapPairs, _) => {
                if let Some(map) = map() {
                    self.refuse_write(map, &Written::Map);
                }
            }
            (HostCall::AddHeaderMapValue, [_, at, len, ..]) => {
                if let (Some(map), Ok(name)) = (map(), memory::bytes(memory, Span::new(*at, *len))) {
                    self.refuse_write(map, &Written::Added(name));
                }
            }
            (HostCall::ReplaceHeaderMapValue | HostCall::RemoveHeaderMapValue, [_, at, len, ..]) => {
                if let (Some(map), Ok(name)) = (map(), memory::bytes(memory, Span::new(*at, *len))) {
                    self.refuse_write(map, &Written::Replaced(name));
                }
            }
            (HostCall::SetBufferBytes, [kind, ..]) => {
                if let Ok(kind) = BufferType::try_from(*kind) {
                    self.refuse_body(kind);
                }
            }
            _ => {}
        }
    }

    /// A write to a body was refused, so that all of it passes as it was.
    pub(crate) fn refuse_body(&mut self, kind: BufferType) {
        let is_body = matches!(
            kind,
            BufferType::HttpRequestBody
                | BufferType::HttpResponseBody
                | BufferType::DownstreamData
                | BufferType::UpstreamData
        );
        if is_body && self.effective.exchange.is_some() && self.phase != Phase::Log {
            self.fail_request(self.effective.id, RequestFault::Write);
        }
    }

    /// Fails the requests in which a refused write has left the client's value in place.
    pub(crate) fn resolve_refused_writes(&mut self) {
        for write in std::mem::take(&mut self.refused_writes) {
            let is_left = write
                .entry
                .is_none_or(|(name, before)| self.header(write.id, write.map, &name) == Some(before));
            if is_left {
                self.fail_request(write.id, RequestFault::Write);
            }
        }
    }

    /// The first value of a header, whatever the guest may see.
    fn header(&self, id: u32, map: MapType, name: &[u8]) -> Option<HeaderValue> {
        let mut exchange = self.contexts.get(id)?.exchange.borrow_mut();
        let map = MapMut::of(&mut exchange, map, &self.filter)?;
        HeaderValue::from_bytes(map.current(name)?).ok()
    }
}

fn is_pseudo(name: &[u8]) -> bool {
    name.first() == Some(&b':') || name.eq_ignore_ascii_case(b"host")
}
