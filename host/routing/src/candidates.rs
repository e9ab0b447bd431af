//! Step three: routes with the same host and path are tried in the order of their remaining conditions.

use std::cmp::Reverse;

use lockgate_exchange::RequestHead;

use super::conditions::Conditions;
use crate::matches::{Match, RouteIndex};

/// Smaller is better: has a method, more headers, more query parameters, earlier in the file.
pub(crate) type Rank = (Reverse<bool>, Reverse<usize>, Reverse<usize>, RouteIndex);

/// Routes with the same host and path.
#[derive(Debug, Default)]
pub(crate) struct Candidates {
    /// Best first, once sorted.
    routes: Vec<(Rank, Conditions)>,
}

impl Candidates {
    pub(crate) fn insert(&mut self, index: RouteIndex, matches: &Match) {
        let rank = (
            Reverse(!matches.methods.is_empty()),
            Reverse(matches.headers.len()),
            Reverse(matches.query.len()),
            index,
        );
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
            .map(|(rank, _)| rank.3)
    }
}
