//! [`MapView`]: reading header maps, pseudo-headers first.

use http::{HeaderMap, HeaderValue, StatusCode};
use lockgate_abi::MapType;
use lockgate_exchange::{Exchange, RequestHead};

use super::filter::HeaderFilter;
use super::find;
use crate::host::{CalloutResponse, GrpcEvent};

/// The outcome of a plugin's own call.
const OUTCOME: [&[u8]; 3] = [b":status", b"grpc-status", b"grpc-message"];

/// A header map as a guest reads it.
#[derive(Clone, Copy)]
pub(crate) struct MapView<'a> {
    pseudo: Pseudo<'a>,
    fields: &'a HeaderMap,
    filter: &'a HeaderFilter,
    /// It is the answer to a call of the plugin's own, whose outcome the plugin may always see.
    is_answer: bool,
}

#[derive(Clone, Copy)]
enum Pseudo<'a> {
    None,
    Request(&'a RequestHead),
    Response(StatusCode),
}

impl<'a> MapView<'a> {
    /// A map of an exchange, if it exists in this phase.
    pub(crate) fn of(exchange: &'a Exchange, map: MapType, filter: &'a HeaderFilter) -> Option<Self> {
        let plain = |fields| Self {
            pseudo: Pseudo::None,
            fields,
            filter,
            is_answer: false,
        };
        match map {
            MapType::HttpRequestHeaders if exchange.tcp.is_none() => {
                let head = &exchange.request;
                Some(Self {
                    pseudo: Pseudo::Request(head),
                    fields: &head.headers,
                    filter,
                    is_answer: false,
                })
            }
            MapType::HttpResponseHeaders => {
                let head = exchange.response.as_ref()?;
                Some(Self {
                    pseudo: Pseudo::Response(head.status),
                    fields: &head.headers,
                    filter,
                    is_answer: false,
                })
            }
            MapType::HttpRequestTrailers => exchange.request_trailers.as_ref().map(plain),
            MapType::HttpResponseTrailers => exchange.response_trailers.as_ref().map(plain),
            _ => None,
        }
    }

    /// A map of the response to a callout. `None` for any other map.
    pub(crate) fn of_callout(response: &'a CalloutResponse, map: MapType, filter: &'a HeaderFilter) -> Option<Self> {
        let (pseudo, fields) = match map {
            MapType::HttpCallResponseHeaders => (Pseudo::Response(response.status), &response.headers),
            MapType::HttpCallResponseTrailers => (Pseudo::None, response.trailers.as_ref()?),
            _ => return None,
        };
        Some(Self {
            pseudo,
            fields,
            filter,
            is_answer: true,
        })
    }

    /// The metadata of a gRPC event. `None` for any other map.
    pub(crate) fn of_grpc(event: &'a GrpcEvent, map: MapType, filter: &'a HeaderFilter) -> Option<Self> {
        let (pseudo, fields) = match (event, map) {
            (GrpcEvent::Initial(head), MapType::GrpcReceiveInitialMetadata) => {
                let head = head.as_ref()?;
                (Pseudo::Response(head.status), &head.headers)
            }
            (GrpcEvent::Trailing(fields), MapType::GrpcReceiveTrailingMetadata) => (Pseudo::None, fields),
            _ => return None,
        };
        Some(Self {
            pseudo,
            fields,
            filter,
            is_answer: true,
        })
    }

    /// Whether the plugin may read a name.
    fn allows(self, name: &[u8]) -> bool {
        self.filter.allows(name) || (self.is_answer && OUTCOME.contains(&name))
    }

    /// Calls `take` with the first value of a name, as in Envoy.
    pub(crate) fn get<R>(self, name: &[u8], take: impl FnOnce(&[u8]) -> R) -> Option<R> {
        if !self.allows(name) {
            return None;
        }
        match (self.pseudo, name) {
            (Pseudo::Request(head), b":path") => return Some(take(head.path.as_str().as_bytes())),
            (Pseudo::Request(head), b":method") => return Some(take(head.method.as_str().as_bytes())),
            (Pseudo::Request(head), b":authority") => return Some(take(head.authority.as_bytes())),
            (Pseudo::Request(head), b":scheme") => return Some(take(head.scheme.as_str().as_bytes())),
            (Pseudo::Request(head), _) if name.eq_ignore_ascii_case(b"host") => {
                return Some(take(head.authority.as_bytes()));
            }
            (Pseudo::Response(status), b":status") => return Some(take(status.as_str().as_bytes())),
            _ => {}
        }
        find::first(self.fields, name).map(|value| take(value.as_bytes()))
    }

    /// Calls `take` with all values of a name, separated by commas, as Envoy's properties show a repeated header.
    pub(crate) fn get_joined<R>(self, name: &[u8], take: impl FnOnce(&[u8]) -> R) -> Option<R> {
        let named = std::str::from_utf8(name).ok().filter(|_| self.allows(name));
        let values = named.into_iter().flat_map(|name| self.fields.get_all(name));
        let values: Vec<_> = values.map(HeaderValue::as_bytes).collect();
        if values.len() > 1 {
            return Some(take(&values.join(&b',')));
        }
        self.get(name, take)
    }

    /// Every entry, pseudo-headers first.
    pub(crate) fn each(self, mut see: impl FnMut(&[u8], &[u8])) {
        let mut pass = |name: &[u8], value: &[u8]| {
            if self.allows(name) {
                see(name, value);
            }
        };
        match self.pseudo {
            Pseudo::Request(head) => {
                pass(b":authority", head.authority.as_bytes());
                pass(b":path", head.path.as_str().as_bytes());
                pass(b":method", head.method.as_str().as_bytes());
                pass(b":scheme", head.scheme.as_str().as_bytes());
            }
            Pseudo::Response(status) => pass(b":status", status.as_str().as_bytes()),
            Pseudo::None => {}
        }
        for (name, value) in self.fields {
            pass(name.as_str().as_bytes(), value.as_bytes());
        }
    }

    /// The number of entries, for callbacks.
    pub(crate) fn len(self) -> usize {
        let pseudo = match self.pseudo {
            Pseudo::Request(_) => 4,
            Pseudo::Response(_) => 1,
            Pseudo::None => 0,
        };
        if self.filter.is_open() {
            return self.fields.len() + pseudo;
        }
        let mut count = 0;
        self.each(|_, _| count += 1);
        count
    }

    /// Bytes of all names and values: Envoy's size of a map.
    pub(crate) fn bytes(self) -> usize {
        let mut sum = 0;
        self.each(|name, value| sum += name.len() + value.len());
        sum
    }
}
