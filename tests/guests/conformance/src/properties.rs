//! Properties: what the host tells of request, response, peers and itself, and what plugins tell each other.

use crate::{Case, Hook, Probe, raw};
use proxy_wasm::types::Action;

pub const CASES: &[(&str, Case)] = &[
    ("properties.request", request),
    ("properties.response", response),
    ("properties.set", set),
    ("properties.maps", maps),
];

/// Texts that are the same everywhere.
const TEXTS: &[&str] = &[
    "request.path",
    "request.url_path",
    "request.host",
    "request.scheme",
    "request.method",
    "request.referer",
    "request.useragent",
    "request.protocol",
    "request.query",
    "request.headers.x-c-one",
    "request.headers.x-c-missing",
    "plugin_name",
    "plugin_root_id",
    "plugin_vm_id",
    "route_name",
    "cluster_name",
    "connection.requested_server_name",
    "connection.tls_version",
    "connection.subject_local_certificate",
    "no.such.property",
    "request",
    "request.nothing",
    "",
];

/// Values that differ from run to run: status and form count.
const FORMS: &[&str] = &[
    "request.id",
    "request.time",
    "request.duration",
    "request.size",
    "request.total_size",
    "source.address",
    "source.port",
    "destination.address",
    "destination.port",
    "connection.id",
    "connection_id",
    "connection.mtls",
    "listener_direction",
    "upstream.address",
    "upstream.port",
    "upstream.local_address",
    "response.code",
    "response.code_details",
    "response.flags",
    "response.grpc_status",
    "response.size",
    "response.total_size",
    "response.backend_latency",
    "response.headers.x-c-one",
    "response.trailers.x-c-one",
    "upstream.request_attempt_count",
    "xds.cluster_name",
    "xds.route_name",
    "xds.listener_direction",
];

fn texts(probe: &Probe) {
    for path in TEXTS {
        probe.note_bytes(path, raw::property(path));
    }
}

/// Numbers are told by their width, texts by their kind.
fn forms(probe: &Probe) {
    for path in FORMS {
        let (status, value) = raw::property(path);
        let form = match std::str::from_utf8(&value) {
            _ if value.is_empty() => "nothing".to_string(),
            Ok(text) if text.parse::<std::net::SocketAddr>().is_ok() => "an address".to_string(),
            Ok(text) if value.len() != 8 && text.chars().all(|c| c.is_ascii_graphic()) => "a text".to_string(),
            _ => format!("{} bytes", value.len()),
        };
        probe.note(path, format_args!("{status} {form}"));
    }
}

fn number(probe: &Probe, path: &str) {
    let (status, value) = raw::property(path);
    let value = <[u8; 8]>::try_from(value.as_slice()).map(i64::from_le_bytes);
    probe.note(path, format_args!("{status} {value:?}"));
}

fn request(probe: &mut Probe, hook: Hook) -> Action {
    match hook {
        Hook::RequestHeaders { .. } => {
            texts(probe);
            forms(probe);
        }
        Hook::RequestBody { last: true, .. } => number(probe, "request.size"),
        _ => {}
    }
    Action::Continue
}

fn response(probe: &mut Probe, hook: Hook) -> Action {
    match hook {
        Hook::ResponseHeaders { .. } => {
            forms(probe);
            number(probe, "response.code");
            probe.note_bytes("response.headers.x-c-one", raw::property("response.headers.x-c-one"));
        }
        Hook::Log => {
            forms(probe);
            for path in [
                "response.code",
                "response.flags",
                "response.size",
                "request.size",
                "upstream.request_attempt_count",
            ] {
                number(probe, path);
            }
            probe.note_bytes("response.code_details", raw::property("response.code_details"));
        }
        _ => {}
    }
    Action::Continue
}

fn set(probe: &mut Probe, hook: Hook) -> Action {
    match hook {
        Hook::RequestHeaders { .. } => {
            probe.note_bytes("before", raw::property("said"));
            probe.note("set", raw::set_property("said", b"something"));
            probe.note_bytes("after", raw::property("said"));
            probe.note("set again", raw::set_property("said", b"something else"));
            probe.note_bytes("after set again", raw::property("said"));
            probe.note("set to nothing", raw::set_property("void", b""));
            probe.note_bytes("after set to nothing", raw::property("void"));
            probe.note(
                "set under a path",
                raw::set_property("conformance.said", b"along a path"),
            );
            probe.note_bytes("get under a path", raw::property("conformance.said"));
        }
        Hook::ResponseHeaders { .. } | Hook::Log => {
            probe.note_bytes("later", raw::property("said"));
            probe.note_bytes("later, under a path", raw::property("conformance.said"));
        }
        _ => {}
    }
    Action::Continue
}

/// Properties that are whole maps, in the form of pairs.
fn maps(probe: &mut Probe, hook: Hook) -> Action {
    let path = match hook {
        Hook::RequestHeaders { .. } => "request.headers",
        Hook::ResponseHeaders { .. } => "response.headers",
        _ => return Action::Continue,
    };
    let (status, value) = raw::property(path);
    let text = String::from_utf8_lossy(&value);
    probe.note(
        path,
        format_args!("{status}, holds x-c-one: {}", text.contains("x-c-one\0")),
    );
    Action::Continue
}
