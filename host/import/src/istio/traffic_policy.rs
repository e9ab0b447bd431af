//! A traffic policy: load balancing, connection pool, outlier detection and TLS, as settings of an upstream.

mod balance;
mod outlier_detection;
mod pool;
mod tls;

use crate::fields::Section;
use crate::output::Object;

/// A policy, and the ones of single ports that replace it.
#[derive(Debug, Clone, Default)]
pub(super) struct TrafficPolicy {
    groups: Groups,
    ports: Vec<(u16, Groups)>,
}

/// Settings of an upstream by subject, each as the members that it adds.
#[derive(Debug, Clone, Default)]
struct Groups {
    balance: Option<Object>,
    pool: Option<Object>,
    outlier_detection: Option<Object>,
    tls: Option<Object>,
}

/// Reads the member `trafficPolicy`. Absent: nothing is set.
pub(super) fn read_in(section: &Section<'_>) -> TrafficPolicy {
    let Some(policy) = section.section("trafficPolicy") else {
        return TrafficPolicy::default();
    };
    policy.lost("tunnel", "the gateway does not tunnel to upstreams by CONNECT", "");
    let why = "the PROXY protocol is not spoken to upstreams";
    policy.lost("proxyProtocol", why, "");
    let ports = policy.sections("portLevelSettings");
    let port = |section: &Section<'_>| {
        let number = section.section("port").and_then(|port| port.get("number")?.port());
        Some((number?, groups(section)))
    };
    TrafficPolicy {
        groups: groups(&policy),
        ports: ports.iter().filter_map(port).collect(),
    }
}

fn groups(policy: &Section<'_>) -> Groups {
    Groups {
        balance: policy.section("loadBalancer").map(|section| balance::read(&section)),
        pool: policy.section("connectionPool").map(|section| pool::read(&section)),
        outlier_detection: policy
            .section("outlierDetection")
            .map(|section| outlier_detection::read(&section)),
        tls: policy.section("tls").map(|section| tls::read(&section)),
    }
}

/// The settings of an upstream for a host's port: those of the subset before those of the rule, and a policy of the port alone in place
/// of both.
pub(super) fn settings(rule: Option<&TrafficPolicy>, subset: Option<&TrafficPolicy>, port: u16) -> Object {
    let levels: Vec<&TrafficPolicy> = [subset, rule].into_iter().flatten().collect();
    let of_port = levels
        .iter()
        .find_map(|policy| policy.ports.iter().find(|(number, _)| *number == port));
    let groups: Vec<&Groups> = match of_port {
        Some((_, groups)) => vec![groups],
        None => levels.iter().map(|policy| &policy.groups).collect(),
    };
    let mut settings = Object::new();
    let subjects: [fn(&Groups) -> Option<&Object>; 4] = [
        |groups| groups.tls.as_ref(),
        |groups| groups.balance.as_ref(),
        |groups| groups.outlier_detection.as_ref(),
        |groups| groups.pool.as_ref(),
    ];
    for subject in subjects {
        if let Some(members) = groups.iter().find_map(|groups| subject(groups)) {
            settings.extend(members);
        }
    }
    settings
}
