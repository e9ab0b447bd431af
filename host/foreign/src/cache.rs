//! `lockgate.cache`: the response cache, as plugins see it. They decide; a body never passes through them.
//!
//! - `{"op":"lookup","key":K}` -> `{"found":false}` or `{"found":true,"status":200,"age_ms":5000,"ttl_ms":55000}`, for the
//!   variant that the current request's headers choose; a `ttl_ms` below zero says for how long it has been stale.
//! - `{"op":"serve","key":K,"headers":[[N,V]…]}` -> `{"served":true}`: the host answers from the store, with these headers
//!   set and `age` added; 304 if the request's conditions say so. The plugin then pauses.
//! - `{"op":"store","key":K,"ttl_ms":60000,"vary":[N…]}` -> `{"storing":true}`: from the response headers phase. Keeps the
//!   response as it is at this plugin, once its body has come through whole. Only complete answers to GET are kept.
//! - `{"op":"purge","key":K}` -> `{"purged":n}`.

use std::borrow::Cow;
use std::sync::Arc;
use std::time::{Duration, Instant};

use bytes::Bytes;
use http::header::{
    AGE, CACHE_CONTROL, CONTENT_LENGTH, CONTENT_LOCATION, CONTENT_RANGE, DATE, ETAG, EXPIRES, HeaderName, HeaderValue,
    LAST_MODIFIED, VARY,
};
use http::{HeaderMap, Method, StatusCode};
use lockgate_abi::Status;
use lockgate_exchange::{BodySink, Exchange, LocalResponse, SharedExchange, Tap, clock};
use lockgate_http::inbound;
use lockgate_store::{Filling, Hit, NewEntry, Store};
use serde::{Deserialize, Serialize};

use super::conditional;
use crate::wire::{bad, read, write};

const NAME: &str = "lockgate.cache";

/// What of a stored response goes with 304 (RFC 9110, section 15.4.5).
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
struct Call<'a> {
    op: Op,
    #[serde(borrow)]
    key: Cow<'a, str>,
    #[serde(borrow, default)]
    headers: Vec<(Cow<'a, str>, Cow<'a, str>)>,
    ttl_ms: Option<u64>,
    #[serde(borrow, default)]
    vary: Vec<Cow<'a, str>>,
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
struct Found {
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
struct Served {
    served: bool,
}

#[derive(Serialize)]
struct Storing {
    storing: bool,
}

#[derive(Serialize)]
struct Purged {
    purged: usize,
}

/// Does one operation.
pub(super) fn call(
    store: &Arc<Store>,
    plugin: &str,
    argument: &[u8],
    exchange: Option<&SharedExchange>,
) -> Result<Vec<u8>, Status> {
    let call: Call<'_> = read(NAME, argument)?;
    let now = clock::now();
    if let Op::Purge = call.op {
        return write(&Purged {
            purged: store.cache().purge(plugin, &call.key),
        });
    }
    let mut exchange = exchange
        .ok_or_else(|| bad(NAME, &"there is no request here"))?
        .borrow_mut();
    match call.op {
        Op::Lookup => {
            let hit = store.cache().find(plugin, &call.key, &exchange.request.headers, now);
            let entry = hit.as_ref().map(Entry::of);
            write(&Found {
                found: entry.is_some(),
                entry,
            })
        }
        Op::Serve => {
            let extra = headers(&call.headers)?;
            let hit = store.cache().find(plugin, &call.key, &exchange.request.headers, now);
            let served = hit.is_some();
            if let Some(hit) = hit {
                exchange.pending.local_response = Some(answer(&hit, extra, &exchange));
            }
            write(&Served { served })
        }
        Op::Store => {
            let ttl = call.ttl_ms.ok_or_else(|| bad(NAME, &"ttl_ms is missing"))?;
            let filling = fill(store, plugin, &call, Duration::from_millis(ttl), &exchange, now)?;
            let storing = filling.is_some();
            if let Some(filling) = filling {
                let position = exchange.position;
                exchange.taps.push(Tap {
                    position,
                    sink: Box::new(Sink(Some(filling))),
                });
            }
            write(&Storing { storing })
        }
        Op::Purge => unreachable!("purging was done above, as it needs no request"),
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

/// Headers that a plugin gives; hop-by-hop ones have no place in a stored answer.
fn headers(pairs: &[(Cow<'_, str>, Cow<'_, str>)]) -> Result<HeaderMap, Status> {
    let mut headers = HeaderMap::with_capacity(pairs.len());
    for (name, value) in pairs {
        let name = HeaderName::from_bytes(name.as_bytes()).map_err(|error| bad(NAME, &error))?;
        let value = HeaderValue::from_str(value).map_err(|error| bad(NAME, &error))?;
        headers.append(name, value);
    }
    inbound::strip_response(&mut headers);
    headers.remove(CONTENT_LENGTH);
    Ok(headers)
}

/// The answer from what is stored: whole, without its body for HEAD, or 304.
fn answer(hit: &Hit, extra: HeaderMap, exchange: &Exchange) -> LocalResponse {
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
    // A name's first value replaces what was stored, the further ones come with it.
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

/// Begins to keep the current response; `None` when it is not one that can be kept.
fn fill(
    store: &Arc<Store>,
    plugin: &str,
    call: &Call<'_>,
    ttl: Duration,
    exchange: &Exchange,
    now: Instant,
) -> Result<Option<Filling>, Status> {
    if call.vary.iter().any(|name| name.trim() == "*") {
        return Ok(None);
    }
    let vary = call
        .vary
        .iter()
        .map(|name| HeaderName::from_bytes(name.trim().as_bytes()))
        .collect::<Result<Vec<_>, _>>();
    let vary = vary.map_err(|error| bad(NAME, &error))?;
    let response = exchange
        .response
        .as_ref()
        .ok_or_else(|| bad(NAME, &"there is no response yet"))?;
    let is_part = response.status == StatusCode::PARTIAL_CONTENT || response.headers.contains_key(CONTENT_RANGE);
    if exchange.request.method != Method::GET || is_part || response.status == StatusCode::NOT_MODIFIED {
        return Ok(None);
    }
    let mut headers = response.headers.clone();
    inbound::strip_response(&mut headers);
    let age = headers
        .remove(AGE)
        .and_then(|age| age.to_str().ok()?.trim().parse().ok())
        .unwrap_or(0);
    let entry = NewEntry::new(response.status, headers, ttl, now)
        .aged(Duration::from_secs(age))
        .varying_by(vary, &exchange.request.headers);
    Ok(store.cache().fill(plugin, &call.key, entry))
}

/// Feeds a passing body to the cache, as long as the cache wants it.
struct Sink(Option<Filling>);

impl BodySink for Sink {
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
