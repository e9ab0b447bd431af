//! Header and trailer maps: every call, in the phases where a map is there and in those where it is not.

use crate::{Case, Hook, Probe, raw};
use proxy_wasm::traits::HttpContext;
use proxy_wasm::types::Action;

pub const CASES: &[(&str, Case)] = &[
    ("headers.request", request),
    ("headers.response", response),
    ("headers.pseudo", pseudo),
    ("headers.set_all_of_request", set_all_of_request),
    ("headers.set_all_of_response", set_all_of_response),
    ("headers.elsewhere", elsewhere),
    ("headers.odd_names", odd_names),
    ("trailers", trailers),
];

const REQUEST: u32 = 0;
const REQUEST_TRAILERS: u32 = 1;
const RESPONSE: u32 = 2;
const RESPONSE_TRAILERS: u32 = 3;

/// The pairs of a map that belong to the test, in their order.
fn own(pairs: &[(String, Vec<u8>)]) -> String {
    let own = pairs
        .iter()
        .filter(|(name, _)| name.starts_with("x-c-") || name.starts_with(':'));
    let mut lines: Vec<_> = own
        .map(|(name, value)| format!("{name}={}", String::from_utf8_lossy(value)))
        .collect();
    lines.sort();
    lines.join(" ")
}

fn exercise(probe: &Probe, map: u32) {
    probe.note_bytes("get one", raw::value(map, "x-c-one"));
    probe.note_bytes("get in another case", raw::value(map, "X-C-One"));
    probe.note_bytes("get a repeated one", raw::value(map, "x-c-twice"));
    probe.note_bytes("get an empty one", raw::value(map, "x-c-empty"));
    probe.note_bytes("get a missing one", raw::value(map, "x-c-missing"));
    probe.note("add", raw::add(map, "x-c-added", "1"));
    probe.note("add again", raw::add(map, "x-c-added", "2"));
    probe.note("add to one that is there", raw::add(map, "x-c-one", "more"));
    probe.note("add with an upper-case name", raw::add(map, "X-C-Upper", "u"));
    probe.note("add an empty value", raw::add(map, "x-c-void", ""));
    probe.note("replace", raw::replace(map, "x-c-replaced", "new"));
    probe.note("replace a repeated one", raw::replace(map, "x-c-twice", "once"));
    probe.note("replace a missing one", raw::replace(map, "x-c-brought", "in"));
    probe.note("remove", raw::remove(map, "x-c-removed"));
    probe.note("remove a missing one", raw::remove(map, "x-c-missing"));
    probe.note_bytes("get what was added", raw::value(map, "x-c-added"));
    probe.note_bytes("get what was added in upper case", raw::value(map, "x-c-upper"));
    probe.note_bytes("get what was added empty", raw::value(map, "x-c-void"));
    probe.note_bytes("get what was removed", raw::value(map, "x-c-removed"));
}

fn sizes(probe: &Probe, map: u32) {
    let (status, size) = raw::map_size(map);
    let (pairs_status, pairs) = raw::pairs(map);
    let count = pairs
        .first_chunk::<4>()
        .map_or(0, |bytes| u32::from_le_bytes(*bytes) as usize);
    let bytes = pairs.len().saturating_sub(4 + count * 10);
    probe.note("size, pairs", format_args!("{status} {pairs_status}"));
    probe.note("size is that of names and values", size == bytes);
}

fn request(probe: &mut Probe, hook: Hook) -> Action {
    if let Hook::RequestHeaders { .. } = hook {
        probe.note("before", own(&probe.get_http_request_headers_bytes()));
        exercise(probe, REQUEST);
        sizes(probe, REQUEST);
        probe.note("after", own(&probe.get_http_request_headers_bytes()));
    }
    Action::Continue
}

fn response(probe: &mut Probe, hook: Hook) -> Action {
    match hook {
        Hook::ResponseHeaders { .. } => {
            probe.note("before", own(&probe.get_http_response_headers_bytes()));
            exercise(probe, RESPONSE);
            sizes(probe, RESPONSE);
            probe.note_bytes("request header", raw::value(REQUEST, "x-case"));
            probe.note("change a request header", raw::replace(REQUEST, "x-c-late", "1"));
            probe.note_bytes("the changed request header", raw::value(REQUEST, "x-c-late"));
            probe.note("replace the status", raw::replace(RESPONSE, ":status", "203"));
            probe.note("after", own(&probe.get_http_response_headers_bytes()));
        }
        Hook::Log => {
            probe.note_bytes("request header", raw::value(REQUEST, "x-case"));
            probe.note_bytes("response header", raw::value(RESPONSE, "x-c-brought"));
            probe.note_bytes("status", raw::value(RESPONSE, ":status"));
        }
        _ => {}
    }
    Action::Continue
}

fn pseudo(probe: &mut Probe, hook: Hook) -> Action {
    if let Hook::RequestHeaders { .. } = hook {
        for name in [":method", ":path", ":authority", ":scheme", "host"] {
            probe.note_bytes(format_args!("get {name}"), raw::value(REQUEST, name));
        }
        probe.note("replace :path", raw::replace(REQUEST, ":path", "/rewritten?by=guest"));
        probe.note(
            "replace :authority",
            raw::replace(REQUEST, ":authority", "guest.example"),
        );
        probe.note("replace :method", raw::replace(REQUEST, ":method", "PUT"));
        probe.note("after", own(&probe.get_http_request_headers_bytes()));
    }
    Action::Continue
}

fn set_all_of_request(probe: &mut Probe, hook: Hook) -> Action {
    if let Hook::RequestHeaders { .. } = hook {
        let kept = [
            ":method",
            ":path",
            ":authority",
            ":scheme",
            "x-forwarded-proto",
            "x-case",
            "x-token",
        ];
        let kept = kept
            .iter()
            .filter_map(|name| Some((*name, probe.get_http_request_header(name)?)));
        let new = [("x-c-set", "1"), ("x-c-set", "2"), ("X-C-Set-Upper", "3")];
        let map: Vec<_> = kept.chain(new.map(|(name, value)| (name, value.to_string()))).collect();
        probe.set_http_request_headers(map.iter().map(|(name, value)| (*name, value.as_str())).collect());
        probe.note("after", own(&probe.get_http_request_headers_bytes()));
    }
    Action::Continue
}

fn set_all_of_response(probe: &mut Probe, hook: Hook) -> Action {
    if let Hook::ResponseHeaders { .. } = hook {
        probe.set_http_response_headers(vec![(":status", "206"), ("x-c-set", "1"), ("x-c-set", "2")]);
        probe.note("after", own(&probe.get_http_response_headers_bytes()));
    }
    Action::Continue
}

/// Maps that a phase does not have.
fn elsewhere(probe: &mut Probe, hook: Hook) -> Action {
    let absent: &[u32] = match hook {
        Hook::RequestHeaders { .. } => &[REQUEST_TRAILERS, RESPONSE, RESPONSE_TRAILERS, 4, 5, 6, 7, 8, 99],
        Hook::ResponseHeaders { .. } => &[REQUEST_TRAILERS, RESPONSE_TRAILERS, 6, 7],
        Hook::Log => &[REQUEST_TRAILERS, RESPONSE_TRAILERS, 6],
        _ => &[],
    };
    for &map in absent {
        probe.note_bytes(format_args!("value of {map}"), raw::value(map, "x-c-one"));
        probe.note_bytes(format_args!("pairs of {map}"), raw::pairs(map));
        probe.note(format_args!("size of {map}"), format_args!("{:?}", raw::map_size(map)));
        probe.note(format_args!("add to {map}"), raw::add(map, "x-c-a", "1"));
        probe.note(format_args!("replace in {map}"), raw::replace(map, "x-c-a", "1"));
        probe.note(format_args!("remove from {map}"), raw::remove(map, "x-c-a"));
        probe.note(
            format_args!("set {map}"),
            raw::set_pairs(map, &raw::serialized(&[("x-c-a", "1")])),
        );
    }
    Action::Continue
}

/// Names, values and maps that are not well formed.
fn odd_names(probe: &mut Probe, hook: Hook) -> Action {
    if let Hook::RequestHeaders { .. } = hook {
        probe.note_bytes("get the empty name", raw::value(REQUEST, ""));
        probe.note("remove the empty name", raw::remove(REQUEST, ""));
        probe.note("set a map of one byte", raw::set_pairs(REQUEST, &[1]));
        probe.note(
            "set a map that claims more than it holds",
            raw::set_pairs(REQUEST, &[9, 0, 0, 0, 1, 0, 0, 0]),
        );
        probe.note("remove content-length", raw::remove(REQUEST, "content-length"));
        probe.note_bytes("still there", raw::value(REQUEST, "x-case"));
    }
    Action::Continue
}

fn trailers(probe: &mut Probe, hook: Hook) -> Action {
    match hook {
        Hook::RequestTrailers => {
            probe.note("before", own(&probe.get_http_request_trailers_bytes()));
            exercise(probe, REQUEST_TRAILERS);
            probe.note("after", own(&probe.get_http_request_trailers_bytes()));
        }
        Hook::ResponseTrailers => {
            probe.note("before", own(&probe.get_http_response_trailers_bytes()));
            exercise(probe, RESPONSE_TRAILERS);
            probe.note("after", own(&probe.get_http_response_trailers_bytes()));
        }
        _ => {}
    }
    Action::Continue
}
