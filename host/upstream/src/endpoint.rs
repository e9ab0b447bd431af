//! [`Endpoint`]: one server of a group.

use std::collections::BTreeMap;
use std::sync::Arc;

use http::HeaderValue;
use lockgate_client::{Address, Leased, Security, Target};

use crate::settings::{EndpointSettings, Weight};
use crate::standing::Standing;

/// One server of a group, shared by all workers. What its settings say never changes: new settings make a new `Endpoint`, which has the
/// same [`Standing`] as long as the address stays in the group.
#[derive(Debug)]
pub struct Endpoint {
    target: Target,
    /// Its address as a `Host` value, for [`HostPolicy::Endpoint`](crate::HostPolicy::Endpoint).
    host: HeaderValue,
    weight: Weight,
    labels: BTreeMap<String, String>,
    standing: Arc<Standing>,
}

impl Endpoint {
    /// An endpoint with these settings and this standing.
    pub(crate) fn new(
        settings: &EndpointSettings,
        weight: Weight,
        standing: Arc<Standing>,
        security: &Security,
    ) -> Self {
        let host = HeaderValue::from_str(&settings.address.to_string())
            .expect("an address consists of a checked host name or an IP address, and digits");
        Self {
            target: Target::new(settings.address.clone(), security),
            host,
            weight,
            labels: settings.labels.clone(),
            standing,
        }
    }

    /// What connections to it lead to.
    pub fn target(&self) -> &Target {
        &self.target
    }

    /// Its address.
    pub fn address(&self) -> &Address {
        &self.target.address
    }

    /// Its weight: the one that an operator has set while traffic flows, else that of its settings.
    pub fn weight(&self) -> Weight {
        self.weight
    }

    /// Its labels.
    pub fn labels(&self) -> &BTreeMap<String, String> {
        &self.labels
    }

    /// How it is doing.
    pub fn standing(&self) -> &Arc<Standing> {
        &self.standing
    }

    pub(crate) fn host(&self) -> &HeaderValue {
        &self.host
    }

    /// Whether this and `other` are the same endpoint with the same settings.
    pub(crate) fn is_same(&self, other: &Self) -> bool {
        Arc::ptr_eq(&self.standing, &other.standing)
            && self.target == other.target
            && self.weight == other.weight
            && self.labels == other.labels
    }
}

/// A request that is active at it ends.
impl Leased for Endpoint {
    fn release(&self) {
        self.standing.end();
    }
}
