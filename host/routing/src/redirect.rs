//! [`Redirect`]: where a request is redirected to (RFC 9110, section 10.2.2; Gateway API, HTTPRequestRedirect).
//!
//! The address is always absolute and made of parts, each in its place: a path such as `//evil.example` cannot become its host. What is
//! not visible ASCII, and what browsers read in ways of their own, is percent-encoded.

use http::uri::PathAndQuery;
use http::{HeaderValue, StatusCode};

use crate::path_change::PathChange;
use crate::settings::RedirectScheme;

/// A redirect.
#[derive(Debug, Clone)]
pub struct Redirect {
    /// Its status: 301, 302, 303, 307 or 308.
    pub status: StatusCode,
    /// The new scheme; none keeps the request's.
    pub scheme: Option<RedirectScheme>,
    /// The new host, without a port; none keeps the request's. An IPv6 address is in brackets.
    pub host: Option<String>,
    /// The new port; none: that of the new scheme, or of the request's host.
    pub port: Option<u16>,
    /// The change of the path.
    pub path: Option<PathChange>,
    /// Whether the query is left out.
    pub strip_query: bool,
}

/// The address that a client has asked for.
#[derive(Debug, Clone, Copy)]
pub struct RequestUrl<'a> {
    /// `http` or `https`, as the client sees it.
    pub scheme: &'a str,
    /// The host with its port, if the client named one. Empty: the client named no host.
    pub authority: &'a [u8],
    /// The normal path after the change, with its query.
    pub target: &'a PathAndQuery,
}

impl Redirect {
    /// The value of `Location`.
    pub fn location(&self, request: RequestUrl<'_>) -> HeaderValue {
        let scheme = self.scheme.map_or(request.scheme, |scheme| scheme.as_str());
        let (host, port) = split_authority(request.authority);
        let host = self.host.as_deref().map_or(host, str::as_bytes);
        let own = if scheme == "https" { 443 } else { 80 };
        let port = match (self.port, self.scheme) {
            (Some(port), _) => Some(port),
            (None, Some(_)) => None,
            (None, None) => port,
        };
        let mut out = Vec::with_capacity(64 + request.target.as_str().len());
        // Without a host there is no absolute address.
        if !host.is_empty() {
            out.extend_from_slice(scheme.as_bytes());
            out.extend_from_slice(b"://");
            out.extend(host.iter().filter(|byte| is_host(**byte)));
            if let Some(port) = port.filter(|port| *port != own) {
                out.extend_from_slice(format!(":{port}").as_bytes());
            }
        }
        // Of several slashes, a client would take the second for the beginning of a host.
        out.push(b'/');
        push(&mut out, request.target.path().trim_start_matches(['/', '*']));
        if let Some(query) = request.target.query().filter(|_| !self.strip_query) {
            out.push(b'?');
            push(&mut out, query);
        }
        HeaderValue::try_from(out).expect("visible ASCII makes a header value")
    }
}

/// Host and port of an authority.
fn split_authority(authority: &[u8]) -> (&[u8], Option<u16>) {
    let Some(colon) = authority.iter().rposition(|byte| *byte == b':') else {
        return (authority, None);
    };
    if authority[colon..].contains(&b']') {
        return (authority, None);
    }
    let port = std::str::from_utf8(&authority[colon + 1..]).ok();
    (&authority[..colon], port.and_then(|port| port.parse().ok()))
}

/// Whether a host may have this byte (RFC 3986, section 3.2.2).
fn is_host(byte: u8) -> bool {
    byte.is_ascii_graphic()
        && !matches!(
            byte,
            b'/' | b'?' | b'#' | b'@' | b'\\' | b'"' | b'<' | b'>' | b'^' | b'`' | b'{' | b'|' | b'}'
        )
}

/// Adds a path or a query, with what no URI has percent-encoded.
fn push(out: &mut Vec<u8>, text: &str) {
    for byte in text.bytes() {
        match byte {
            b'"' | b'<' | b'>' | b'\\' | b'^' | b'`' | b'{' | b'|' | b'}' | b'#' => escape(out, byte),
            byte if byte.is_ascii_graphic() => out.push(byte),
            byte => escape(out, byte),
        }
    }
}

fn escape(out: &mut Vec<u8>, byte: u8) {
    out.extend_from_slice(format!("%{byte:02X}").as_bytes());
}

#[cfg(test)]
mod tests;
