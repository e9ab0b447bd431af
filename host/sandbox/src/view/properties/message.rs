//! Properties of the request and the response: heads, sizes, times.

use std::time::{Duration, SystemTime};

use lockgate_abi::{MapType, PairsWriter, PropertyValue};
use lockgate_exchange::Exchange;

use super::Bytes;
use crate::view::headers::{HeaderFilter, MapView};

/// `request.*` and `response.*`, by the first part of the path, as far as the filter lets the plugin see them.
pub(super) fn of(exchange: &Exchange, filter: &HeaderFilter, first: &str, rest: &[&str]) -> Option<Bytes> {
    let message = Message { exchange, filter };
    match first {
        _ if exchange.tcp.is_some() => message.connection(first, rest),
        "request" => message.request(rest),
        _ => message.response(rest),
    }
}

/// The messages of an exchange, as one plugin may see them.
#[derive(Clone, Copy)]
struct Message<'a> {
    exchange: &'a Exchange,
    filter: &'a HeaderFilter,
}

impl Message<'_> {
    fn request(self, parts: &[&str]) -> Option<Bytes> {
        let Self { exchange, .. } = self;
        let head = &exchange.request;
        let info = &exchange.info;
        let seen = |name: &[u8]| self.filter.allows(name);
        match parts {
            ["path"] => seen(b":path").then(|| bytes(head.path.as_str().as_bytes())),
            ["url_path"] => seen(b":path").then(|| bytes(head.path.path().as_bytes())),
            ["query"] => seen(b":path").then(|| bytes(head.path.query().unwrap_or("").as_bytes())),
            ["host"] => seen(b":authority").then(|| bytes(head.authority.as_bytes())),
            ["scheme"] => seen(b":scheme").then(|| bytes(head.scheme.as_str().as_bytes())),
            ["method"] => seen(b":method").then(|| bytes(head.method.as_str().as_bytes())),
            ["headers"] => self.map(MapType::HttpRequestHeaders),
            ["headers", name] => self.header(MapType::HttpRequestHeaders, name),
            ["referer"] => self.field("referer"),
            ["useragent"] => self.field("user-agent"),
            // The gateway's own, whatever the headers say.
            ["id"] => Some(bytes(info.request_id.as_bytes())),
            ["protocol"] => Some(bytes(protocol(info.version).as_bytes())),
            ["time"] => Some(since_1970(info.started_at)),
            ["duration"] => info.ended.map(nanoseconds),
            ["size"] => Some(count(info.request_bytes)),
            ["total_size"] => Some(count(info.request_bytes + self.size(MapType::HttpRequestHeaders))),
            _ => None,
        }
    }

    fn response(self, parts: &[&str]) -> Option<Bytes> {
        let Self { exchange, .. } = self;
        let info = &exchange.info;
        match parts {
            ["code"] => {
                let head = exchange.response.as_ref().filter(|_| self.filter.allows(b":status"));
                head.map(|head| count(u64::from(head.status.as_u16())))
            }
            ["code_details"] => info.code_details.as_ref().map(|details| bytes(details.as_bytes())),
            ["flags"] => Some(count(info.flags)),
            ["grpc_status"] => self.grpc_status().map(count),
            ["headers"] => self.map(MapType::HttpResponseHeaders),
            ["headers", name] => self.header(MapType::HttpResponseHeaders, name),
            ["trailers"] => self.map(MapType::HttpResponseTrailers),
            ["trailers", name] => self.header(MapType::HttpResponseTrailers, name),
            ["size"] => Some(count(info.response_bytes)),
            ["total_size"] => Some(count(
                info.response_bytes
                    + self.size(MapType::HttpResponseHeaders)
                    + self.size(MapType::HttpResponseTrailers),
            )),
            ["backend_latency"] => info.upstream_latency.map(nanoseconds),
            _ => None,
        }
    }

    /// Of a TCP connection: times and sizes, but no messages.
    fn connection(self, first: &str, parts: &[&str]) -> Option<Bytes> {
        match (first, parts) {
            (_, ["headers"]) => Some(nothing()),
            ("request", ["time" | "duration" | "size" | "total_size"]) => self.request(parts),
            ("response", ["flags" | "size" | "total_size"]) => self.response(parts),
            _ => None,
        }
    }

    /// The gRPC status in the trailers or the head, otherwise that of the HTTP status, as in Envoy.
    fn grpc_status(self) -> Option<u64> {
        let head = self.exchange.response.as_ref()?;
        let trailers = self.exchange.response_trailers.as_ref();
        let told = trailers
            .and_then(|map| map.get("grpc-status"))
            .or_else(|| head.headers.get("grpc-status"))
            .filter(|_| self.filter.allows(b"grpc-status"));
        let told = told.and_then(|value| value.to_str().ok()?.parse().ok());
        let of_http = || self.filter.allows(b":status").then(|| head.grpc_status().into());
        told.or_else(of_http)
    }

    fn view(&self, map: MapType) -> Option<MapView<'_>> {
        MapView::of(self.exchange, map, self.filter)
    }

    fn map(self, map: MapType) -> Option<Bytes> {
        let view = self.view(map)?;
        let mut encoded = vec![0; 4 + 10 * view.len() + view.bytes()];
        let mut writer = PairsWriter::new(&mut encoded, view.len())?;
        view.each(|name, value| {
            // The buffer was measured by the same iteration.
            let _ = writer.push(name, value);
        });
        writer.finish()?;
        Some(Bytes::from_vec(encoded))
    }

    fn size(self, map: MapType) -> u64 {
        self.view(map).map_or(0, |view| view.bytes() as u64)
    }

    fn header(self, map: MapType, name: &str) -> Option<Bytes> {
        self.view(map)?.get_joined(name.as_bytes(), bytes)
    }

    /// The first value of a request's header.
    fn field(self, name: &str) -> Option<Bytes> {
        self.view(MapType::HttpRequestHeaders)?.get(name.as_bytes(), bytes)
    }
}

/// A map without entries.
fn nothing() -> Bytes {
    bytes(&0u32.to_le_bytes())
}

fn protocol(version: http::Version) -> &'static str {
    match version {
        http::Version::HTTP_09 => "HTTP/0.9",
        http::Version::HTTP_10 => "HTTP/1.0",
        http::Version::HTTP_2 => "HTTP/2",
        http::Version::HTTP_3 => "HTTP/3",
        _ => "HTTP/1.1",
    }
}

fn since_1970(time: SystemTime) -> Bytes {
    nanoseconds(time.duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default())
}

fn nanoseconds(duration: Duration) -> Bytes {
    let nanoseconds = i64::try_from(duration.as_nanos()).unwrap_or(i64::MAX);
    bytes(&PropertyValue::Nanoseconds(nanoseconds).to_bytes())
}

fn count(value: u64) -> Bytes {
    bytes(&PropertyValue::Uint(value).to_bytes())
}

fn bytes(slice: &[u8]) -> Bytes {
    Bytes::from_slice(slice)
}
