//! The destination of a route: exactly one of an upstream, a split, a redirect and a fixed response.

use bytes::Bytes;
use http::header::{CONNECTION, CONTENT_LENGTH, CONTENT_TYPE, TE, TRAILER, TRANSFER_ENCODING, UPGRADE};
use http::{HeaderMap, HeaderName, HeaderValue, StatusCode};
use lockgate_json::mistake::{Mistake, Mistakes};
use lockgate_json::pointer::Pointer;
use lockgate_json::tree::{Node, Value};
use lockgate_routing::settings::{Branch, RedirectSettings, RespondSettings};
use lockgate_routing::{FixedResponse, HostPattern, Match, Redirect, Split};

use super::upstreams::Upstreams;
use super::{addresses, path_changes};
use crate::model::{Destination, UpstreamIndex};
use crate::raw::Destinations;
use crate::substitute::LoadContext;

const DESTINATIONS: [&str; 4] = ["upstream", "split", "redirect", "respond"];
const EXPECTED: &str = "exactly one of \"upstream\", \"split\", \"redirect\" and \"respond\"";

/// A route as it is written, and what its names mean.
pub(super) struct Sources<'a> {
    pub(super) node: &'a Node,
    pub(super) here: &'a Pointer,
    pub(super) upstreams: &'a Upstreams,
    pub(super) context: &'a LoadContext<'a>,
}

impl Sources<'_> {
    /// Whether the route has this key, valid or not.
    pub(super) fn has(&self, key: &str) -> bool {
        let mut members = self.node.members().iter();
        members.any(|member| member.name == key && member.node.value != Value::Null)
    }

    /// The upstream that the member of `here` names.
    pub(super) fn upstream(
        &self,
        name: Option<String>,
        here: &Pointer,
        mistakes: &mut Mistakes,
    ) -> Option<UpstreamIndex> {
        mistakes.ok_or_record(self.upstreams.find(&name?, &here.key("upstream")))
    }
}

/// The destination of the route; none if it is missing or faulty.
pub(super) fn read(
    raw: Destinations,
    matches: &Match,
    route: &Sources<'_>,
    mistakes: &mut Mistakes,
) -> Option<Destination> {
    let here = route.here;
    let mut given = DESTINATIONS.into_iter().filter(|key| route.has(key));
    let Some(first) = given.next() else {
        let mistake = Mistake::missing_key(here.clone(), "upstream");
        mistakes.push(
            mistake
                .expected(format!("a destination: {EXPECTED}"))
                .hint("\"upstream\": Name of the upstream"),
        );
        return None;
    };
    for other in given {
        let mistake = Mistake::new(here.key(other), format!("\"{other}\" excludes \"{first}\""));
        mistakes.push(mistake.expected(format!("one destination: {EXPECTED}")).at_key());
    }
    if let local @ ("redirect" | "respond") = first {
        refuse_of_upstreams(local, route, mistakes);
    }
    let here = here.key(first);
    match raw {
        Destinations {
            upstream: Some(name), ..
        } => mistakes
            .ok_or_record(route.upstreams.find(&name, &here))
            .map(Destination::Upstream),
        Destinations {
            split: Some(branches), ..
        } => split(branches, &here, route, mistakes),
        Destinations {
            redirect: Some(raw), ..
        } => redirect(raw, matches, &here, mistakes).map(|redirect| Destination::Redirect(Box::new(redirect))),
        Destinations { respond: Some(raw), .. } => {
            respond(raw, route, &here, mistakes).map(|response| Destination::Respond(Box::new(response)))
        }
        _ => None,
    }
}

/// Reports the keys that are about upstreams in a route without one.
fn refuse_of_upstreams(destination: &str, route: &Sources<'_>, mistakes: &mut Mistakes) {
    for key in ["rewrite", "mirror", "timeouts", "retry"]
        .into_iter()
        .filter(|key| route.has(key))
    {
        let text = format!("\"{key}\" has no effect with \"{destination}\": its requests go to no upstream");
        let mistake = Mistake::new(route.here.key(key), text).at_key();
        mistakes.push(match (key, destination) {
            ("rewrite", "redirect") => mistake.hint("\"redirect\" has \"path\", \"prefix\" and \"regex\" itself"),
            _ => mistake.expected("\"upstream\" or \"split\""),
        });
    }
}

fn split(branches: Vec<Branch>, here: &Pointer, route: &Sources<'_>, mistakes: &mut Mistakes) -> Option<Destination> {
    let count = branches.len();
    let is_empty = branches.iter().all(|branch| branch.weight == 0);
    let mut known = Vec::new();
    for (at, branch) in branches.into_iter().enumerate() {
        let upstream = route.upstream(branch.upstream, &here.index(at), mistakes);
        known.extend(upstream.map(|upstream| (upstream, branch.weight)));
    }
    if is_empty && !mistakes.within(here) {
        let mistake = Mistake::new(here.clone(), "every upstream of the split has weight 0");
        mistakes.push(mistake.expected("at least one weight above 0"));
    }
    if known.len() != count {
        return None;
    }
    Split::new(known).map(|split| Destination::Split(Box::new(split)))
}

fn redirect(raw: RedirectSettings, matches: &Match, here: &Pointer, mistakes: &mut Mistakes) -> Option<Redirect> {
    let is_change = raw.scheme.is_some() || raw.host.is_some() || raw.port.is_some() || raw.strip_query;
    let host = raw
        .host
        .and_then(|host| mistakes.ok_or_record(redirect_host(&host, &here.key("host"))));
    let paths = path_changes::Given {
        path: raw.path,
        prefix: raw.prefix,
        regex: raw.regex,
        to: raw.to,
    };
    let has_path = !paths.is_empty();
    let path = path_changes::read(paths, matches, here, mistakes);
    if !is_change && !has_path && !mistakes.within(here) {
        mistakes.push(
            Mistake::new(here.clone(), "this redirect leads to the address that was asked for")
                .expected("\"scheme\", \"host\", \"port\", \"path\", \"prefix\" or \"regex\" with \"to\""),
        );
    }
    if has_path && path.is_none() {
        return None;
    }
    Some(Redirect {
        status: StatusCode::from_u16(raw.status).ok()?,
        scheme: raw.scheme,
        host,
        port: raw.port,
        path,
        strip_query: raw.strip_query,
    })
}

/// A host without a port.
fn redirect_host(text: &str, here: &Pointer) -> Result<String, Mistake> {
    match addresses::host(text, here) {
        Ok(HostPattern::Exact(host)) => Ok(host),
        Ok(HostPattern::Wildcard(_)) => Err(Mistake::invalid(here.clone(), "a host name like \"www.example.com\"")),
        Err(mistake) if text == "*" => Err(Mistake {
            hint: None,
            expected: Some("a host name like \"www.example.com\"".to_owned()),
            ..mistake
        }),
        Err(mistake) => {
            let mistake = mistake.expected("a host name like \"www.example.com\"");
            let has_port = mistake
                .hint
                .as_deref()
                .is_some_and(|hint| hint.starts_with("remove the port"));
            Err(match has_port {
                true => mistake.hint("the port has a key of its own: \"port\""),
                false => mistake,
            })
        }
    }
}

fn respond(
    raw: RespondSettings,
    route: &Sources<'_>,
    here: &Pointer,
    mistakes: &mut Mistakes,
) -> Option<FixedResponse> {
    let status = StatusCode::from_u16(raw.status).ok()?;
    let mut headers = headers(&raw, &here.key("headers"), mistakes);
    let node = route.node.member("respond")?;
    let given = ["body", "json", "body_file"];
    let mut given = given.into_iter().filter(|key| node.member(key).is_some());
    let Some(key) = given.next() else {
        return Some(FixedResponse {
            status,
            headers,
            body: Bytes::new(),
        });
    };
    for other in given {
        let mistake = Mistake::new(here.key(other), format!("\"{other}\" excludes \"{key}\""));
        mistakes.push(
            mistake
                .expected("at most one of \"body\", \"json\" and \"body_file\"")
                .at_key(),
        );
    }
    if FixedResponse::has_no_body(status) {
        let text = format!("a response with status {} has no body", status.as_u16());
        mistakes.push(
            Mistake::new(here.key(key), text)
                .at_key()
                .hint("remove it, or use another status"),
        );
    }
    let (body, kind) = match key {
        "body" => (raw.body.unwrap_or_default().into_bytes(), "text/plain; charset=utf-8"),
        // As it is written: key order and digits are its clients' business.
        "json" => (node.member(key)?.to_json().into_bytes(), "application/json"),
        _ => {
            let path = raw.body_file?;
            let contents = route.context.contents(&path);
            let contents = contents.map_err(|reason| Mistake::new(here.key(key), reason));
            (mistakes.ok_or_record(contents)?, kind_of_file(&path))
        }
    };
    if !body.is_empty() {
        headers.entry(CONTENT_TYPE).or_insert(HeaderValue::from_static(kind));
    }
    Some(FixedResponse {
        status,
        headers,
        body: body.into(),
    })
}

fn headers(raw: &RespondSettings, here: &Pointer, mistakes: &mut Mistakes) -> HeaderMap {
    let mut headers = HeaderMap::new();
    for (name, value) in &raw.headers {
        let here = here.key(name);
        let parsed = name.parse::<HeaderName>();
        match parsed {
            Err(_) => mistakes.push(Mistake::new(here.clone(), "found an invalid header name").at_key()),
            Ok(name) if is_framing(&name) => {
                let text = format!("\"{name}\" is set by the gateway, as the connection needs it");
                mistakes.push(Mistake::new(here.clone(), text).at_key().hint("remove it"));
            }
            Ok(name) => match HeaderValue::from_str(value) {
                Ok(value) if value.to_str().is_ok_and(|text| text.trim() == text) => {
                    headers.insert(name, value);
                }
                _ => mistakes.push(Mistake::invalid(
                    here,
                    "a header's value: visible characters, no spaces around them",
                )),
            },
        }
    }
    headers
}

/// Whether the field is about the connection or the length of the message.
fn is_framing(name: &HeaderName) -> bool {
    [CONNECTION, CONTENT_LENGTH, TE, TRAILER, TRANSFER_ENCODING, UPGRADE].contains(name)
        || matches!(name.as_str(), "keep-alive" | "proxy-connection")
}

/// The media type of a file's extension.
fn kind_of_file(path: &str) -> &'static str {
    let extension = path
        .rsplit_once('.')
        .map(|(_, extension)| extension.to_ascii_lowercase());
    match extension.as_deref() {
        Some("html" | "htm") => "text/html; charset=utf-8",
        Some("txt") => "text/plain; charset=utf-8",
        Some("css") => "text/css; charset=utf-8",
        Some("js" | "mjs") => "text/javascript; charset=utf-8",
        Some("json") => "application/json",
        Some("xml") => "application/xml",
        Some("svg") => "image/svg+xml",
        Some("png") => "image/png",
        Some("ico") => "image/x-icon",
        _ => "application/octet-stream",
    }
}
