//! Conditions of a route. A condition that gateway.json cannot have is never left out alone: the route would take requests that it should
//! not. The whole alternative is left out, and reported.

use crate::fields::{Field, Section};
use crate::losses::Spot;
use crate::patterns::{is_header_name, is_regex, is_token, methods};

/// One alternative of a route's conditions, all of which must hold.
#[derive(Debug, Clone, Default)]
pub(in crate::istio) struct HttpMatch {
    pub(in crate::istio) uri: Option<Uri>,
    pub(in crate::istio) scheme: Option<String>,
    /// Empty: all methods.
    pub(in crate::istio) methods: Vec<String>,
    /// A host.
    pub(in crate::istio) authority: Option<String>,
    pub(in crate::istio) headers: Vec<(String, TextMatch)>,
    pub(in crate::istio) query: Vec<(String, TextMatch)>,
    /// A port of the gateway.
    pub(in crate::istio) port: Option<u16>,
    /// Names of gateways. Empty: all of the virtual service.
    pub(in crate::istio) gateways: Vec<String>,
    pub(in crate::istio) spot: Option<Spot>,
}

/// A condition on the path.
#[derive(Debug, Clone)]
pub(in crate::istio) struct Uri {
    pub(in crate::istio) text: TextMatch,
    pub(in crate::istio) ignore_case: bool,
}

/// A condition on a text.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(in crate::istio) enum TextMatch {
    Exact(String),
    /// Of characters: `/a` matches `/ab`.
    Prefix(String),
    /// The whole text matches.
    Regex(String),
    /// Any text.
    Present,
}

/// Reads an alternative. None: it cannot be kept, which is reported.
pub(super) fn read(section: &Section<'_>) -> Option<HttpMatch> {
    section.skip(&["name", "statPrefix"]);
    let mut is_kept = true;
    let clients = "the client's workload is not known at a gateway";
    let conditions = [
        ("sourceLabels", clients),
        ("sourceNamespace", clients),
        (
            "withoutHeaders",
            "a route has no condition that a header must not fulfil",
        ),
    ];
    for (name, why) in conditions {
        if let Some(field) = section.get(name) {
            field.lost(&format!("{why}: this alternative of the route is left out"), "");
            is_kept = false;
        }
    }
    let mut keep = |value: Option<()>| is_kept &= value.is_some();
    let mut out = HttpMatch {
        spot: Some(section.field().spot()),
        ..HttpMatch::default()
    };
    let gateways = section.items("gateways");
    out.gateways = gateways.iter().filter_map(Field::text).map(str::to_owned).collect();
    if let Some(field) = section.get("port") {
        keep(field.port().map(|port| out.port = Some(port)));
    }
    let ignore_case = section.get("ignoreUriCase").and_then(|field| field.flag()) == Some(true);
    if let Some(field) = section.get("uri") {
        keep(text_match(&field).map(|text| out.uri = Some(Uri { text, ignore_case })));
    }
    if let Some(field) = section.get("scheme") {
        keep(scheme(&field).map(|scheme| out.scheme = scheme));
    }
    if let Some(field) = section.get("method") {
        keep(method(&field).map(|methods| out.methods = methods));
    }
    if let Some(field) = section.get("authority") {
        keep(authority(&field).map(|host| out.authority = Some(host)));
    }
    for (list, name) in [(&mut out.headers, "headers"), (&mut out.query, "queryParams")] {
        let members = section.section(name).map(|section| section.all()).unwrap_or_default();
        for (key, field) in members {
            keep(named(name, key, &field).map(|condition| list.push((key.to_owned(), condition))));
        }
    }
    if !is_kept {
        section.skip_all();
    }
    is_kept.then_some(out)
}

/// A condition on a header or query parameter. None: it is reported.
fn named(list: &str, key: &str, field: &Field<'_>) -> Option<TextMatch> {
    if list == "headers" && !is_header_name(key) {
        left_out(field, "a route has no condition on such a header");
        return None;
    }
    let condition = text_match(field)?;
    if let TextMatch::Exact(text) = &condition
        && list == "headers"
        && (text.trim() != text || text.chars().any(|c| !(c == ' ' || c.is_ascii_graphic())))
    {
        left_out(field, "no header has this value");
        return None;
    }
    Some(condition)
}

fn left_out(field: &Field<'_>, why: &str) {
    field.lost(&format!("{why}: this alternative of the route is left out"), "");
}

/// A StringMatch. Without a kind, the text must be there.
fn text_match(field: &Field<'_>) -> Option<TextMatch> {
    let section = field.section()?;
    let exact = section.text("exact").map(str::to_owned).map(TextMatch::Exact);
    let prefix = section.text("prefix").map(str::to_owned).map(TextMatch::Prefix);
    let Some(regex) = section.get("regex") else {
        return Some(exact.or(prefix).unwrap_or(TextMatch::Present));
    };
    let text = regex.text()?;
    if !is_regex(text) {
        left_out(&regex, "gateway.json does not take this expression");
        return None;
    }
    Some(TextMatch::Regex(text.to_owned()))
}

/// The scheme; none if both are meant.
fn scheme(field: &Field<'_>) -> Option<Option<String>> {
    match text_match(field)? {
        TextMatch::Exact(text) if matches!(text.as_str(), "http" | "https") => Some(Some(text)),
        TextMatch::Prefix(text) if "http".starts_with(&text) => Some(None),
        TextMatch::Present => Some(None),
        _ => {
            left_out(field, "a scheme is http or https");
            None
        }
    }
}

fn method(field: &Field<'_>) -> Option<Vec<String>> {
    let names = match text_match(field)? {
        TextMatch::Exact(text) => is_token(&text).then(|| vec![text]),
        TextMatch::Regex(text) if matches!(text.as_str(), ".*" | ".+") => Some(Vec::new()),
        TextMatch::Regex(text) => methods(&text),
        TextMatch::Prefix(text) if text.is_empty() => Some(Vec::new()),
        TextMatch::Prefix(_) => None,
        TextMatch::Present => Some(Vec::new()),
    };
    if names.is_none() {
        left_out(field, "methods are matched by their names");
    }
    names
}

fn authority(field: &Field<'_>) -> Option<String> {
    let text = match text_match(field)? {
        TextMatch::Exact(text) => text.to_ascii_lowercase(),
        _ => {
            left_out(field, "hosts are matched by their names");
            return None;
        }
    };
    match text.rsplit_once(':') {
        Some((host, port)) if port.parse::<u16>().is_ok() => {
            field.changed("hosts are matched without their port", "");
            Some(host.to_owned())
        }
        _ => Some(text),
    }
}
