//! The connection pool: bounds of connections and requests, and their times.

use crate::durations::written;
use crate::fields::Section;
use crate::output::Object;

pub(super) fn read(section: &Section<'_>) -> Object {
    let mut out = Object::new();
    let mut concurrency = Object::new();
    let mut max = None;
    if let Some(tcp) = section.section("tcp") {
        max = tcp
            .get("maxConnections")
            .and_then(|field| field.number())
            .filter(|max| *max > 0);
        let timeout = tcp.get("connectTimeout").and_then(|field| field.duration());
        out.set_some(
            "connect_timeout",
            timeout.filter(|timeout| !timeout.is_zero()).map(written),
        );
        tcp.lost(
            "tcpKeepalive",
            "keep-alive probes of connections to upstreams are the system's",
            "",
        );
        let why = "connections to upstreams are closed by idle time alone";
        tcp.lost("maxConnectionDuration", why, "");
        tcp.lost(
            "idleTimeout",
            "listeners bound the idle time of TCP connections",
            "\"limits\": { \"idle_timeout\": … } of the listener",
        );
    }
    if let Some(http) = section.section("http") {
        read_http(&http, &mut max, &mut concurrency, &mut out);
    }
    if let Some(max) = max {
        let mut all = Object::new().with("max", max);
        all.extend(&concurrency);
        out.set("concurrency", all);
    }
    out
}

fn read_http(http: &Section<'_>, max: &mut Option<u64>, concurrency: &mut Object, out: &mut Object) {
    let number = |name: &str| http.get(name).and_then(|field| field.number());
    let requests = number("http2MaxRequests").filter(|max| *max > 0);
    // A connection of HTTP/1.1 carries one request at a time, so both bound the requests that are in progress.
    *max = match (*max, requests) {
        (Some(connections), Some(requests)) => Some(connections.min(requests)),
        (one, other) => one.or(other),
    };
    let pending = number("http1MaxPendingRequests").filter(|pending| *pending > 0);
    if let Some(pending) = pending {
        match max {
            Some(_) => concurrency.set("queue", pending),
            None => http.lost(
                "http1MaxPendingRequests",
                "requests wait only where their number is bounded",
                "maxConnections beside it, or \"concurrency\" of the upstream",
            ),
        }
    }
    let idle = http.get("idleTimeout").and_then(|field| field.duration());
    out.set_some("idle_timeout", idle.filter(|idle| !idle.is_zero()).map(written));
    let streams = number("maxConcurrentStreams").filter(|streams| *streams > 0);
    out.set_some("max_streams", streams);
    if let Some(field) = http.get("h2UpgradePolicy") {
        match field.text() {
            Some("UPGRADE") => out.set("protocol", "http2"),
            Some("DEFAULT" | "DO_NOT_UPGRADE") | None => {}
            Some(_) => field.lost("an unknown policy", ""),
        }
    }
    let why = "the protocol towards an upstream does not follow the client's";
    http.lost("useClientProtocol", why, "\"protocol\" of the upstream");
    http.lost(
        "maxRequestsPerConnection",
        "connections are kept until they are idle",
        "",
    );
    http.lost(
        "maxRetries",
        "retries are bounded by a budget",
        "\"retry\": { \"budget\": … } of the upstream",
    );
}
