//! A line: what is logged of a request or of a TCP connection, and how it is written.

use std::borrow::Cow;
use std::net::{IpAddr, SocketAddr};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use http::{Method, Version};
use serde::{Serialize, Serializer};

/// A request that ended. Durations are logged in whole microseconds, times in UTC.
#[derive(Debug, Clone, Serialize)]
pub struct Record<'a> {
    /// When its head had come in.
    #[serde(serialize_with = "time")]
    pub time: SystemTime,
    /// The name that plugins and upstream know it by.
    pub request_id: Cow<'a, str>,
    /// The listener that it came in by.
    pub listener: &'a str,
    /// The real client.
    pub client: IpAddr,
    /// Its method.
    #[serde(serialize_with = "method")]
    pub method: &'a Method,
    /// The host that it asked for.
    pub host: Cow<'a, str>,
    /// The normal path, without the query.
    pub path: &'a str,
    /// The protocol that the client spoke.
    #[serde(serialize_with = "version")]
    pub protocol: Version,
    /// The answer's status; none when the client left before there was one.
    pub status: Option<u16>,
    /// The route's name.
    pub route: Option<&'a str>,
    /// The upstream's name.
    pub upstream: Option<&'a str>,
    /// The endpoint that answered, or that did not.
    pub endpoint: Option<SocketAddr>,
    /// How often it was sent to the upstream.
    pub attempts: u32,
    /// Bytes of its body.
    pub bytes_in: u64,
    /// Bytes of the answer's body.
    pub bytes_out: u64,
    /// From its head to its end.
    #[serde(rename = "duration_us", serialize_with = "microseconds")]
    pub duration: Duration,
    /// From sending it to the answer's head.
    #[serde(rename = "upstream_us", serialize_with = "some_microseconds")]
    pub upstream_latency: Option<Duration>,
    /// Why it was answered as it was, when the upstream did not decide that.
    pub code_details: Option<&'a str>,
    /// Why the answer is not whole, if so.
    pub abort_reason: Option<&'a str>,
    /// What each plugin took, in the chain's order.
    pub plugins: Vec<PluginTimes<'a>>,
}

/// A TCP connection that ended. Durations are logged in whole microseconds, times in UTC.
#[derive(Debug, Clone, Serialize)]
pub struct ConnectionRecord<'a> {
    /// When it was accepted.
    #[serde(serialize_with = "time")]
    pub time: SystemTime,
    /// Its number, unique in the process.
    pub connection: u64,
    /// The listener that it came in by.
    pub listener: &'a str,
    /// The client.
    pub client: IpAddr,
    /// What was spoken, as the listener says.
    pub protocol: &'static str,
    /// The version of TLS; none in the clear.
    pub tls: Option<&'a str>,
    /// The name that the client asked for in its handshake.
    pub server_name: Option<&'a str>,
    /// The upstream's name; none if it ended before there was one.
    pub upstream: Option<&'a str>,
    /// The endpoint that it was connected to.
    pub endpoint: Option<SocketAddr>,
    /// How many endpoints were tried.
    pub attempts: u32,
    /// Bytes from the client.
    pub bytes_in: u64,
    /// Bytes to the client.
    pub bytes_out: u64,
    /// From its acceptance to its end.
    #[serde(rename = "duration_us", serialize_with = "microseconds")]
    pub duration: Duration,
    /// How long connecting to the upstream took.
    #[serde(rename = "connect_us", serialize_with = "some_microseconds")]
    pub connect: Option<Duration>,
    /// How it ended: the value of the label `result`.
    pub result: &'static str,
    /// What each plugin took, in the chain's order: for bytes from the client, and for those from the upstream.
    pub plugins: Vec<PluginTimes<'a>>,
}

/// What can be written as a line.
pub trait Line: Serialize {}

impl Line for Record<'_> {}

impl Line for ConnectionRecord<'_> {}

/// What a plugin took for one request or connection.
#[derive(Debug, Clone, Copy, Serialize)]
pub struct PluginTimes<'a> {
    /// Its name.
    pub name: &'a str,
    /// In the callbacks of the request phase; for bytes from the client.
    #[serde(serialize_with = "microseconds")]
    pub request_us: Duration,
    /// In the callbacks of the response phase; for bytes from the upstream.
    #[serde(serialize_with = "microseconds")]
    pub response_us: Duration,
}

/// Appends the record as a line.
pub(super) fn append(record: &impl Line, out: &mut Vec<u8>) {
    let start = out.len();
    match serde_json::to_writer(&mut *out, record) {
        Ok(()) => out.push(b'\n'),
        // Cannot be, as nothing in a record fails to serialise; half a line would spoil the next one all the same.
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

/// RFC 3339 with microseconds: `2026-01-31T23:59:59.000001Z`. What is before 1970 is written as 1970.
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
