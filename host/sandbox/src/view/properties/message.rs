//! Properties of the request and the response: heads, sizes, times.

use std::time::{Duration, SystemTime};

use http::HeaderMap;
use lockgate_abi::{MapType, PairsWriter, PropertyValue};
use lockgate_exchange::Exchange;

use super::Bytes;
use crate::view::headers::MapView;

/// `request.*`.
pub(super) fn request(exchange: &Exchange, parts: &[&str]) -> Option<Bytes> {
    let head = &exchange.request;
    let info = &exchange.info;
    match parts {
        ["path"] => Some(bytes(head.path.as_str().as_bytes())),
        ["url_path"] => Some(bytes(head.path.path().as_bytes())),
        ["query"] => Some(bytes(head.path.query().unwrap_or("").as_bytes())),
        ["host"] => Some(bytes(head.authority.as_bytes())),
        ["scheme"] => Some(bytes(head.scheme.as_str().as_bytes())),
        ["method"] => Some(bytes(head.method.as_str().as_bytes())),
        ["headers"] => map(exchange, MapType::HttpRequestHeaders),
        ["headers", name] => header(exchange, MapType::HttpRequestHeaders, name),
        ["referer"] => field(&head.headers, "referer"),
        ["useragent"] => field(&head.headers, "user-agent"),
        ["id"] => Some(bytes(info.request_id.as_bytes())),
        ["protocol"] => Some(bytes(protocol(info.version).as_bytes())),
        ["time"] => Some(since_1970(info.started_at)),
        ["duration"] => info.ended.map(nanoseconds),
        ["size"] => Some(count(info.request_bytes)),
        ["total_size"] => Some(count(info.request_bytes + size(exchange, MapType::HttpRequestHeaders))),
        _ => None,
    }
}

/// `response.*`.
pub(super) fn response(exchange: &Exchange, parts: &[&str]) -> Option<Bytes> {
    let info = &exchange.info;
    match parts {
        ["code"] => exchange
            .response
            .as_ref()
            .map(|head| count(u64::from(head.status.as_u16()))),
        ["code_details"] => info.code_details.as_ref().map(|details| bytes(details.as_bytes())),
        ["flags"] => Some(count(info.flags)),
        ["grpc_status"] => grpc_status(exchange).map(count),
        ["headers"] => map(exchange, MapType::HttpResponseHeaders),
        ["headers", name] => header(exchange, MapType::HttpResponseHeaders, name),
        ["trailers"] => map(exchange, MapType::HttpResponseTrailers),
        ["trailers", name] => header(exchange, MapType::HttpResponseTrailers, name),
        ["size"] => Some(count(info.response_bytes)),
        ["total_size"] => Some(count(
            info.response_bytes
                + size(exchange, MapType::HttpResponseHeaders)
                + size(exchange, MapType::HttpResponseTrailers),
        )),
        ["backend_latency"] => info.upstream_latency.map(nanoseconds),
        _ => None,
    }
}

/// `request.*` and `response.*` of a TCP connection: times and sizes, but no messages.
pub(super) fn of_connection(exchange: &Exchange, first: &str, parts: &[&str]) -> Option<Bytes> {
    match (first, parts) {
        (_, ["headers"]) => Some(nothing()),
        ("request", ["time" | "duration" | "size" | "total_size"]) => request(exchange, parts),
        ("response", ["flags" | "size" | "total_size"]) => response(exchange, parts),
        _ => None,
    }
}

/// A map without entries.
fn nothing() -> Bytes {
    bytes(&0u32.to_le_bytes())
}

/// The gRPC status in the trailers or the head, otherwise that of the HTTP status, as in Envoy.
fn grpc_status(exchange: &Exchange) -> Option<u64> {
    let head = exchange.response.as_ref()?;
    let trailers = exchange.response_trailers.as_ref();
    let told = trailers
        .and_then(|map| map.get("grpc-status"))
        .or_else(|| head.headers.get("grpc-status"));
    let told = told.and_then(|value| value.to_str().ok()?.parse().ok());
    Some(told.unwrap_or_else(|| head.grpc_status().into()))
}

fn map(exchange: &Exchange, map: MapType) -> Option<Bytes> {
    let view = MapView::of(exchange, map, None)?;
    let mut encoded = vec![0; 4 + 10 * view.len() + view.bytes()];
    let mut writer = PairsWriter::new(&mut encoded, view.len())?;
    view.each(|name, value| {
        // The buffer was measured by the same iteration.
        let _ = writer.push(name, value);
    });
    writer.finish()?;
    Some(Bytes::from_vec(encoded))
}

fn size(exchange: &Exchange, map: MapType) -> u64 {
    MapView::of(exchange, map, None).map_or(0, |view| view.bytes() as u64)
}

fn header(exchange: &Exchange, map: MapType, name: &str) -> Option<Bytes> {
    MapView::of(exchange, map, None)?.get_joined(name.as_bytes(), bytes)
}

fn field(headers: &HeaderMap, name: &str) -> Option<Bytes> {
    headers.get(name).map(|value| bytes(value.as_bytes()))
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
