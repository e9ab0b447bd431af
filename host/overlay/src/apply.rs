//! The list that is in force: what the configuration and discovery list, what has registered, and what was turned.

use std::collections::HashSet;

use lockgate_upstream::EndpointSettings;

use crate::overlay::{EndpointOverlay, Overlay, UpstreamOverlay};

/// An endpoint with its overlay.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Overlaid {
    /// Its address, weight and labels as they are in force.
    pub settings: EndpointSettings,
    /// Whether it gets no new requests.
    pub draining: bool,
    /// Where it comes from.
    pub source: Source,
}

/// Where an endpoint comes from.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Source {
    /// The configuration or discovery lists it.
    Listed,
    /// It has registered.
    Registration,
}

impl Overlay {
    /// The endpoints of an upstream that are in force, when these are listed: those first, then the registered ones, by address. An
    /// endpoint that is listed and has registered has the weight and the labels of its registration.
    pub fn apply(&self, upstream: &str, listed: &[EndpointSettings]) -> Vec<Overlaid> {
        let list = |settings: &EndpointSettings| Overlaid {
            settings: settings.clone(),
            draining: false,
            source: Source::Listed,
        };
        match self.upstreams.get(upstream) {
            None => listed.iter().map(list).collect(),
            Some(overlay) => overlay.apply(listed),
        }
    }
}

impl UpstreamOverlay {
    fn apply(&self, listed: &[EndpointSettings]) -> Vec<Overlaid> {
        let mut known = HashSet::new();
        let mut endpoints = Vec::with_capacity(listed.len());
        for settings in listed {
            let key = settings.address.to_string();
            match self.endpoints.get(&key) {
                Some(overlay) => endpoints.extend(overlay.over(settings.clone(), Source::Listed)),
                None => endpoints.push(Overlaid {
                    settings: settings.clone(),
                    draining: false,
                    source: Source::Listed,
                }),
            }
            known.insert(key);
        }
        for (key, overlay) in &self.endpoints {
            if overlay.registration.is_none() || known.contains(key) {
                continue;
            }
            // Keys of a file that somebody has edited may be anything.
            let Ok(address) = key.parse() else { continue };
            endpoints.extend(overlay.over(EndpointSettings::at(address), Source::Registration));
        }
        endpoints
    }
}

impl EndpointOverlay {
    fn over(&self, mut settings: EndpointSettings, source: Source) -> Option<Overlaid> {
        if self.removed {
            return None;
        }
        if let Some(registration) = &self.registration {
            settings.weight = registration.weight;
            settings.labels.extend(registration.labels.clone());
        }
        if let Some(weight) = self.weight {
            settings.weight = weight;
        }
        Some(Overlaid {
            settings,
            draining: self.draining,
            source,
        })
    }
}

#[cfg(test)]
mod tests {
    use lockgate_client::Address;
    use lockgate_upstream::Weight;

    use super::*;
    use crate::registration::Registration;

    fn address(port: u16) -> Address {
        format!("127.0.0.1:{port}").parse().unwrap()
    }

    fn listed(ports: &[u16]) -> Vec<EndpointSettings> {
        ports.iter().map(|&port| EndpointSettings::at(address(port))).collect()
    }

    fn shown(endpoints: &[Overlaid]) -> Vec<String> {
        let show = |endpoint: &Overlaid| {
            let source = if endpoint.source == Source::Registration {
                " registered"
            } else {
                ""
            };
            let draining = if endpoint.draining { " draining" } else { "" };
            let EndpointSettings { address, weight, .. } = &endpoint.settings;
            format!("{address} x{}{source}{draining}", weight.value())
        };
        endpoints.iter().map(show).collect()
    }

    fn registration(weight: u16) -> Option<Registration> {
        Some(Registration {
            weight: Weight::new(weight).unwrap(),
            ..Registration::default()
        })
    }

    #[test]
    fn without_changes_the_list_is_as_it_is() {
        let list = Overlay::default().apply("orders", &listed(&[2, 1]));
        assert_eq!(shown(&list), ["127.0.0.1:2 x1", "127.0.0.1:1 x1"]);
    }

    #[test]
    fn turned_and_registered_endpoints_lie_over_the_list() {
        let mut overlay = Overlay::default();
        overlay.change("orders", &address(1), |endpoint| endpoint.weight = Weight::new(9));
        overlay.change("orders", &address(2), |endpoint| endpoint.removed = true);
        overlay.change("orders", &address(3), |endpoint| endpoint.draining = true);
        overlay.change("orders", &address(5), |endpoint| {
            endpoint.registration = registration(4)
        });
        // Only marked: it is not there.
        overlay.change("orders", &address(6), |endpoint| endpoint.draining = true);
        overlay.change("users", &address(1), |endpoint| endpoint.removed = true);
        let list = overlay.apply("orders", &listed(&[1, 2, 3, 4]));
        assert_eq!(
            shown(&list),
            [
                "127.0.0.1:1 x9",
                "127.0.0.1:3 x1 draining",
                "127.0.0.1:4 x1",
                "127.0.0.1:5 x4 registered"
            ]
        );
    }

    #[test]
    fn an_operators_weight_is_above_that_of_a_registration() {
        let mut overlay = Overlay::default();
        overlay.change("orders", &address(1), |endpoint| {
            endpoint.registration = registration(4)
        });
        assert_eq!(shown(&overlay.apply("orders", &listed(&[1]))), ["127.0.0.1:1 x4"]);
        overlay.change("orders", &address(1), |endpoint| endpoint.weight = Weight::new(0));
        assert_eq!(shown(&overlay.apply("orders", &[])), ["127.0.0.1:1 x0 registered"]);
    }
}
