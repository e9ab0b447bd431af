//! Settings that gateway.json does not have yet: they are reported instead of written.

use super::virtual_service::Action;
use crate::losses::{Losses, Spot};
use crate::output::{Json, Object};

/// Settings of an upstream.
const UPSTREAM: [&str; 9] = [
    "tls",
    "hash",
    "sticky",
    "slow_start",
    "panic_threshold",
    "outlier_detection",
    "concurrency",
    "retry",
    "timeouts",
];
/// Balancing algorithms.
const BALANCE: [&str; 3] = ["least_request", "ring_hash", "maglev"];
/// Settings of a route beside its destination.
const ROUTE: [&str; 3] = ["delay", "abort", "mirror"];
/// Destinations of a route.
const DESTINATIONS: [&str; 3] = ["split", "redirect", "respond"];
/// Whether `respond` is one of them.
pub(super) const LACKS_RESPOND: bool = true;
/// Changes of a path.
const REWRITE: [&str; 2] = ["regex", "path"];

const WHY: &str = "gateway.json does not have this setting yet";

/// Takes them out of an upstream.
pub(super) fn of_upstream(upstream: &mut Object, spot: &Spot, losses: &Losses) {
    remove(&UPSTREAM, upstream, spot, losses);
    let is_absent = |balance: &Json| BALANCE.iter().any(|name| *balance == Json::from(*name));
    if upstream.get("balance").is_some_and(is_absent) {
        remove(&["balance"], upstream, spot, losses);
    }
}

/// Takes them out of a route.
pub(super) fn of_route(route: &mut Object, spot: &Spot, losses: &Losses) {
    remove(&ROUTE, route, spot, losses);
    let is_absent =
        |rewrite: &Json| matches!(rewrite, Json::Object(rewrite) if REWRITE.iter().any(|name| rewrite.has(name)));
    if route.get("rewrite").is_some_and(is_absent) {
        remove(&["rewrite"], route, spot, losses);
    }
}

/// Whether a route can have this destination. If not, it is reported.
pub(super) fn has_destination(action: &Action, spot: &Spot, losses: &Losses) -> bool {
    let name = match action {
        Action::Forward(destinations) if destinations.len() > 1 => "split",
        Action::Forward(_) => return true,
        Action::Redirect(_) => "redirect",
        Action::Respond(_) => "respond",
    };
    if DESTINATIONS.contains(&name) {
        losses.lost(spot, name, &format!("{WHY}: the route is left out"), "");
        return false;
    }
    true
}

fn remove(names: &[&str], object: &mut Object, spot: &Spot, losses: &Losses) {
    for name in names {
        if object.remove(name) {
            losses.lost(spot, name, WHY, "");
        }
    }
}
