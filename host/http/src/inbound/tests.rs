//! What is let in, in which shape, and what is not.

mod heads;
mod lengths;
mod stripped;
mod trust;
mod upgrades;

use std::collections::HashSet;
use std::net::IpAddr;

use http::request::Parts;
use http::{HeaderMap, HeaderName, Request, Version};
use lockgate_exchange::Scheme;
use proptest::prelude::*;

use super::*;
use crate::settings::{AmbiguousNames, EscapedSlashes, TrailerNames};

fn request(version: Version, target: &str, fields: &[(&str, &str)]) -> Parts {
    let mut request = Request::builder().version(version).uri(target);
    for (name, value) in fields {
        request = request.header(*name, *value);
    }
    request.body(()).unwrap().into_parts().0
}

fn http1(target: &str, fields: &[(&str, &str)]) -> Parts {
    request(Version::HTTP_11, target, fields)
}

/// From 203.0.113.9, behind no proxy.
fn admitted(parts: Parts) -> Result<Admitted, Malformed> {
    admitted_from("203.0.113.9:4711", &[], parts)
}

fn admitted_from(peer: &str, trusted: &[&str], parts: Parts) -> Result<Admitted, Malformed> {
    let peer = Peer::new(peer.parse().unwrap(), "192.0.2.1:8080".parse().unwrap(), Scheme::Http);
    let trusted: Vec<IpNet> = trusted.iter().map(|net| net.parse().unwrap()).collect();
    let rules = Rules {
        trusted_proxies: &trusted,
        escaped_slashes: EscapedSlashes::Reject,
        ambiguous_names: AmbiguousNames::Drop,
    };
    admit(parts, &peer, rules, &RequestIds::new())
}

fn refusal(parts: Parts) -> Malformed {
    let checked = check_framing(&parts).unwrap_err();
    assert_eq!(admitted(parts).unwrap_err(), checked);
    checked
}

fn names(headers: &HeaderMap) -> Vec<&str> {
    let mut names: Vec<_> = headers.keys().map(|name| name.as_str()).collect();
    names.sort_unstable();
    names
}

const SET: [&str; 4] = [
    "x-forwarded-for",
    "x-forwarded-host",
    "x-forwarded-proto",
    "x-request-id",
];
