//! [`Exchange`]: a request that was sent through the plugin, and its response.

use super::bodies::chunks_with_end;
use super::{Gateway, ScriptedResponse, no_response, response};
use crate::abi::{Action, Map};
use crate::guest::Hooks;
use crate::host::memory::{self, ContextState, LocalResponse};
use crate::services::property::{self, Property, PropertyValue};

/// A request after the plugin's request hook, in its current state. Dropping it ends the exchange.
pub struct Exchange<'g, P: Hooks> {
    gateway: &'g Gateway<P>,
    id: u32,
}

impl<'g, P: Hooks> Exchange<'g, P> {
    pub(super) fn new(gateway: &'g Gateway<P>, id: u32) -> Self {
        Exchange { gateway, id }
    }

    fn read<T>(&self, read: impl FnOnce(&ContextState) -> T) -> T {
        memory::with(|memory| read(memory.contexts.entry(self.id).or_default()))
    }

    fn sent<T>(&self, read: impl FnOnce(&LocalResponse) -> T) -> Option<T> {
        self.read(|state| state.local_response.as_ref().map(read))
    }

    /// Whether the plugin holds the request, or has replied to it.
    pub fn is_paused(&self) -> bool {
        self.read(|state| {
            state.local_response.is_some() || state.directions[0].headers_held || state.directions[0].body_held
        })
    }

    /// The status of the plugin's reply.
    pub fn status(&self) -> Option<u16> {
        self.sent(|sent| u16::try_from(sent.status).ok()).flatten()
    }

    /// A header of the plugin's reply.
    pub fn reply_header(&self, name: &str) -> Option<String> {
        self.sent(|sent| {
            let found = sent.headers.iter().find(|(known, _)| known == name);
            found.map(|(_, value)| value.clone())
        })
        .flatten()
    }

    /// The body of the plugin's reply.
    pub fn reply_body(&self) -> Option<String> {
        self.sent(|sent| String::from_utf8_lossy(&sent.body).into_owned())
    }

    /// The reason for the access log, from the plugin's reply.
    pub fn reply_details(&self) -> Option<String> {
        self.sent(|sent| sent.details.clone())
    }

    /// A header of the request as forwarded to the upstream; several values are joined by `, `.
    pub fn forwarded(&self, name: &str) -> Option<String> {
        self.read(|state| values(state, Map::RequestHeaders, name))
    }

    /// The part of the body that was forwarded to the upstream.
    pub fn forwarded_body(&self) -> String {
        self.read(|state| String::from_utf8_lossy(&state.directions[0].forwarded_bytes).into_owned())
    }

    /// A property as the next plugin gets it.
    pub fn property(&self, path: &str) -> Option<String> {
        self.read(|state| {
            let value = state.properties.get(path);
            value.map(|value| String::from_utf8_lossy(value).into_owned())
        })
    }

    /// The callouts of this request, each as the upstream's name and the path.
    pub fn callouts(&self) -> Vec<String> {
        let path = |headers: &[(String, String)]| {
            let found = headers.iter().find(|(name, _)| name == ":path");
            found.map(|(_, path)| path.clone()).unwrap_or_default()
        };
        memory::with(|memory| {
            let own = memory.callouts.iter().filter(|call| call.context == self.id);
            own.map(|call| [call.upstream.as_str(), &path(&call.headers)].concat())
                .collect()
        })
    }

    /// Responds to this request's callout number `index`, from 0. With a `status` of `None`, it gets no response.
    pub fn respond_to_callout(&self, index: usize, status: Option<u16>, body: &str) {
        let id = memory::with(|memory| {
            let mut own = memory.callouts.iter().filter(|call| call.context == self.id);
            own.nth(index).map_or(0, |call| call.id)
        });
        let script = status.map_or_else(no_response, response).text(body);
        self.gateway.respond(id, script);
        self.gateway.settle();
    }

    /// Sends another chunk of the request's body; `None` ends it.
    pub fn upload(&self, chunk: Option<&str>) {
        memory::with(|memory| {
            let state = memory.contexts.entry(self.id).or_default();
            let incoming = &mut state.directions[0].incoming;
            incoming.push_back(chunk.unwrap_or_default().as_bytes().to_vec());
        });
        self.gateway.settle();
    }

    /// Sends the headers of a response through the plugin.
    pub fn respond(&self, status: u16, headers: &[(&str, &str)]) -> FilteredResponse {
        let script = headers
            .iter()
            .fold(response(status), |script, (name, value)| script.header(name, value));
        self.send_response(script, false)
    }

    /// Sends a complete response through the plugin.
    pub fn respond_with(&self, script: ScriptedResponse) -> FilteredResponse {
        let is_all = script.body.is_empty();
        self.send_response(script, is_all)
    }

    fn send_response(&self, script: ScriptedResponse, end: bool) -> FilteredResponse {
        let pieces = script.pieces.clone();
        let (headers, body) = script.into_parts();
        let status = headers.iter().find(|(name, _)| name == ":status");
        let status = status.and_then(|(_, status)| std::str::from_utf8(status).ok()?.parse::<i64>().ok());
        memory::with(|memory| {
            let state = memory.contexts.entry(self.id).or_default();
            state.maps.insert(Map::ResponseHeaders as u32, headers);
            if !body.is_empty() {
                let pieces = match pieces.is_empty() {
                    true => body.chunks(8).map(<[u8]>::to_vec).collect(),
                    false => pieces,
                };
                state.directions[1].incoming = chunks_with_end(pieces);
            }
            set_property(state, property::RESPONSE_CODE, status.unwrap_or(0));
            memory.effective = self.id;
        });
        let paused = self.gateway.guest.response_headers(self.id, end) == Action::Pause as u32;
        memory::with(|memory| {
            if let Some(state) = memory.contexts.get_mut(&self.id) {
                state.directions[1].headers_held = paused;
            }
        });
        self.gateway.settle();
        FilteredResponse { id: self.id }
    }
}

impl<P: Hooks> Drop for Exchange<'_, P> {
    fn drop(&mut self) {
        self.gateway.enter(self.id);
        memory::with(|memory| {
            let state = memory.contexts.entry(self.id).or_default();
            let sent = state
                .local_response
                .as_ref()
                .map(|sent| (i64::from(sent.status), sent.body.len()));
            if let Some((status, _)) = sent {
                set_property(state, property::RESPONSE_CODE, status);
            }
            let size = |bytes: usize| i64::try_from(bytes).unwrap_or(i64::MAX);
            let response = sent.map_or(state.directions[1].forwarded_bytes.len(), |(_, bytes)| bytes);
            set_property(state, property::REQUEST_SIZE, size(state.directions[0].received_bytes));
            set_property(state, property::RESPONSE_SIZE, size(response));
        });
        self.gateway.guest.log(self.id);
        memory::with(|memory| memory.contexts.entry(self.id).or_default().is_deleted = true);
        self.gateway.guest.delete(self.id);
        self.gateway.settle();
    }
}

/// A response after the plugin's response hook, in its current state.
pub struct FilteredResponse {
    id: u32,
}

impl FilteredResponse {
    fn read<T>(&self, read: impl FnOnce(&ContextState) -> T) -> T {
        memory::with(|memory| read(memory.contexts.entry(self.id).or_default()))
    }

    /// Whether the plugin holds the response, or has replaced it by a reply.
    pub fn is_paused(&self) -> bool {
        self.read(|state| {
            state.local_response.is_some() || state.directions[1].headers_held || state.directions[1].body_held
        })
    }

    /// The status.
    pub fn status(&self) -> Option<u16> {
        self.header(":status")?.parse().ok()
    }

    /// A header of the response as forwarded to the client; several values are joined by `, `.
    pub fn header(&self, name: &str) -> Option<String> {
        self.read(|state| values(state, Map::ResponseHeaders, name))
    }

    /// The part of the body that was forwarded to the client.
    pub fn body(&self) -> String {
        self.read(|state| String::from_utf8_lossy(&state.directions[1].forwarded_bytes).into_owned())
    }
}

/// Sets a property as the host does, unless the test has set it.
fn set_property(state: &mut ContextState, property: Property<i64>, value: i64) {
    let known = state.properties.entry(property.path().to_owned());
    known.or_insert_with(|| value.encode());
}

fn values(state: &ContextState, map: Map, name: &str) -> Option<String> {
    let map = state.maps.get(&(map as u32))?;
    let values: Vec<_> = map
        .iter()
        .filter(|(known, _)| known == name)
        .map(|(_, value)| String::from_utf8_lossy(value))
        .collect();
    (!values.is_empty()).then(|| values.join(", "))
}
