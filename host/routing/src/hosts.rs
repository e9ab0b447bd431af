//! Step one: the request's host selects path tables, the most specific one first.

use std::net::Ipv6Addr;

use lockgate_exchange::RequestHead;
use rustc_hash::FxHashMap;

use super::paths::PathTable;
use crate::matches::{HostPattern, Match, RouteIndex};

/// Maximum length of a host in DNS, with a final dot. Longer ones match only routes for any host.
const MAX_HOST: usize = 254;

/// Tables of paths by host.
#[derive(Debug, Default)]
pub(crate) struct HostTable {
    exact: FxHashMap<Box<[u8]>, PathTable>,
    /// By the part after the `*`, the dot included.
    wildcard: FxHashMap<Box<[u8]>, PathTable>,
    /// Length of the longest key of `wildcard`. Longer suffixes need no look-up.
    max_wildcard_bytes: usize,
    any: PathTable,
}

impl HostTable {
    /// Enters a route under each of its hosts.
    pub(crate) fn insert(&mut self, index: RouteIndex, matches: &Match) {
        if matches.hosts.is_empty() {
            self.any.insert(index, matches);
        }
        for host in &matches.hosts {
            let table = match host {
                HostPattern::Exact(name) => self.exact.entry(key(name)).or_default(),
                HostPattern::Wildcard(suffix) => {
                    self.max_wildcard_bytes = self.max_wildcard_bytes.max(suffix.len());
                    self.wildcard.entry(key(suffix)).or_default()
                }
            };
            table.insert(index, matches);
        }
    }

    /// Sorts by precedence. To be called once, after the last `insert`.
    pub(crate) fn sort(&mut self) {
        let named = self.exact.values_mut().chain(self.wildcard.values_mut());
        named.chain([&mut self.any]).for_each(PathTable::sort);
    }

    /// The best match of a request.
    pub(crate) fn find(&self, request: &RequestHead) -> Option<RouteIndex> {
        self.find_named(request).or_else(|| self.any.find(request))
    }

    fn find_named(&self, request: &RequestHead) -> Option<RouteIndex> {
        if self.exact.is_empty() && self.wildcard.is_empty() {
            return None;
        }
        let mut lower = [0; MAX_HOST];
        let host = without_port(request.authority.as_bytes());
        if let Some(address) = canonical_address(host) {
            return self.exact.get(address.as_bytes()).and_then(|table| table.find(request));
        }
        let host = lower_case(host, &mut lower)?;
        let exact = self.exact.get(host).and_then(|table| table.find(request));
        exact.or_else(|| self.find_wildcard(host, request))
    }

    /// Longest suffix first. The suffix is never the whole host, as a wildcard stands for at least one label.
    fn find_wildcard(&self, host: &[u8], request: &RequestHead) -> Option<RouteIndex> {
        if self.wildcard.is_empty() {
            return None;
        }
        let first = host.len().saturating_sub(self.max_wildcard_bytes).max(1);
        (first..host.len())
            .filter(|&at| host[at] == b'.')
            .find_map(|at| self.wildcard.get(&host[at..]).and_then(|table| table.find(request)))
    }
}

fn key(name: &str) -> Box<[u8]> {
    match canonical_address(name.as_bytes()) {
        Some(address) => address.into_bytes().into(),
        None => name.as_bytes().into(),
    }
}

/// The one spelling of an IPv6 address in brackets (RFC 5952). None: the host is a name.
fn canonical_address(host: &[u8]) -> Option<String> {
    let text = host.strip_prefix(b"[")?.strip_suffix(b"]")?;
    let address: Ipv6Addr = std::str::from_utf8(text).ok()?.parse().ok()?;
    Some(format!("[{address}]"))
}

/// The host of an authority, without the port, and without the dot that may end a full name.
fn without_port(authority: &[u8]) -> &[u8] {
    let host = match authority.iter().rposition(|&byte| byte == b':' || byte == b']') {
        Some(at) if authority[at] == b':' => &authority[..at],
        _ => authority,
    };
    host.strip_suffix(b".").unwrap_or(host)
}

/// `host` in lower case; unchanged if it already is. None: longer than any host.
fn lower_case<'a>(host: &'a [u8], buffer: &'a mut [u8; MAX_HOST]) -> Option<&'a [u8]> {
    if host.len() > MAX_HOST {
        return None;
    }
    if !host.iter().any(u8::is_ascii_uppercase) {
        return Some(host);
    }
    let lower = &mut buffer[..host.len()];
    lower.copy_from_slice(host);
    lower.make_ascii_lowercase();
    Some(lower)
}
