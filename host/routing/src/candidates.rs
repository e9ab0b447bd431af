//! Step three: routes with the same host and path are tried in the order of their remaining conditions.

use std::cmp::Reverse;

use lockgate_exchange::RequestHead;

use super::conditions::Conditions;
use crate::matches::{Match, RouteIndex};

/// Smaller is better.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Rank {
    has_listener: Reverse<bool>,
    has_scheme: Reverse<bool>,
    has_method: Reverse<bool>,
    headers: Reverse<usize>,
    query: Reverse<usize>,
    /// Earlier in the file.
    index: RouteIndex,
}

/// Routes with the same host and path.
#[derive(Debug, Default)]
pub(crate) struct Candidates {
    /// Best first, once sorted.
    routes: Vec<(Rank, Conditions)>,
}

impl Candidates {
    pub(crate) fn insert(&mut self, index: RouteIndex, matches: &Match) {
        let rank = Rank {
            has_listener: Reverse(!matches.listeners.is_empty()),
            has_scheme: Reverse(matches.scheme.is_some()),
            has_method: Reverse(!matches.methods.is_empty()),
            headers: Reverse(matches.headers.len()),
            query: Reverse(matches.query.len()),
            index,
        };
        self.routes.push((rank, Conditions::of(matches)));
    }

    pub(crate) fn sort(&mut self) {
        self.routes.sort_by_key(|(rank, _)| *rank);
    }

    /// The best one's rank.
    pub(crate) fn rank(&self) -> Option<Rank> {
        self.routes.iter().map(|(rank, _)| *rank).min()
    }

    pub(crate) fn find(&self, request: &RequestHead) -> Option<RouteIndex> {
        self.routes
            .iter()
            .find(|(_, conditions)| conditions.hold(request))
            .map(|(rank, _)| rank.index)
    }
}
