//! A line of the access log: its fields, for a request and for a TCP connection, and their format.

use std::borrow::Cow;
use std::net::{IpAddr, SocketAddr};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use http::{Method, Version};
use serde::{Serialize, Serializer};

/// A request that ended. Durations are in whole microseconds, times in UTC.
#[derive(Debug, Clone, Serialize)]
pub struct Record<'a> {
    /// Arrival of its headers.
    #[serde(serialize_with = "time")]
    pub time: SystemTime,
    /// Its id, as plugins and the upstream see it.
    pub request_id: Cow<'a, str>,
    /// Its listener.
    pub listener: &'a str,
    /// The client's address, behind trusted proxies as these report it.
    pub client: IpAddr,
    /// Its method.
    #[serde(serialize_with = "method")]
    pub method: &'a Method,
    /// Its host.
    pub host: Cow<'a, str>,
    /// The normalised path, without the query.
    pub path: &'a str,
    /// The client's protocol.
    #[serde(serialize_with = "version")]
    pub protocol: Version,
    /// The response status; none if the client left before the response.
    pub status: Option<u16>,
    /// The gRPC status, of a response that has one: in its headers, in its trailers, or as a gRPC client gets a response of the gateway,
    /// whose `status` is then the one that it would have for other clients.
    pub grpc_status: Option<u32>,
    /// The route's name.
    pub route: Option<&'a str>,
    /// The upstream's name.
    pub upstream: Option<&'a str>,
    /// The endpoint of the last attempt.
    pub endpoint: Option<SocketAddr>,
    /// Number of attempts at the upstream.
    pub attempts: u32,
    /// State of the upstream's circuit breaker when the request reached it: `closed`, `open` or `half_open`. None without a breaker.
    pub breaker: Option<&'a str>,
    /// What went wrong on the way, in the words of Envoy's response flags. Also of requests that were answered in the end.
    pub response_flags: Vec<&'static str>,
    /// Bytes of the request body.
    pub bytes_in: u64,
    /// Bytes of the response body.
    pub bytes_out: u64,
    /// From its headers to the end of the response.
    #[serde(rename = "duration_us", serialize_with = "microseconds")]
    pub duration: Duration,
    /// From sending it to the response headers.
    #[serde(rename = "upstream_us", serialize_with = "some_microseconds")]
    pub upstream_latency: Option<Duration>,
    /// The reason for the response when it is not the upstream's.
    pub code_details: Option<&'a str>,
    /// The reason why the response is incomplete.
    pub abort_reason: Option<&'a str>,
    /// What happened, in words, when the response is not the upstream's or is incomplete; none for a response that a plugin gave as a
    /// success, and for a redirect or fixed response of the route.
    pub cause: Option<&'a str>,
    /// Time in each plugin, in the order of the chain.
    pub plugins: Vec<PluginTimes<'a>>,
}

/// A TCP connection that ended. Durations are in whole microseconds, times in UTC.
#[derive(Debug, Clone, Serialize)]
pub struct ConnectionRecord<'a> {
    /// Its acceptance.
    #[serde(serialize_with = "time")]
    pub time: SystemTime,
    /// Its number, unique in the process.
    pub connection: u64,
    /// Its listener.
    pub listener: &'a str,
    /// The client.
    pub client: IpAddr,
    /// The listener's protocol.
    pub protocol: &'static str,
    /// The TLS version; none without TLS.
    pub tls: Option<&'a str>,
    /// The server name of the client's handshake.
    pub server_name: Option<&'a str>,
    /// The upstream's name; none if it ended before one was chosen.
    pub upstream: Option<&'a str>,
    /// The endpoint that it was connected to.
    pub endpoint: Option<SocketAddr>,
    /// Number of attempts to connect.
    pub attempts: u32,
    /// Bytes from the client.
    pub bytes_in: u64,
    /// Bytes to the client.
    pub bytes_out: u64,
    /// From its acceptance to its end.
    #[serde(rename = "duration_us", serialize_with = "microseconds")]
    pub duration: Duration,
    /// Time to connect to the upstream.
    #[serde(rename = "connect_us", serialize_with = "some_microseconds")]
    pub connect: Option<Duration>,
    /// Its close reason: the value of the metric's label `result`.
    pub result: &'static str,
    /// What failed, in words, when a plugin or the upstream did.
    pub cause: Option<String>,
    /// Time in each plugin, in the order of the chain.
    pub plugins: Vec<PluginTimes<'a>>,
}

/// A record that is written as a line.
pub trait Line: Serialize {}

impl Line for Record<'_> {}

impl Line for ConnectionRecord<'_> {}

/// Time in a plugin for one request or connection.
#[derive(Debug, Clone, Copy, Serialize)]
pub struct PluginTimes<'a> {
    /// Its name.
    pub name: &'a str,
    /// Callbacks of the request; for a connection, of bytes from the client.
    #[serde(serialize_with = "microseconds")]
    pub request_us: Duration,
    /// Callbacks of the response; for a connection, of bytes from the upstream.
    #[serde(serialize_with = "microseconds")]
    pub response_us: Duration,
    /// Time that the messages waited in it, paused: for a callout, for more of a body.
    #[serde(serialize_with = "microseconds")]
    pub wait_us: Duration,
}

/// Appends the record as a line.
pub(super) fn append(record: &impl Line, out: &mut Vec<u8>) {
    let start = out.len();
    match serde_json::to_writer(&mut *out, record) {
        Ok(()) => out.push(b'\n'),
        // Nothing in a record fails to serialise; half a line would still spoil the next one.
        Err(_) => out.truncate(start),
    }
}

fn microseconds<S: Serializer>(value: &Duration, serializer: S) -> Result<S::Ok, S::Error> {
    serializer.serialize_u64(u64::try_from(value.as_micros()).unwrap_or(u64::MAX))
}

fn some_microseconds<S: Serializer>(value: &Option<Duration>, serializer: S) -> Result<S::Ok, S::Error> {
    match value {
        Some(value) => microseconds(value, serializer),
        None => serializer.serialize_none(),
    }
}

fn method<S: Serializer>(method: &&Method, serializer: S) -> Result<S::Ok, S::Error> {
    serializer.serialize_str(method.as_str())
}

fn version<S: Serializer>(version: &Version, serializer: S) -> Result<S::Ok, S::Error> {
    serializer.serialize_str(match *version {
        Version::HTTP_10 => "HTTP/1.0",
        Version::HTTP_11 => "HTTP/1.1",
        Version::HTTP_2 => "HTTP/2",
        _ => "other",
    })
}

/// RFC 3339 with microseconds: `2026-01-31T23:59:59.000001Z`. Times before 1970 are written as 1970.
fn time<S: Serializer>(time: &SystemTime, serializer: S) -> Result<S::Ok, S::Error> {
    let since = time.duration_since(UNIX_EPOCH).unwrap_or_default();
    let (year, month, day) = date(since.as_secs() / 86_400);
    let second = since.as_secs() % 86_400;
    let (hour, minute, second) = (second / 3600, second / 60 % 60, second % 60);
    let fraction = since.subsec_micros();
    serializer.collect_str(&format_args!(
        "{year:04}-{month:02}-{day:02}T{hour:02}:{minute:02}:{second:02}.{fraction:06}Z"
    ))
}

/// The date of a day counted from 1970-01-01, by the Gregorian calendar. Years are counted from March 1st of year 0, so that the
/// leap day is a year's last (Hinnant, "chrono-compatible low-level date algorithms").
fn date(day: u64) -> (u64, u64, u64) {
    let day = day + 719_468;
    let (era, day_of_era) = (day / 146_097, day % 146_097);
    let year = (day_of_era - day_of_era / 1_460 + day_of_era / 36_524 - day_of_era / 146_096) / 365;
    let day_of_year = day_of_era - (365 * year + year / 4 - year / 100);
    let month = (5 * day_of_year + 2) / 153;
    let day = day_of_year - (153 * month + 2) / 5 + 1;
    let (month, next) = if month < 10 { (month + 3, 0) } else { (month - 9, 1) };
    (era * 400 + year + next, month, day)
}
