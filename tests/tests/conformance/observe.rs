//! What comes of a case in a host: a line `WHO.WHAT = VALUE` for each thing that the client saw, the upstreams saw and the guest
//! was told.

use crate::case::{BY_HAND, BodyComes, CRATE, Case};
use crate::upstreams::Upstreams;
use lockgate_tests::Wire;
use lockgate_tests::http::{Fields, Message, Request, get};
use std::io;
use std::net::SocketAddr;
use std::thread;
use std::time::{Duration, Instant};

/// How long the end of a stream is waited for.
const SHORT: Duration = Duration::from_millis(400);

/// The same, where something comes afterwards that one host or both tell.
const LONG: Duration = Duration::from_millis(800);

/// Sends a case's request to a host, and tells what came of it.
pub(crate) fn observe(host: SocketAddr, upstreams: &Upstreams, case: &Case) -> Vec<String> {
    // Guests keep what they are told under a token; under `root`, what happened before any stream.
    let token = &case.name;
    let (app_before, side_before) = (upstreams.app.requests().len(), upstreams.side.requests().len());
    let request = case.request.clone().header("x-token", token);
    let mut lines = match sent(host, upstreams, case, &request) {
        Ok(response) => client_lines(&response),
        Err(_) => vec!["client.status = no answer".to_string()],
    };
    thread::sleep(case.settle);
    let report = if case.guest.starts_with(BY_HAND) {
        String::new()
    } else if case.guest == CRATE {
        ask(host, case, token, ("x-case", "report"))
    } else {
        ended_report(host, case, token)
    };
    upstreams.settle();
    for seen in &upstreams.app.requests()[app_before..] {
        lines.extend(upstream_lines("app", seen));
    }
    // Two that were asked at once arrive in any order.
    let mut aside = upstreams.side.requests()[side_before..].to_vec();
    aside.sort_by(|one, other| one.start.cmp(&other.start));
    for seen in &aside {
        lines.extend(upstream_lines("side", seen));
    }
    let mut told: Vec<_> = report.lines().map(|line| format!("guest.{line}")).collect();
    told.sort_by_key(|line| end_of_stream_rank(line));
    lines.extend(told);
    lines
}

/// Sends a request in one piece, or its body only when the upstream has its head: what a host has sent on by the time it sees the
/// body is then no matter of timing.
fn sent(host: SocketAddr, upstreams: &Upstreams, case: &Case, request: &Request) -> io::Result<Message> {
    let mut wire = Wire::try_connect(host)?;
    match case.body {
        BodyComes::AtOnce => wire.exchange(request),
        BodyComes::BehindTheHead => {
            let (before, (head, body)) = (upstreams.app.begun(), request.parts());
            wire.write(head)?;
            within(Duration::from_secs(5), || upstreams.app.begun() > before);
            wire.write(body)?;
            wire.response(request.method())
        }
    }
}

/// Waits until something holds, but not for ever: what is seen then tells the rest.
pub(crate) fn within(patience: Duration, holds: impl Fn() -> bool) {
    let started = Instant::now();
    while !holds() && started.elapsed() < patience {
        thread::sleep(Duration::from_millis(2));
    }
}

fn ask(host: SocketAddr, case: &Case, token: &str, header: (&str, &str)) -> String {
    let request = get("/")
        .header("host", &case.host())
        .header(header.0, header.1)
        .header("x-token", token);
    let answer = Wire::try_connect(host).and_then(|mut wire| wire.exchange(&request));
    answer.map_or_else(|error| format!("report = none: {error}"), |answer| answer.text())
}

/// The report, once the stream has been deleted and what the case waits for has come; else as it stands after a while.
fn ended_report(host: SocketAddr, case: &Case, token: &str) -> String {
    let started = Instant::now();
    loop {
        let report = ask(host, case, token, ("x-report", token));
        let (awaited, patience) = match &case.until {
            Some(line) => (line.as_str(), LONG),
            None => ("delete.called", SHORT),
        };
        let is_over = report.contains("delete.called") && report.contains(awaited);
        if is_over || started.elapsed() > patience {
            return report;
        }
        thread::sleep(Duration::from_millis(4));
    }
}

/// Envoy logs a stream before it is done, we after; everything else is compared in its order.
fn end_of_stream_rank(line: &str) -> u8 {
    match line {
        _ if line.starts_with("guest.log.") => 1,
        _ if line.starts_with("guest.done.") => 2,
        _ if line.starts_with("guest.delete.") => 3,
        _ => 0,
    }
}

fn client_lines(response: &Message) -> Vec<String> {
    let mut lines = vec![
        format!("client.status = {} {:?}", response.status(), response.ending),
        format!("client.headers = {}", own(&response.headers)),
        format!("client.body = {}", shortened(&response.text())),
    ];
    for name in ["content-type", "grpc-status", "grpc-message"] {
        lines.extend(response.header(name).map(|value| format!("client.{name} = {value}")));
    }
    if !response.trailers.is_empty() {
        lines.push(format!("client.trailers = {}", own(&response.trailers)));
    }
    lines
}

fn upstream_lines(name: &str, request: &Message) -> Vec<String> {
    let mut lines = vec![
        format!(
            "{name}.request = {}, host {}",
            request.start,
            request.header("host").unwrap_or("none")
        ),
        format!("{name}.headers = {}", own(&request.headers)),
        format!("{name}.body = {}", shortened(&request.text())),
    ];
    if !request.trailers.is_empty() {
        lines.push(format!("{name}.trailers = {}", own(&request.trailers)));
    }
    lines
}

fn shortened(text: &str) -> String {
    if text.len() > 100 {
        format!(
            "{:?}... {} bytes",
            text.chars().take(40).collect::<String>(),
            text.len()
        )
    } else {
        format!("{text:?}")
    }
}

/// The fields that belong to the test, sorted by name; those of one name stay in their order.
fn own(fields: &Fields) -> String {
    let mut own: Vec<_> = fields
        .iter()
        .map(|(name, value)| (name.to_lowercase(), value))
        .filter(|(name, _)| name.starts_with("x-c-"))
        .collect();
    own.sort_by(|one, other| one.0.cmp(&other.0));
    own.iter()
        .map(|(name, value)| match value.len() {
            0..=100 => format!("{name}={value}"),
            long => format!("{name}=({long} bytes)"),
        })
        .collect::<Vec<_>>()
        .join(" ")
}
