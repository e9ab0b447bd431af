//! Finds the route of a request. The best match wins: longest exact host, longest wildcard, any host; then exact path, longest
//! prefix, regex, any path; then a method, more headers, more query parameters, the order of the file.
//!
//! Hosts, exact paths and prefixes are looked up by hash, so that the cost depends on the request's path and not on the number of
//! routes; expressions, and routes that share host and path, are tried one by one. What a route leads to is not known here.

use lockgate_exchange::RequestHead;

use crate::hosts::HostTable;
use crate::matches::{Match, RouteIndex};

/// All routes of a snapshot, arranged for [`RouteTable::find`]. Never changes.
#[derive(Debug)]
pub struct RouteTable {
    hosts: HostTable,
}

impl RouteTable {
    /// Arranges the conditions of all routes; indexes refer to their order here, which is the last word of precedence.
    pub fn new<'a>(routes: impl IntoIterator<Item = &'a Match>) -> Self {
        let mut hosts = HostTable::default();
        for (index, matches) in routes.into_iter().enumerate() {
            hosts.insert(RouteIndex(index), matches);
        }
        hosts.arrange();
        Self { hosts }
    }

    /// The best match for a request whose path is normal; none if no route's conditions all hold. Does not allocate, but for
    /// conditions on escaped query parameters.
    pub fn find(&self, request: &RequestHead) -> Option<RouteIndex> {
        self.hosts.find(request)
    }
}

#[cfg(test)]
mod tests;
