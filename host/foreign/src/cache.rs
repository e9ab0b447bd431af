//! `lockgate.cache`: the response cache. Plugins decide; bodies never pass through them.
//!
//! - `{"op":"lookup","key":K}` -> `{"found":false}` or `{"found":true,"status":200,"age_ms":5000,"ttl_ms":55000}`, for the
//!   variant that the current request's headers select. A `ttl_ms` below zero: stale for that long.
//! - `{"op":"serve","key":K,"headers":[[N,V]…]}` -> `{"served":true}`: the host responds from the cache, with these headers
//!   set and `age` added; with 304 if the request's conditions allow it. The plugin then pauses.
//! - `{"op":"store","key":K,"ttl_ms":60000,"vary":[N…]}` -> `{"storing":true}`: from the response headers phase. Stores
//!   the response in its form at this plugin, once its body is complete. Only complete responses to GET are stored.
//! - `{"op":"purge","key":K}` -> `{"purged":n}`, of all routes.
//!
//! A response is stored for the route of its request, so that what one route's plugins guard never answers another route's requests. With
//! `"scope":NAME`, it is stored for all routes whose calls name that scope. A request that a plugin has sent to another route is answered
//! from its first route's responses, and what it brings back is not stored. Nor is a response of the gateway or of a plugin, or one to a
//! request with a body.

use std::borrow::Cow;
use std::sync::Arc;
use std::time::{Duration, Instant, SystemTime};

use bytes::Bytes;
use http::header::{
    AGE, CACHE_CONTROL, CONTENT_LENGTH, CONTENT_LOCATION, CONTENT_RANGE, DATE, ETAG, EXPIRES, HeaderName, HeaderValue,
    LAST_MODIFIED, VARY,
};
use http::{HeaderMap, Method, StatusCode};
use lockgate_abi::Status;
use lockgate_exchange::clock::{Timestamp, WallClock};
use lockgate_exchange::{BodySink, Exchange, LocalResponse, SharedExchange, Tap, clock};
use lockgate_http::inbound;
use lockgate_store::{Filling, Hit, NewEntry, Partition, Store};
use serde::{Deserialize, Serialize};

use super::conditional;
use crate::json::{bad_argument, parse_argument, to_result};

const NAME: &str = "lockgate.cache";

/// Headers of a stored response that 304 repeats (RFC 9110, section 15.4.5).
const WITH_NOT_MODIFIED: [HeaderName; 7] = [
    CACHE_CONTROL,
    CONTENT_LOCATION,
    DATE,
    ETAG,
    EXPIRES,
    LAST_MODIFIED,
    VARY,
];

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct CacheCall<'a> {
    op: Op,
    #[serde(borrow)]
    key: Cow<'a, str>,
    #[serde(borrow, default)]
    headers: Vec<(Cow<'a, str>, Cow<'a, str>)>,
    ttl_ms: Option<u64>,
    #[serde(borrow, default)]
    vary: Vec<Cow<'a, str>>,
    /// The name of a scope instead of the route.
    #[serde(borrow, default)]
    scope: Option<Cow<'a, str>>,
}

impl CacheCall<'_> {
    /// The partition of the current request.
    fn partition(&self, exchange: &Exchange) -> Partition {
        match (&self.scope, &exchange.info.route) {
            (Some(name), _) => Partition::Shared(name.as_ref().into()),
            (None, Some(route)) => Partition::Route(route.clone()),
            (None, None) => Partition::NoRoute,
        }
    }

    /// The stored response for the current request.
    fn find(&self, store: &Store, plugin: &str, exchange: &Exchange, now: Instant) -> Option<Hit> {
        if exchange.info.has_body || exchange.request.is_upgrade {
            return None;
        }
        let partition = self.partition(exchange);
        store
            .cache()
            .find(plugin, &self.key, &partition, &exchange.request.headers, now)
    }
}

#[derive(Deserialize)]
#[serde(rename_all = "snake_case")]
enum Op {
    Lookup,
    Serve,
    Store,
    Purge,
}

#[derive(Serialize)]
struct LookupResult {
    found: bool,
    #[serde(flatten)]
    entry: Option<Entry>,
}

#[derive(Serialize)]
struct Entry {
    status: u16,
    age_ms: u64,
    ttl_ms: i64,
}

#[derive(Serialize)]
struct ServeResult {
    served: bool,
}

#[derive(Serialize)]
struct StoreResult {
    storing: bool,
}

#[derive(Serialize)]
struct PurgeResult {
    purged: usize,
}

/// Does one operation.
pub(super) fn call(
    store: &Arc<Store>,
    plugin: &str,
    argument: &[u8],
    exchange: Option<&SharedExchange>,
    clock: &WallClock,
) -> Result<Vec<u8>, Status> {
    let call: CacheCall<'_> = parse_argument(NAME, argument)?;
    let now = clock::now();
    if let Op::Purge = call.op {
        return to_result(&PurgeResult {
            purged: store.cache().purge(plugin, &call.key),
        });
    }
    let mut exchange = exchange
        .ok_or_else(|| bad_argument(NAME, &"there is no request here"))?
        .borrow_mut();
    match call.op {
        Op::Lookup => {
            let hit = call.find(store, plugin, &exchange, now);
            let entry = hit.as_ref().map(Entry::of);
            to_result(&LookupResult {
                found: entry.is_some(),
                entry,
            })
        }
        Op::Serve => {
            let extra = headers(&call.headers)?;
            let hit = call.find(store, plugin, &exchange, now);
            let served = hit.is_some();
            if let Some(hit) = hit {
                exchange.pending.local_response = Some(response(&hit, extra, &exchange));
            }
            to_result(&ServeResult { served })
        }
        Op::Store => {
            let ttl = call.ttl_ms.ok_or_else(|| bad_argument(NAME, &"ttl_ms is missing"))?;
            let filling = fill(
                store,
                plugin,
                &call,
                Duration::from_millis(ttl),
                &exchange,
                clock.timestamp(),
            )?;
            let storing = filling.is_some();
            if let Some(filling) = filling {
                let position = exchange.position;
                exchange.taps.push(Tap {
                    position,
                    sink: Box::new(CacheWriter(Some(filling))),
                });
            }
            to_result(&StoreResult { storing })
        }
        Op::Purge => unreachable!("a purge returns above: it needs no request"),
    }
}

impl Entry {
    fn of(hit: &Hit) -> Self {
        let millis = |duration: Duration| i64::try_from(duration.as_millis()).unwrap_or(i64::MAX);
        let ttl_ms = if hit.fresh_for.is_zero() {
            -millis(hit.stale_for)
        } else {
            millis(hit.fresh_for)
        };
        Self {
            status: hit.stored.status.as_u16(),
            age_ms: millis(hit.age).unsigned_abs(),
            ttl_ms,
        }
    }
}

/// A plugin's headers, without hop-by-hop fields.
fn headers(pairs: &[(Cow<'_, str>, Cow<'_, str>)]) -> Result<HeaderMap, Status> {
    let mut headers = HeaderMap::with_capacity(pairs.len());
    for (name, value) in pairs {
        let name = HeaderName::from_bytes(name.as_bytes()).map_err(|error| bad_argument(NAME, &error))?;
        let value = HeaderValue::from_str(value).map_err(|error| bad_argument(NAME, &error))?;
        headers.append(name, value);
    }
    inbound::strip_response(&mut headers);
    headers.remove(CONTENT_LENGTH);
    Ok(headers)
}

/// The response from the cache: complete, without its body for HEAD, or 304.
fn response(hit: &Hit, extra: HeaderMap, exchange: &Exchange) -> LocalResponse {
    let stored = &hit.stored;
    let is_head = exchange.request.method == Method::HEAD;
    let may_be_304 = stored.status == StatusCode::OK && (is_head || exchange.request.method == Method::GET);
    let is_not_modified = may_be_304 && conditional::is_not_modified(&exchange.request.headers, &stored.headers);
    let (status, mut headers, body) = if is_not_modified {
        (
            StatusCode::NOT_MODIFIED,
            only(&WITH_NOT_MODIFIED, &stored.headers),
            Bytes::new(),
        )
    } else {
        let mut headers = stored.headers.clone();
        if may_have_length(stored.status) {
            headers.insert(CONTENT_LENGTH, HeaderValue::from(stored.body.len()));
        }
        (
            stored.status,
            headers,
            if is_head { Bytes::new() } else { stored.body.clone() },
        )
    };
    headers.insert(AGE, HeaderValue::from(hit.age.as_secs()));
    // A name's first value replaces the stored ones, further ones are added.
    headers.extend(extra);
    LocalResponse {
        status,
        details: "served_from_cache".to_owned(),
        headers,
        body,
        grpc_status: None,
        position: exchange.position,
    }
}

fn only(names: &[HeaderName], headers: &HeaderMap) -> HeaderMap {
    let mut some = HeaderMap::with_capacity(names.len());
    for name in names {
        for value in headers.get_all(name) {
            some.append(name, value.clone());
        }
    }
    some
}

fn may_have_length(status: StatusCode) -> bool {
    status != StatusCode::NO_CONTENT && !status.is_informational()
}

/// Begins to store the current response. None: it cannot be stored.
fn fill(
    store: &Arc<Store>,
    plugin: &str,
    call: &CacheCall<'_>,
    ttl: Duration,
    exchange: &Exchange,
    now: Timestamp,
) -> Result<Option<Filling>, Status> {
    if call.vary.iter().any(|name| name.trim() == "*") {
        return Ok(None);
    }
    let vary = call
        .vary
        .iter()
        .map(|name| HeaderName::from_bytes(name.trim().as_bytes()))
        .collect::<Result<Vec<_>, _>>();
    let vary = vary.map_err(|error| bad_argument(NAME, &error))?;
    let response = exchange
        .response
        .as_ref()
        .ok_or_else(|| bad_argument(NAME, &"there is no response yet"))?;
    let info = &exchange.info;
    // Another route's response would be found under this route's key, or be missed for ever.
    let is_elsewhere = info.rerouted && call.scope.is_none();
    if info.has_body || exchange.request.is_upgrade || is_elsewhere || !info.is_from_upstream() {
        return Ok(None);
    }
    let is_part = response.status == StatusCode::PARTIAL_CONTENT || response.headers.contains_key(CONTENT_RANGE);
    if exchange.request.method != Method::GET || is_part || response.status == StatusCode::NOT_MODIFIED {
        return Ok(None);
    }
    let mut headers = response.headers.clone();
    inbound::strip_response(&mut headers);
    let age = initial_age(&mut headers, now.time);
    let entry = NewEntry::new(response.status, headers, ttl, now.instant)
        .aged(age)
        .varying_by(vary, &exchange.request.headers)
        .within(call.partition(exchange));
    Ok(store.cache().fill(plugin, &call.key, entry))
}

/// The age of a response that has just come, by `age` or `date`, whichever is more (RFC 9111, section 4.2.3). One without a `date` gets that
/// of its receipt (RFC 9110, section 6.6.1), which it keeps in the cache.
fn initial_age(headers: &mut HeaderMap, now: SystemTime) -> Duration {
    let text = |value: &HeaderValue| Some(value.to_str().ok()?.trim().to_owned());
    let stated = headers.remove(AGE).as_ref().and_then(text);
    let stated = Duration::from_secs(stated.and_then(|age| age.parse().ok()).unwrap_or(0));
    let date = headers.get(DATE).and_then(text);
    let date = date.and_then(|date| httpdate::parse_http_date(&date).ok());
    if date.is_none()
        && let Ok(value) = HeaderValue::from_str(&httpdate::fmt_http_date(now))
    {
        headers.insert(DATE, value);
    }
    let apparent = date.and_then(|date| now.duration_since(date).ok());
    stated.max(apparent.unwrap_or_default())
}

/// Writes a passing body to the cache, until the cache refuses more.
struct CacheWriter(Option<Filling>);

impl BodySink for CacheWriter {
    fn chunk(&mut self, data: &Bytes) {
        if self.0.as_mut().is_some_and(|filling| !filling.push(data)) {
            self.0 = None;
        }
    }

    fn end(self: Box<Self>, complete: bool) {
        if complete && let Some(filling) = self.0 {
            filling.commit();
        }
    }
}

#[cfg(test)]
mod tests;
