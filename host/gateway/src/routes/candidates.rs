//! The third step: routes that share host and path are tried in the order of their remaining conditions.

use std::cmp::Reverse;

use lockgate_config::model::Route;
use lockgate_exchange::RequestHead;

use super::RouteIndex;
use super::conditions::Conditions;

/// Smaller is better: has a method, more headers, more query parameters, earlier in the file.
pub(super) type Rank = (Reverse<bool>, Reverse<usize>, Reverse<usize>, usize, RouteIndex);

/// Routes with the same host and path.
#[derive(Debug, Default)]
pub(super) struct Candidates {
    /// Best first, once arranged.
    routes: Vec<(Rank, Conditions)>,
}

impl Candidates {
    pub(super) fn insert(&mut self, index: RouteIndex, route: &Route) {
        let matches = &route.matches;
        let rank = (
            Reverse(!matches.methods.is_empty()),
            Reverse(matches.headers.len()),
            Reverse(matches.query.len()),
            route.order,
            index,
        );
        self.routes.push((rank, Conditions::of(matches)));
    }

    pub(super) fn arrange(&mut self) {
        self.routes.sort_by_key(|(rank, _)| *rank);
    }

    /// The best one's rank.
    pub(super) fn rank(&self) -> Option<Rank> {
        self.routes.iter().map(|(rank, _)| *rank).min()
    }

    pub(super) fn find(&self, request: &RequestHead) -> Option<RouteIndex> {
        self.routes
            .iter()
            .find(|(_, conditions)| conditions.hold(request))
            .map(|(rank, _)| rank.4)
    }
}
