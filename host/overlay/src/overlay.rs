//! [`Overlay`]: the changes by upstream and endpoint.

use std::collections::BTreeMap;

use lockgate_client::Address;
use lockgate_upstream::Weight;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::registration::Registration;

/// What was changed by the admin API, by upstream. It outlives reloads and restarts.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(default)]
pub struct Overlay {
    /// Changes by the name of the upstream.
    pub upstreams: BTreeMap<String, UpstreamOverlay>,
}

/// What was changed of an upstream.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(default)]
pub struct UpstreamOverlay {
    /// State that the circuit breaker is held in; absent if it follows its own rules.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub breaker: Option<BreakerOverride>,
    /// Changes by the address of the endpoint.
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    pub endpoints: BTreeMap<String, EndpointOverlay>,
}

/// The state that a circuit breaker is held in.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum BreakerOverride {
    /// No request passes.
    Open,
    /// Every request passes.
    Closed,
}

impl BreakerOverride {
    /// Its name.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Open => "open",
            Self::Closed => "closed",
        }
    }
}

/// What was changed of an endpoint.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(default)]
pub struct EndpointOverlay {
    /// Weight in place of its own.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub weight: Option<Weight>,
    /// Whether it is draining: it gets no new requests.
    #[serde(skip_serializing_if = "is_false")]
    pub draining: bool,
    /// Whether it was removed, although the configuration or discovery lists it.
    #[serde(skip_serializing_if = "is_false")]
    pub removed: bool,
    /// Its registration.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub registration: Option<Registration>,
}

fn is_false(value: &bool) -> bool {
    !value
}

impl EndpointOverlay {
    /// Whether it changes nothing.
    pub fn is_empty(&self) -> bool {
        *self == Self::default()
    }

    /// Whether an operator has turned something: a registration alone is none.
    pub fn is_turned(&self) -> bool {
        self.weight.is_some() || self.draining || self.removed
    }
}

impl UpstreamOverlay {
    /// Whether it changes nothing.
    pub fn is_empty(&self) -> bool {
        self.breaker.is_none() && self.endpoints.is_empty()
    }

    /// The number of registered endpoints.
    pub fn registrations(&self) -> usize {
        let registered = self
            .endpoints
            .values()
            .filter(|endpoint| endpoint.registration.is_some());
        registered.count()
    }
}

impl Overlay {
    /// The number of registered endpoints.
    pub fn registrations(&self) -> usize {
        self.upstreams.values().map(UpstreamOverlay::registrations).sum()
    }

    /// What was changed of an endpoint.
    pub fn endpoint(&self, upstream: &str, address: &Address) -> Option<&EndpointOverlay> {
        self.upstreams.get(upstream)?.endpoints.get(&address.to_string())
    }

    /// Changes an endpoint's overlay; true if it is another one now. What changes nothing is not kept.
    pub fn change(&mut self, upstream: &str, address: &Address, change: impl FnOnce(&mut EndpointOverlay)) -> bool {
        let of_upstream = self.upstreams.entry(upstream.to_owned()).or_default();
        let key = address.to_string();
        let before = of_upstream.endpoints.get(&key).cloned().unwrap_or_default();
        let mut after = before.clone();
        change(&mut after);
        let is_changed = after != before;
        if after.is_empty() {
            of_upstream.endpoints.remove(&key);
        } else {
            of_upstream.endpoints.insert(key, after);
        }
        self.forget_empty(upstream);
        is_changed
    }

    /// Holds an upstream's breaker in a state, or lets it go; true if that is a change.
    pub fn set_breaker(&mut self, upstream: &str, state: Option<BreakerOverride>) -> bool {
        let of_upstream = self.upstreams.entry(upstream.to_owned()).or_default();
        let is_changed = of_upstream.breaker != state;
        of_upstream.breaker = state;
        self.forget_empty(upstream);
        is_changed
    }

    fn forget_empty(&mut self, upstream: &str) {
        if self.upstreams.get(upstream).is_some_and(UpstreamOverlay::is_empty) {
            self.upstreams.remove(upstream);
        }
    }

    /// Drops the changes of upstreams that there are no more. Returns their names.
    pub fn retain_upstreams(&mut self, is_known: impl Fn(&str) -> bool) -> Vec<String> {
        let gone: Vec<String> = self.upstreams.keys().filter(|name| !is_known(name)).cloned().collect();
        for name in &gone {
            self.upstreams.remove(name);
        }
        gone
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn address() -> Address {
        "127.0.0.1:9001".parse().unwrap()
    }

    #[test]
    fn what_is_turned_back_is_not_kept() {
        let mut overlay = Overlay::default();
        assert!(overlay.change("orders", &address(), |endpoint| endpoint.draining = true));
        assert!(!overlay.change("orders", &address(), |endpoint| endpoint.draining = true));
        assert!(overlay.endpoint("orders", &address()).unwrap().is_turned());
        assert!(overlay.change("orders", &address(), |endpoint| endpoint.draining = false));
        assert_eq!(overlay, Overlay::default());
        assert!(overlay.set_breaker("orders", Some(BreakerOverride::Open)));
        assert!(overlay.set_breaker("orders", None));
        assert_eq!(overlay, Overlay::default());
        assert!(!overlay.set_breaker("orders", None));
    }

    #[test]
    fn an_upstream_that_is_gone_takes_its_changes_with_it() {
        let mut overlay = Overlay::default();
        overlay.change("orders", &address(), |endpoint| endpoint.draining = true);
        overlay.set_breaker("users", Some(BreakerOverride::Closed));
        assert_eq!(overlay.retain_upstreams(|name| name == "users"), ["orders"]);
        assert_eq!(overlay.upstreams.keys().collect::<Vec<_>>(), ["users"]);
    }

    #[test]
    fn it_survives_being_written_and_read_again() {
        let mut overlay = Overlay::default();
        overlay.change("orders", &address(), |endpoint| {
            endpoint.weight = Weight::new(0);
            endpoint.registration = Some(Registration::default());
        });
        overlay.set_breaker("orders", Some(BreakerOverride::Open));
        let text = serde_json::to_string(&overlay).unwrap();
        assert_eq!(serde_json::from_str::<Overlay>(&text).unwrap(), overlay);
    }
}
