//! A plugin has changed the request's head, or called `clear_route_cache`: its route is looked up again.
//!
//! That happens once, when the request leaves the chain: upstream, rewrite, timeout and name are then those of the
//! route that the changed request matches; without a match it is a 404. The plugins were those of the first route, and a
//! request must not reach what a plugin guards without having passed it: a route whose chain has a plugin that this request has not
//! passed is not taken, and the log says so.

use std::rc::Rc;

use lockgate_exchange::clock;

use crate::chain::{Chain, PluginHandle};
use crate::context::view::{RouteView, View};

/// The route of the changed request, whose first route was `route`.
pub(crate) fn match_again(view: &View, chain: &Chain, route: Rc<RouteView>) -> Rc<RouteView> {
    let mut exchange = chain.exchange.borrow_mut();
    exchange.pending.reroute.clear();
    let found = view.find_route(&exchange.request, &exchange.info.connection.listener);
    if Rc::ptr_eq(found, &route) {
        return route;
    }
    if found.settings().is_some() && !has_passed(route.chain(), found.chain()) {
        if route.may_warn(clock::now()) {
            tracing::warn!(
                route = route.settings().map(|_| route.name()),
                other = found.name(),
                "change of route ignored: the request has not passed all plugins of the new route"
            );
        }
        return route;
    }
    exchange.info.rerouted = true;
    exchange.info.route = found.settings().map(|settings| settings.name.clone());
    exchange.info.upstream = found.settings().and_then(|settings| view.first_choice(settings));
    found.clone()
}

/// Whether every plugin that is wanted was among those passed.
fn has_passed(passed: &[Rc<PluginHandle>], wanted: &[Rc<PluginHandle>]) -> bool {
    wanted
        .iter()
        .all(|wanted| passed.iter().any(|known| Rc::ptr_eq(known, wanted)))
}
