//! Step two: the path selects lists of candidates, the most specific one first.

use lockgate_exchange::RequestHead;
use regex::Regex;
use rustc_hash::FxHashMap;
use smallvec::SmallVec;

use super::candidates::Candidates;
use crate::matches::{Match, PathMatch, RouteIndex};

/// The routes of one host, by their condition on the path.
#[derive(Debug, Default)]
pub(crate) struct PathTable {
    exact: FxHashMap<Box<str>, Candidates>,
    /// Without the slash at the end; `/` is the empty string.
    prefix: FxHashMap<Box<str>, Candidates>,
    /// The longest prefix, in bytes and in segments. Longer ones need no look-up.
    max_prefix_bytes: usize,
    max_prefix_segments: usize,
    /// Each expression with its routes, by the rank of the best one.
    regex: Vec<(Regex, Candidates)>,
    any: Candidates,
}

impl PathTable {
    pub(crate) fn insert(&mut self, index: RouteIndex, matches: &Match) {
        let candidates = match &matches.path {
            PathMatch::Any => &mut self.any,
            PathMatch::Exact(path) => self.exact.entry(path.as_str().into()).or_default(),
            PathMatch::Prefix(prefix) => {
                let prefix = prefix.trim_end_matches('/');
                self.max_prefix_bytes = self.max_prefix_bytes.max(prefix.len());
                self.max_prefix_segments = self.max_prefix_segments.max(prefix.matches('/').count());
                self.prefix.entry(prefix.into()).or_default()
            }
            PathMatch::Regex(regex) => {
                self.regex.push((regex.clone(), Candidates::default()));
                &mut self.regex.last_mut().expect("one was pushed just now").1
            }
        };
        candidates.insert(index, matches);
    }

    pub(crate) fn sort(&mut self) {
        let hashed = self.exact.values_mut().chain(self.prefix.values_mut());
        hashed.chain([&mut self.any]).for_each(Candidates::sort);
        self.regex.sort_by_key(|(_, candidates)| candidates.rank());
    }

    pub(crate) fn find(&self, request: &RequestHead) -> Option<RouteIndex> {
        let path = request.path.path();
        let exact = || self.exact.get(path).and_then(|candidates| candidates.find(request));
        let regex = || {
            self.regex
                .iter()
                .filter(|(regex, _)| regex.is_match(path))
                .find_map(|(_, routes)| routes.find(request))
        };
        let exact = if self.exact.is_empty() { None } else { exact() };
        exact
            .or_else(|| self.find_prefix(path, request))
            .or_else(regex)
            .or_else(|| self.any.find(request))
    }

    /// Longest prefix first, among those that end where a segment ends.
    fn find_prefix(&self, path: &str, request: &RequestHead) -> Option<RouteIndex> {
        if self.prefix.is_empty() {
            return None;
        }
        let mut ends: SmallVec<[usize; 16]> = SmallVec::new();
        let head = &path.as_bytes()[..path.len().min(self.max_prefix_bytes + 1)];
        let slashes = head
            .iter()
            .enumerate()
            .filter(|(_, byte)| **byte == b'/')
            .map(|(at, _)| at);
        // The slash at n ends n segments, and the first one ends none.
        ends.extend(slashes.take(self.max_prefix_segments + 1));
        if path.len() <= self.max_prefix_bytes && ends.len() <= self.max_prefix_segments {
            ends.push(path.len());
        }
        ends.iter().rev().find_map(|&end| {
            self.prefix
                .get(&path[..end])
                .and_then(|candidates| candidates.find(request))
        })
    }
}
