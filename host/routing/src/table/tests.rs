//! Precedence by example, and by property against a reference that looks at every route.

mod by_example;
mod by_property;

use std::cmp::Reverse;

use http::{HeaderMap, HeaderName, HeaderValue, Method};
use lockgate_exchange::{RequestHead, Scheme};
use proptest::prelude::*;
use proptest::sample::select;
use regex::Regex;

use super::RouteTable;
use crate::matches::{HostPattern, Match, PathMatch, RouteIndex, ValueMatch};

fn table(matches: Vec<Match>) -> RouteTable {
    RouteTable::new(&matches)
}

fn request(method: &str, authority: &str, path: &str) -> RequestHead {
    RequestHead {
        method: method.parse().unwrap(),
        path: path.parse().unwrap(),
        authority: HeaderValue::from_str(authority).unwrap(),
        scheme: Scheme::Http,
        headers: HeaderMap::new(),
        is_upgrade: false,
    }
}

fn find(table: &RouteTable, authority: &str, path: &str) -> Option<usize> {
    table.find(&request("GET", authority, path), "web").map(|index| index.0)
}

fn host(pattern: &str) -> HostPattern {
    match pattern.strip_prefix('*') {
        Some(suffix) => HostPattern::Wildcard(suffix.into()),
        None => HostPattern::Exact(pattern.into()),
    }
}

fn on(hosts: &[&str], path: PathMatch) -> Match {
    Match {
        hosts: hosts.iter().copied().map(host).collect(),
        path,
        ..Match::default()
    }
}

fn exact(path: &str) -> PathMatch {
    PathMatch::Exact(path.into())
}

fn prefix(path: &str) -> PathMatch {
    PathMatch::Prefix(path.into())
}

fn regex(expression: &str) -> PathMatch {
    PathMatch::Regex(Regex::new(&format!("^(?:{expression})$")).unwrap())
}
