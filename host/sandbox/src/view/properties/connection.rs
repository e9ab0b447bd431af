//! Properties of the connections to client and upstream, and `lockgate.*`.

use std::net::SocketAddr;

use lockgate_abi::PropertyValue;
use lockgate_exchange::{Exchange, TlsInfo};

use super::Bytes;

/// `source.*`, `destination.*`, `connection.*`, `upstream.*` and `lockgate.*`, by the first part of the path.
pub(super) fn of(exchange: &Exchange, first: &str, rest: &[&str]) -> Option<Bytes> {
    let info = &exchange.info;
    match first {
        "source" => address(info.connection.peer, rest),
        "destination" => address(info.connection.local, rest),
        "connection" => connection(exchange, rest),
        "upstream" => match rest {
            ["local_address"] => info.upstream_local.map(|local| text(&local.to_string())),
            ["request_attempt_count"] => Some(uint(u64::from(info.attempts))),
            rest => address(info.upstream_address?, rest),
        },
        "lockgate" => match rest {
            ["client", "address"] => Some(text(&info.client.to_string())),
            ["route"] => info.route.as_deref().map(text),
            ["upstream"] => info.upstream.as_deref().map(text),
            _ => None,
        },
        _ => None,
    }
}

fn connection(exchange: &Exchange, rest: &[&str]) -> Option<Bytes> {
    let connection = &exchange.info.connection;
    let tls = connection.tls.as_ref();
    match rest {
        ["id"] => Some(uint(connection.id)),
        ["mtls"] => {
            let is_mutual = tls.is_some_and(|tls| tls.peer.is_some());
            Some(Bytes::from_slice(&PropertyValue::Bool(is_mutual).to_bytes()))
        }
        ["requested_server_name"] => Some(text(tls.and_then(|tls| tls.server_name.as_deref()).unwrap_or_default())),
        ["tls_version"] => Some(text(tls?.version)),
        [name] => of_certificate(tls?, name),
        _ => None,
    }
}

/// As in Envoy, a missing certificate has an empty subject, and its other properties are not found.
fn of_certificate(tls: &TlsInfo, name: &str) -> Option<Bytes> {
    let peer = tls.peer.as_deref();
    if name == "sha256_peer_certificate_digest" {
        return Some(text(&peer?.sha256));
    }
    let (what, certificate) = match name.strip_suffix("_peer_certificate") {
        Some(what) => (what, peer),
        None => (name.strip_suffix("_local_certificate")?, tls.local.as_deref()),
    };
    match what {
        "subject" => Some(text(certificate.map_or("", |certificate| &certificate.subject))),
        "dns_san" => certificate?.dns_san.as_deref().map(text),
        "uri_san" => certificate?.uri_san.as_deref().map(text),
        _ => None,
    }
}

fn address(address: SocketAddr, rest: &[&str]) -> Option<Bytes> {
    match rest {
        ["address"] => Some(text(&address.to_string())),
        ["port"] => Some(uint(u64::from(address.port()))),
        _ => None,
    }
}

fn text(text: &str) -> Bytes {
    Bytes::from_slice(text.as_bytes())
}

fn uint(value: u64) -> Bytes {
    Bytes::from_slice(&PropertyValue::Uint(value).to_bytes())
}
