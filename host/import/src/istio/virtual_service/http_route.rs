//! A route for HTTP: its alternatives of conditions, and what it does.

use super::action::{self, Action, RouteSettings};
use super::matches::{self, HttpMatch};
use super::retries;
use crate::durations::written;
use crate::fields::{Field, Section};
use crate::losses::Spot;
use crate::output::{Json, Object};

/// A route.
#[derive(Debug, Clone)]
pub(in crate::istio) struct HttpRoute {
    pub(in crate::istio) name: Option<String>,
    /// One must hold. None can: every alternative was left out.
    pub(in crate::istio) matches: Vec<HttpMatch>,
    /// None: it cannot be kept, which is reported.
    pub(in crate::istio) action: Option<Action>,
    pub(in crate::istio) settings: RouteSettings,
    pub(in crate::istio) spot: Spot,
}

pub(super) fn read(section: &Section<'_>) -> HttpRoute {
    let conditions = section.get("match").filter(|field| !field.items().is_empty());
    let matches = match conditions {
        None => vec![HttpMatch::default()],
        Some(_) => section.sections("match").iter().filter_map(matches::read).collect(),
    };
    let settings = settings(section);
    HttpRoute {
        name: section.text("name").map(str::to_owned),
        matches,
        action: action(section),
        settings,
        spot: section.field().spot(),
    }
}

fn action(section: &Section<'_>) -> Option<Action> {
    let redirect = section.section("redirect");
    let respond = section.section("directResponse");
    let destinations = action::destinations(section);
    if let Some(field) = section.get("delegate") {
        let why = "routes of another VirtualService are not taken over here: the route is left out";
        field.lost(why, "move them into this VirtualService");
        return None;
    }
    match (redirect, respond) {
        (Some(redirect), _) => action::redirect(&redirect).map(Action::Redirect),
        (None, Some(respond)) => action::respond(&respond).map(Action::Respond),
        (None, None) if destinations.is_empty() => {
            section
                .field()
                .lost("the route has no destination, and is left out", "");
            None
        }
        (None, None) => Some(Action::Forward(destinations)),
    }
}

fn settings(section: &Section<'_>) -> RouteSettings {
    let mut out = RouteSettings {
        headers: headers(section),
        ..RouteSettings::default()
    };
    let timeout = section.get("timeout").and_then(|field| field.duration());
    out.settings
        .set_some("timeout", timeout.filter(|timeout| !timeout.is_zero()).map(written));
    if let Some(retries) = section.section("retries") {
        retries::read(&retries, &mut out.upstream);
    }
    if let Some(fault) = section.section("fault") {
        action::faults(&fault, &mut out.settings);
    }
    if let Some(rewrite) = section.section("rewrite") {
        out.path = action::rewrite(&rewrite);
        out.authority = rewrite.text("authority").map(str::to_owned);
    }
    mirrors(section, &mut out);
    let why = "there is no plugin for CORS: preflight requests go to the upstream";
    section.lost("corsPolicy", why, "let the upstream answer them, or write a plugin");
    out
}

fn mirrors(section: &Section<'_>, out: &mut RouteSettings) {
    // The old form, with a percentage beside it.
    if let Some(destination) = section.get("mirror").and_then(|field| action::destination(&field)) {
        let old = section.get("mirrorPercent").and_then(|field| field.percent());
        let percent = action::percentage(section, "mirrorPercentage").or(old);
        out.mirrors.push((destination, percent));
    }
    for mirror in section.sections("mirrors") {
        let percent = action::percentage(&mirror, "percentage");
        let destination = mirror.get("destination").and_then(|field| action::destination(&field));
        out.mirrors
            .extend(destination.map(|destination| (destination, percent)));
    }
}

/// Changes of headers, as configuration of the plugin `headers`.
pub(super) fn headers(section: &Section<'_>) -> Object {
    let mut out = Object::new();
    let Some(headers) = section.section("headers") else {
        return out;
    };
    for direction in ["request", "response"] {
        if let Some(changes) = headers.section(direction) {
            out.set_filled(direction, operations(&changes));
        }
    }
    out
}

fn operations(changes: &Section<'_>) -> Object {
    let mut out = Object::new();
    let remove = changes.items("remove");
    let remove = remove
        .iter()
        .filter(|field| field.text().is_some_and(|name| is_kept(field, name)));
    let remove: Vec<&str> = remove.filter_map(Field::text).collect();
    out.set_filled("remove", remove);
    for operation in ["set", "add"] {
        let members = changes
            .section(operation)
            .map(|section| section.all())
            .unwrap_or_default();
        let mut values = Object::new();
        for (name, field) in members {
            if let Some(value) = is_kept(&field, name).then(|| value(&field)).flatten() {
                values.set(name, value);
            }
        }
        out.set_filled(operation, values);
    }
    out
}

/// Whether the plugin may change this header.
fn is_kept(field: &Field<'_>, name: &str) -> bool {
    // What frames the message, and what belongs to the connection.
    const REFUSED: [&str; 10] = [
        "connection",
        "content-length",
        "host",
        "keep-alive",
        "proxy-connection",
        "te",
        "trailer",
        "transfer-encoding",
        "upgrade",
        "expect",
    ];
    let lower = name.to_ascii_lowercase();
    if lower == "host" || lower == ":authority" {
        field.lost("plugins do not change the host", "\"host\" of the upstream");
        return false;
    }
    if !crate::patterns::is_header_name(name) || REFUSED.contains(&lower.as_str()) {
        field.lost("plugins do not change this header", "");
        return false;
    }
    true
}

/// A value as the plugin's template. None: it has Envoy's variables.
fn value(field: &Field<'_>) -> Option<Json> {
    let text = field.text()?;
    if text.contains('%') && text.replace("%%", "").contains('%') {
        field.lost(
            "variables of Envoy are not known",
            "a template of the plugin headers: \"{header:NAME}\", \"{address}\" …",
        );
        return None;
    }
    let plain = text.replace("%%", "%").replace('{', "{{").replace('}', "}}");
    Some(Json::from(plain))
}
