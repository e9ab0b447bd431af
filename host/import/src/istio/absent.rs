//! Settings that gateway.json does not have yet: they are reported instead of written.

use crate::losses::{Losses, Spot};
use crate::output::{Json, Object};

/// Settings of an upstream.
const UPSTREAM: [&str; 4] = ["hash", "sticky", "slow_start", "panic_threshold"];
/// Balancing algorithms.
const BALANCE: [&str; 2] = ["ring_hash", "maglev"];

/// Takes them out of an upstream.
pub(super) fn remove(upstream: &mut Object, spot: &Spot, losses: &Losses) {
    let is_absent = |balance: &Json| BALANCE.iter().any(|name| *balance == Json::from(*name));
    let balance = upstream.get("balance").is_some_and(is_absent).then_some("balance");
    for name in UPSTREAM.into_iter().chain(balance) {
        if upstream.remove(name) {
            losses.lost(spot, name, "gateway.json does not have this setting yet", "");
        }
    }
}
