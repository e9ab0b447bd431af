//! The table of all routes. The best match wins: longest exact host, longest wildcard, any host; then exact path, longest
//! prefix, regex, any path; then a method, more headers, more query parameters, the order of the file.
//!
//! Hosts, exact paths and prefixes are looked up by hash, so that the cost depends on the request's path and not on the number of
//! routes. Expressions, and routes with the same host and path, are tried one by one.

use lockgate_exchange::RequestHead;

use crate::hosts::HostTable;
use crate::matches::{Match, RouteIndex};

/// All routes of a snapshot, sorted for [`RouteTable::find`]. Immutable.
#[derive(Debug)]
pub struct RouteTable {
    hosts: HostTable,
    asks_for_headers: bool,
}

impl RouteTable {
    /// A table of these routes. Indexes refer to their order, which decides between routes that are otherwise equal.
    pub fn new<'a>(routes: impl IntoIterator<Item = &'a Match>) -> Self {
        let mut hosts = HostTable::default();
        let mut asks_for_headers = false;
        for (index, matches) in routes.into_iter().enumerate() {
            asks_for_headers |= !matches.headers.is_empty();
            hosts.insert(RouteIndex(index), matches);
        }
        hosts.sort();
        Self {
            hosts,
            asks_for_headers,
        }
    }

    /// Whether a header, the host apart, can decide which route matches.
    pub fn asks_for_headers(&self) -> bool {
        self.asks_for_headers
    }

    /// The best match for a request with a normal path; none if no route matches. Allocates only for conditions on escaped query
    /// parameters.
    pub fn find(&self, request: &RequestHead) -> Option<RouteIndex> {
        self.hosts.find(request)
    }
}

#[cfg(test)]
mod tests;
