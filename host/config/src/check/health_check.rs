//! Health checks of upstreams: what their schema does not say.

use lockgate_json::mistake::{Mistake, Mistakes};
use lockgate_json::pointer::Pointer;
use lockgate_upstream::{HealthCheckKind, HealthCheckSettings};

use super::entry;

/// Reports durations that are too short, and keys that the type of the check has no use for.
pub(super) fn check(check: &HealthCheckSettings, here: &Pointer, mistakes: &mut Mistakes) {
    let minimum = HealthCheckSettings::MIN_INTERVAL;
    if check.interval < minimum {
        mistakes.push(Mistake::invalid(
            here.key("interval"),
            format!("a duration from {minimum}"),
        ));
    }
    entry::positive(check.timeout, &here.key("timeout"), mistakes);
    for key in check.useless_keys() {
        let (kind, users) = match (check.kind, key) {
            (HealthCheckKind::Tcp, "host" | "headers") => ("tcp", "types \"http\" and \"grpc\""),
            (HealthCheckKind::Tcp, "service") => ("tcp", "type \"grpc\""),
            (HealthCheckKind::Tcp, _) => ("tcp", "type \"http\""),
            (HealthCheckKind::Grpc, _) => ("grpc", "type \"http\""),
            (HealthCheckKind::Http, _) => ("http", "type \"grpc\""),
        };
        let mistake = Mistake::new(here.key(key), format!("a check of type \"{kind}\" has no \"{key}\""));
        mistakes.push(mistake.expected(format!("the key only with {users}")).at_key());
    }
}
