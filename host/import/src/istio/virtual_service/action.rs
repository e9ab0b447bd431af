//! What a route does with a request: where it goes, what the gateway says by itself, and what changes on the way.

use crate::durations::written;
use crate::fields::{Field, Section};
use crate::losses::Spot;
use crate::output::Object;

/// What a route does.
#[derive(Debug, Clone)]
pub(in crate::istio) enum Action {
    /// Destinations with their weights; one or more.
    Forward(Vec<Weighted>),
    /// The setting `redirect`.
    Redirect(Object),
    /// The setting `respond`.
    Respond(Object),
}

/// A destination with its share of the requests.
#[derive(Debug, Clone)]
pub(in crate::istio) struct Weighted {
    pub(in crate::istio) destination: Destination,
    pub(in crate::istio) weight: Option<u64>,
    pub(in crate::istio) headers: Object,
    pub(in crate::istio) spot: Spot,
}

/// A service, as a route names it.
#[derive(Debug, Clone)]
pub(in crate::istio) struct Destination {
    pub(in crate::istio) host: String,
    pub(in crate::istio) subset: Option<String>,
    pub(in crate::istio) port: Option<u16>,
    pub(in crate::istio) spot: Spot,
}

/// A change of the path.
#[derive(Debug, Clone)]
pub(in crate::istio) enum Change {
    /// In place of what the condition on the path has matched.
    Matched(String),
    /// In place of what an expression matches; with groups as gateway.json writes them.
    Regex { regex: String, to: String },
}

/// What a route does besides.
#[derive(Debug, Clone, Default)]
pub(in crate::istio) struct RouteSettings {
    pub(in crate::istio) path: Option<(Change, Spot)>,
    /// The host that the upstream sees.
    pub(in crate::istio) authority: Option<String>,
    /// Shadows, with their percentage.
    pub(in crate::istio) mirrors: Vec<(Destination, Option<f64>)>,
    /// `retry` and `timeouts` of the upstream.
    pub(in crate::istio) upstream: Object,
    /// `timeout`, `delay` and `abort`.
    pub(in crate::istio) settings: Object,
    /// Configuration of the plugin `headers`.
    pub(in crate::istio) headers: Object,
}

/// The destinations of a route.
pub(super) fn destinations(section: &Section<'_>) -> Vec<Weighted> {
    let items = section.sections("route");
    let weighted = |item: &Section<'_>| {
        Some(Weighted {
            destination: destination(&item.get("destination")?)?,
            weight: item.get("weight").and_then(|field| field.number()),
            headers: super::http_route::headers(item),
            spot: item.field().spot(),
        })
    };
    items.iter().filter_map(weighted).collect()
}

/// A destination.
pub(super) fn destination(field: &Field<'_>) -> Option<Destination> {
    let section = field.section()?;
    Some(Destination {
        host: section.text("host")?.to_owned(),
        subset: section.text("subset").map(str::to_owned),
        port: section.section("port").and_then(|port| port.get("number")?.port()),
        spot: section.get("host")?.spot(),
    })
}

/// The setting `redirect`. None: it cannot be kept, which is reported.
pub(super) fn redirect(section: &Section<'_>) -> Option<Object> {
    let mut out = Object::new();
    if let Some(field) = section.get("redirectCode") {
        match field.number().filter(|code| [301, 302, 303, 307, 308].contains(code)) {
            Some(code) => out.set("status", code),
            None => {
                section.skip_all();
                field.lost(
                    "a redirect has the status 301, 302, 303, 307 or 308: the route is left out",
                    "",
                );
                return None;
            }
        }
    } else {
        out.set("status", 301);
    }
    let scheme = section.get("scheme");
    if let Some(field) = &scheme {
        match field.text() {
            Some(scheme @ ("http" | "https")) => out.set("scheme", scheme),
            _ => field.lost("the scheme of a redirect is http or https", ""),
        }
    }
    if let Some(field) = section.get("authority") {
        let text = field.text().unwrap_or_default();
        match text.rsplit_once(':') {
            Some((host, port)) if port.parse::<u16>().is_ok_and(|port| port > 0) => {
                out.set("host", host);
                out.set_some("port", port.parse::<u64>().ok());
            }
            _ => out.set("host", text),
        }
    }
    if let Some(field) = section.get("port") {
        out.set_some("port", field.port().map(u64::from));
    }
    if let Some(field) = section.get("derivePort") {
        let is_kept = match field.text() {
            Some("FROM_REQUEST_PORT") => scheme.is_none(),
            _ => scheme.is_some(),
        };
        if !is_kept {
            let why = "with \"scheme\" the port is the scheme's own, without it that of the request";
            field.lost(why, "\"port\" of \"redirect\"");
        }
    }
    if let Some(field) = section.get("uri") {
        path(&field, &mut out);
    }
    Some(out)
}

fn path(field: &Field<'_>, out: &mut Object) {
    let text = field.text().unwrap_or_default();
    match crate::patterns::is_normal_path(text) {
        true => out.set("path", text),
        false => field.lost(
            "the path of a redirect is a plain path: it stays that of the request",
            "\"regex\" and \"to\" of \"redirect\"",
        ),
    }
}

/// The setting `respond`. None: it cannot be kept, which is reported.
pub(super) fn respond(section: &Section<'_>) -> Option<Object> {
    let status = section.get("status")?;
    let Some(code) = status.number().filter(|code| (200..=599).contains(code)) else {
        section.skip_all();
        status.lost("a response has a status from 200 to 599: the route is left out", "");
        return None;
    };
    let mut out = Object::new().with("status", code);
    if let Some(body) = section.section("body") {
        out.set_some("body", body.text("string"));
        body.lost("bytes", "a body is text", "\"body_file\" of \"respond\"");
    }
    Some(out)
}

/// The change of the path that a rewrite makes.
pub(super) fn rewrite(section: &Section<'_>) -> Option<(Change, Spot)> {
    if let Some(field) = section.get("uriRegexRewrite") {
        section.skip(&["uri"]);
        let parts = field.section()?;
        let regex = parts.get("match")?;
        let text = regex.text()?;
        if !crate::patterns::is_regex(text) {
            parts.skip_all();
            regex.lost(
                "gateway.json does not take this expression: the path is not changed",
                "",
            );
            return None;
        }
        let to = groups(parts.text("rewrite").unwrap_or_default());
        let regex = text.to_owned();
        return Some((Change::Regex { regex, to }, field.spot()));
    }
    let field = section.get("uri")?;
    Some((Change::Matched(field.text()?.to_owned()), field.spot()))
}

/// A replacement with RE2's groups (`\1`) as gateway.json writes it (`${1}`).
fn groups(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    let mut chars = text.chars();
    while let Some(c) = chars.next() {
        match c {
            '$' => out.push_str("$$"),
            '\\' => match chars.next() {
                Some(digit) if digit.is_ascii_digit() => out.push_str(&format!("${{{digit}}}")),
                Some(other) => out.push(other),
                None => {}
            },
            c => out.push(c),
        }
    }
    out
}

/// `delay` and `abort`.
pub(super) fn faults(section: &Section<'_>, out: &mut Object) {
    if let Some(delay) = section.section("delay") {
        delay.lost(
            "exponentialDelay",
            "delays have a fixed duration",
            "\"delay\": { \"duration\": … }",
        );
        let duration = delay.get("fixedDelay").and_then(|field| field.duration());
        if let Some(duration) = duration.filter(|duration| !duration.is_zero()) {
            out.set(
                "delay",
                with_percent(Object::new().with("duration", written(duration)), &delay),
            );
        }
    }
    if let Some(abort) = section.section("abort") {
        let mut setting = Object::new();
        if let Some(field) = abort.get("httpStatus") {
            match field.number().filter(|status| (400..=599).contains(status)) {
                Some(status) => setting.set("status", status),
                None => field.lost("an abort has a status from 400 to 599", ""),
            }
        }
        if let Some(field) = abort.get("grpcStatus") {
            match field.text().and_then(grpc_status) {
                Some(status) => setting.set("grpc_status", status),
                None => field.lost("an unknown gRPC status", ""),
            }
        }
        abort.lost(
            "http2Error",
            "aborts are responses with a status",
            "\"abort\": { \"status\": … }",
        );
        if setting.is_empty() {
            abort.skip_all();
        } else {
            out.set("abort", with_percent(setting, &abort));
        }
    }
}

/// Adds the percentage: Istio's new form, or the old whole number. Without one, every request is meant.
fn with_percent(mut setting: Object, section: &Section<'_>) -> Object {
    let whole = section.get("percent").and_then(|field| field.percent());
    let percent = percentage(section, "percentage").or(whole);
    setting.set_some("percent", percent.filter(|percent| *percent < 100.0));
    setting
}

/// A percentage in its newer form. An absent number is 0, as in the message that carries it.
pub(super) fn percentage(section: &Section<'_>, name: &str) -> Option<f64> {
    let section = section.section(name)?;
    section.get("value").map_or(Some(0.0), |field| field.percent())
}

/// The number of a gRPC status, given by number or name. `OK` is no abort.
fn grpc_status(text: &str) -> Option<u64> {
    const NAMES: [&str; 16] = [
        "CANCELLED",
        "UNKNOWN",
        "INVALID_ARGUMENT",
        "DEADLINE_EXCEEDED",
        "NOT_FOUND",
        "ALREADY_EXISTS",
        "PERMISSION_DENIED",
        "RESOURCE_EXHAUSTED",
        "FAILED_PRECONDITION",
        "ABORTED",
        "OUT_OF_RANGE",
        "UNIMPLEMENTED",
        "INTERNAL",
        "UNAVAILABLE",
        "DATA_LOSS",
        "UNAUTHENTICATED",
    ];
    let named = NAMES
        .iter()
        .position(|name| *name == text)
        .map(|index| index as u64 + 1);
    named.or_else(|| text.parse().ok().filter(|status| (1..=16).contains(status)))
}
