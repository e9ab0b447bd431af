//! [`Connection`]: a TCP connection through the plugin.

use std::collections::BTreeMap;

use super::{Gateway, ROOT};
use crate::abi::{Action, Buffer};
use crate::guest::{Direction, Hooks};
use crate::host::memory::{self, ContextState};

/// A connection through the plugin, with the bytes that were forwarded to both sides. Dropping it ends it.
pub struct Connection<'g, P: Hooks> {
    gateway: &'g Gateway<P>,
    id: u32,
}

impl<P: Hooks> Gateway<P> {
    /// Opens a connection.
    pub fn connect(&self) -> Connection<'_, P> {
        let id = memory::with(|memory| {
            let id = memory.contexts.keys().max().map_or(ROOT, |last| *last) + 1;
            let buffers = [Buffer::DownstreamData, Buffer::UpstreamData].map(|kind| (kind as u32, Vec::new()));
            let state = ContextState {
                buffers: BTreeMap::from(buffers),
                ..ContextState::default()
            };
            memory.contexts.insert(id, state);
            memory.effective = id;
            id
        });
        self.guest.create(id, ROOT);
        P::connected(&self.guest, id);
        Connection { gateway: self, id }
    }
}

impl<P: Hooks> Connection<'_, P> {
    /// Sends bytes from the client.
    pub fn from_client(&self, text: &str) {
        self.data(Direction::Downstream, text, false);
    }

    /// Sends bytes from the upstream.
    pub fn from_upstream(&self, text: &str) {
        self.data(Direction::Upstream, text, false);
    }

    /// Ends the client's side.
    pub fn close_by_client(&self) {
        self.data(Direction::Downstream, "", true);
        P::downstream_closed(&self.gateway.guest, self.id, 2);
    }

    /// Ends the upstream's side.
    pub fn close_by_upstream(&self) {
        self.data(Direction::Upstream, "", true);
        P::upstream_closed(&self.gateway.guest, self.id, 2);
    }

    /// The bytes that were forwarded to the upstream, as text.
    pub fn to_upstream(&self) -> String {
        self.forwarded_bytes(0)
    }

    /// The bytes that were forwarded to the client, as text.
    pub fn to_client(&self) -> String {
        self.forwarded_bytes(1)
    }

    /// Whether the plugin has closed the connection.
    pub fn is_closed(&self) -> bool {
        memory::with(|memory| {
            memory
                .contexts
                .get(&self.id)
                .is_some_and(|state| state.local_response.is_some() || state.closed)
        })
    }

    fn forwarded_bytes(&self, direction: usize) -> String {
        memory::with(|memory| {
            let state = memory.contexts.entry(self.id).or_default();
            String::from_utf8_lossy(&state.directions[direction].forwarded_bytes).into_owned()
        })
    }

    fn data(&self, side: Direction, text: &str, end: bool) {
        let (kind, direction) = match side {
            Direction::Upstream => (Buffer::UpstreamData as u32, 1),
            _ => (Buffer::DownstreamData as u32, 0),
        };
        let size = memory::with(|memory| {
            memory.effective = self.id;
            let buffer = memory.current().buffers.entry(kind).or_default();
            buffer.extend_from_slice(text.as_bytes());
            buffer.len()
        });
        let guest = &self.gateway.guest;
        let action = match side {
            Direction::Upstream => P::upstream_data(guest, self.id, size, end),
            _ => P::downstream_data(guest, self.id, size, end),
        };
        if action == Action::Continue as u32 {
            memory::with(|memory| {
                let state = memory.contexts.entry(self.id).or_default();
                let bytes = std::mem::take(state.buffers.entry(kind).or_default());
                state.directions[direction].forwarded_bytes.extend(bytes);
            });
        }
        self.gateway.settle();
    }
}

impl<P: Hooks> Drop for Connection<'_, P> {
    fn drop(&mut self) {
        self.gateway.enter(self.id);
        self.gateway.guest.log(self.id);
        self.gateway.guest.delete(self.id);
    }
}
