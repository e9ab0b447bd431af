//! The table of all routes. The best match wins: highest priority; longest exact host, longest wildcard, any host; then exact path, longest
//! prefix, regex, any path; then a listener, a scheme, a method, more headers, more query parameters, the order of the file.
//!
//! Each listener that a route names has a table of its own, and each priority in it, so that neither costs other requests anything.
//! Hosts, exact paths and prefixes are looked up by hash, so that the cost depends on the request's path and not on the number of
//! routes. Expressions, and routes with the same host and path, are tried one by one.

use std::cmp::Reverse;
use std::collections::BTreeMap;

use lockgate_exchange::RequestHead;
use rustc_hash::FxHashMap;

use crate::hosts::HostTable;
use crate::matches::{Match, RouteIndex};

/// All routes of a snapshot, sorted for [`RouteTable::find`]. Immutable.
#[derive(Debug)]
pub struct RouteTable {
    /// Routes that name no listener.
    every: Levels,
    /// By listener, the routes that name it and those that name none. Empty if no route names one.
    named: FxHashMap<Box<str>, Levels>,
    asks_for_headers: bool,
}

/// Tables by priority, the highest first.
type Levels = Vec<HostTable>;

impl RouteTable {
    /// A table of these routes. Indexes refer to their order, which decides between routes that are otherwise equal.
    pub fn new<'a>(routes: impl IntoIterator<Item = &'a Match>) -> Self {
        let routes: Vec<&Match> = routes.into_iter().collect();
        let names = routes.iter().flat_map(|matches| &matches.listeners);
        let named = names.map(|name| {
            let of_listener = |matches: &Match| matches.listeners.is_empty() || matches.listeners.contains(name);
            (name.as_str().into(), levels(&routes, of_listener))
        });
        Self {
            asks_for_headers: routes.iter().any(|matches| !matches.headers.is_empty()),
            named: named.collect(),
            every: levels(&routes, |matches| matches.listeners.is_empty()),
        }
    }

    /// Whether a header, the host apart, can decide which route matches.
    pub fn asks_for_headers(&self) -> bool {
        self.asks_for_headers
    }

    /// The best match for a request with a normal path that came over this listener; none if no route matches. Allocates only for
    /// conditions on escaped query parameters.
    pub fn find(&self, request: &RequestHead, listener: &str) -> Option<RouteIndex> {
        let levels = match self.named.is_empty() {
            true => &self.every,
            false => self.named.get(listener).unwrap_or(&self.every),
        };
        levels.iter().find_map(|hosts| hosts.find(request))
    }
}

/// The tables of some of these routes.
fn levels(routes: &[&Match], is_in: impl Fn(&Match) -> bool) -> Levels {
    let mut by_priority = BTreeMap::<_, HostTable>::new();
    for (index, matches) in routes.iter().enumerate().filter(|(_, matches)| is_in(matches)) {
        let hosts = by_priority.entry(Reverse(matches.priority)).or_default();
        hosts.insert(RouteIndex(index), matches);
    }
    by_priority.values_mut().for_each(HostTable::sort);
    by_priority.into_values().collect()
}

#[cfg(test)]
mod tests;
