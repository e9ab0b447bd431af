//! Load balancing: the algorithm, what it hashes, and the warm-up of new endpoints.

use crate::durations::written;
use crate::fields::{Field, Section};
use crate::output::Object;

pub(super) fn read(section: &Section<'_>) -> Object {
    let mut out = Object::new();
    let why = "endpoints are not chosen by where they are";
    section.lost("localityLbSetting", why, "");
    if let Some(field) = section.get("simple") {
        simple(&field, &mut out);
    }
    if let Some(hash) = section.section("consistentHash") {
        consistent_hash(&hash, &mut out);
    }
    let warmup = section.section("warmup");
    let duration = section.get("warmupDurationSecs");
    let duration = duration.or_else(|| warmup.as_ref()?.get("duration"));
    if let Some(warmup) = &warmup {
        let why = "an endpoint's share grows evenly from its start";
        warmup.lost("minimumPercent", why, "");
        warmup.lost("aggression", why, "");
    }
    let duration = duration.and_then(|field| field.duration());
    out.set_some("slow_start", duration.map(written));
    out
}

fn simple(field: &Field<'_>, out: &mut Object) {
    let balance = match field.text() {
        Some("ROUND_ROBIN") => "round_robin",
        Some("LEAST_REQUEST" | "LEAST_CONN") => "least_request",
        Some("RANDOM") => "random",
        Some("UNSPECIFIED") | None => return,
        Some("PASSTHROUGH") => {
            return field.lost(
                "the gateway chooses the endpoint, not the client's address",
                "list the endpoints",
            );
        }
        Some(_) => return field.lost("an unknown algorithm", ""),
    };
    out.set("balance", balance);
}

fn consistent_hash(hash: &Section<'_>, out: &mut Object) {
    let why = "the size of the table is the gateway's own";
    hash.lost("minimumRingSize", why, "");
    let maglev = hash
        .section("maglev")
        .inspect(|section| section.lost("tableSize", why, ""));
    let ring = hash
        .section("ringHash")
        .inspect(|section| section.lost("minimumRingSize", why, ""));
    drop(ring);
    let by_header = hash.get("httpHeaderName");
    let by_query = hash.get("httpQueryParameterName");
    let by_address = hash.get("useSourceIp");
    let by_cookie = hash.section("httpCookie");
    let key = if let Some(field) = by_header {
        field.text().and_then(|name| source(&field, "header", name))
    } else if let Some(cookie) = by_cookie {
        let Some(key) = by_cookie_key(&cookie, out) else { return };
        Some(key)
    } else if let Some(field) = by_query {
        field.text().and_then(|name| source(&field, "query", name))
    } else if by_address.and_then(|field| field.flag()) == Some(true) {
        Some("{address}".to_owned())
    } else {
        None
    };
    let Some(key) = key else { return };
    out.set("balance", if maglev.is_some() { "maglev" } else { "ring_hash" });
    out.set("hash", Object::new().with("key", key));
}

/// The key of a cookie that clients bring. None: the gateway sets the cookie itself, which is a setting of its own.
fn by_cookie_key(cookie: &Section<'_>, out: &mut Object) -> Option<String> {
    let why = "attributes of the cookie are the gateway's own";
    cookie.lost("path", why, "");
    cookie.lost("attributes", why, "");
    let name = cookie.get("name")?;
    let ttl = cookie.get("ttl");
    let key = source(&name, "cookie", name.text()?)?;
    let Some(ttl) = ttl.and_then(|field| field.duration()) else {
        return Some(key);
    };
    let mut sticky = Object::new().with("cookie", name.text()?);
    if !ttl.is_zero() {
        sticky.set("ttl", written(ttl));
    }
    out.set("sticky", sticky);
    None
}

/// A source of a hash key. None: the name cannot stand in one.
fn source(field: &Field<'_>, kind: &str, name: &str) -> Option<String> {
    let is_plain = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_' | b'.');
    if name.is_empty() || !name.bytes().all(is_plain) {
        field.lost("such a name cannot be hashed", "");
        return None;
    }
    let name = if kind == "header" {
        name.to_ascii_lowercase()
    } else {
        name.to_owned()
    };
    Some(format!("{{{kind}:{name}}}"))
}
