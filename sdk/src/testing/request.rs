//! [`RequestBuilder`]: the requests of tests.

use std::collections::BTreeMap;

use super::bodies::chunks_with_end;
use super::{Exchange, Gateway, ROOT};
use crate::abi::{Action, Map};
use crate::guest::Hooks;
use crate::host::memory::{self, ContextState};

/// A request that is not sent yet.
pub struct RequestBuilder<'g, P: Hooks> {
    gateway: &'g Gateway<P>,
    headers: Vec<(String, Vec<u8>)>,
    properties: BTreeMap<String, Vec<u8>>,
    chunks: Vec<Vec<u8>>,
}

impl<'g, P: Hooks> RequestBuilder<'g, P> {
    pub(super) fn new(gateway: &'g Gateway<P>, method: &str, path: &str) -> Self {
        let sending = RequestBuilder {
            gateway,
            headers: Vec::new(),
            properties: BTreeMap::new(),
            chunks: Vec::new(),
        };
        let head = [
            (":method", method),
            (":path", path),
            (":authority", "example.com"),
            (":scheme", "http"),
        ];
        head.iter()
            .fold(sending, |sending, (name, value)| sending.header(name, value))
            .client("192.0.2.1")
    }

    /// Adds a header.
    pub fn header(mut self, name: &str, value: &str) -> Self {
        self.headers.push((name.to_owned(), value.as_bytes().to_vec()));
        self
    }

    /// Sets a property to a text. The parts of a standard path are separated by NUL.
    pub fn property(mut self, path: &str, value: &str) -> Self {
        self.properties.insert(path.to_owned(), value.as_bytes().to_vec());
        self
    }

    /// Sets the address of the client.
    pub fn client(self, address: &str) -> Self {
        self.property("lockgate.client.address", address)
    }

    /// Sends the request in a host that is not Lockgate: without Lockgate's properties, and without a body while the
    /// headers are held.
    pub fn in_another_host(mut self) -> Self {
        self.properties.retain(|path, _| !path.starts_with("lockgate."));
        self
    }

    /// Adds a chunk to the body.
    pub fn body(mut self, chunk: &str) -> Self {
        self.chunks.push(chunk.as_bytes().to_vec());
        self
    }

    /// Sends the request through the plugin.
    pub fn send(self) -> Exchange<'g, P> {
        let has_body = !self.chunks.is_empty();
        let id = memory::with(|memory| {
            memory.nanoseconds += 1_000_000;
            let id = memory.contexts.keys().max().map_or(ROOT, |last| *last) + 1;
            let mut state = ContextState {
                maps: BTreeMap::from([(Map::RequestHeaders as u32, self.headers)]),
                properties: self.properties,
                ..ContextState::default()
            };
            state.directions[0].incoming = chunks_with_end(self.chunks);
            memory.contexts.insert(id, state);
            memory.effective = id;
            id
        });
        self.gateway.guest.create(id, ROOT);
        let paused = P::request_headers(&self.gateway.guest, id, !has_body) == Action::Pause as u32;
        memory::with(|memory| {
            if let Some(state) = memory.contexts.get_mut(&id) {
                state.directions[0].headers_held = paused;
            }
        });
        self.gateway.settle();
        Exchange::new(self.gateway, id)
    }
}
