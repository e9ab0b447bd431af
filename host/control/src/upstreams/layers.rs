//! The layers of a group's list: what the configuration and discovery list, what has registered, what was turned.

use std::collections::BTreeMap;

use lockgate_client::Address;
use lockgate_overlay::{Registration, UpstreamOverlay};
use lockgate_upstream::{EndpointSettings, Group, Override, Source};

/// Gives a group its registered endpoints and what was turned. `leaving` are endpoints that were removed and drain. The group leaves alone
/// what is as it was.
pub(super) fn lay_over<'a>(
    group: &Group,
    overlay: Option<&UpstreamOverlay>,
    leaving: impl Iterator<Item = &'a EndpointSettings>,
) {
    let changes = || overlay.into_iter().flat_map(|overlay| &overlay.endpoints);
    let mut turned: BTreeMap<String, Override> = changes()
        .filter(|(_, endpoint)| endpoint.is_turned())
        .map(|(key, endpoint)| {
            let turned = Override {
                weight: endpoint.weight,
                draining: endpoint.draining,
                removed: endpoint.removed,
            };
            (key.clone(), turned)
        })
        .collect();
    let mut registered: Vec<EndpointSettings> = changes()
        .filter_map(|(key, endpoint)| Some(registered(key.parse().ok()?, endpoint.registration.as_ref()?)))
        .collect();
    for settings in leaving {
        let drains = Override {
            weight: Some(settings.weight),
            draining: true,
            removed: false,
        };
        turned.insert(settings.address.to_string(), drains);
        if !is_listed(group, &settings.address) {
            registered.push(settings.clone());
        }
    }
    registered.sort_by_cached_key(|endpoint| endpoint.address.to_string());
    let before = group.overrides();
    for key in before.keys().filter(|key| !turned.contains_key(*key)) {
        set_override(group, key, Override::default());
    }
    for (key, turned) in turned.iter().filter(|(key, turned)| before.get(*key) != Some(turned)) {
        set_override(group, key, *turned);
    }
    group.set_endpoints(Source::Registered, registered);
}

/// Whether the configuration or discovery lists an endpoint.
pub(super) fn is_listed(group: &Group, address: &Address) -> bool {
    let lists = [Source::Configured, Source::Discovered];
    let is_it = |endpoint: &EndpointSettings| endpoint.address == *address;
    lists.into_iter().any(|source| group.source(source).iter().any(is_it))
}

/// A registered endpoint as a group takes it.
fn registered(address: Address, registration: &Registration) -> EndpointSettings {
    EndpointSettings {
        weight: registration.weight,
        labels: registration.labels.clone(),
        ..EndpointSettings::at(address)
    }
}

/// Keys of a file that somebody has edited may be anything.
fn set_override(group: &Group, key: &str, turned: Override) {
    if let Ok(address) = key.parse() {
        group.set_override(&address, turned);
    }
}
