//! `clear_route_cache`: a plugin has changed the request, and wants its route looked for again.
//!
//! That is done once, when the request leaves the chain: the upstream, its rewriting, the time and the name are then those of the
//! route that the changed request matches, or there is none and it is a 404. The plugins were those of the first route, and a
//! request must not reach what a plugin guards without having passed it: a route whose chain has a plugin that this request has not
//! passed is not taken, and the log says so.

use std::rc::Rc;

use lockgate_config::model::Route;

use crate::chain::{Chain, Stand};
use crate::context::view::View;

/// The route that the request takes, which came by `route`.
pub(crate) fn again(view: &View, chain: &Chain, route: Option<usize>) -> Option<usize> {
    let mut exchange = chain.exchange.borrow_mut();
    exchange.pending.reroute = false;
    let found = view.snapshot.routes.find(&exchange.request).map(|found| found.0);
    if found == route {
        return route;
    }
    let name = |route: usize| -> &Route { &view.snapshot.model.routes[route] };
    if let Some(found) = found
        && !has_passed(view.chain(route), view.chain(Some(found)))
    {
        tracing::warn!(
            route = route.map(|route| &*name(route).name),
            other = &*name(found).name,
            "change of route ignored: the request has not passed all plugins of the new route"
        );
        return route;
    }
    exchange.info.route = found.map(|found| name(found).name.clone());
    found
}

/// Whether every plugin that is asked for was among those passed.
fn has_passed(passed: &[Rc<Stand>], asked: &[Rc<Stand>]) -> bool {
    asked
        .iter()
        .all(|wanted| passed.iter().any(|known| Rc::ptr_eq(known, wanted)))
}
