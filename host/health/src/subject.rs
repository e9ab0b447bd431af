//! What is checked: [`CheckedGroup`] and [`CheckedEndpoint`], as the checker sees an upstream and its endpoints.

use std::sync::Arc;

use lockgate_client::Target;
use lockgate_upstream::{Endpoint, Group};

/// A group of endpoints that is checked.
pub trait CheckedGroup: Send {
    /// The name of the upstream.
    fn name(&self) -> &str;

    /// Its endpoints as they are now. One that stays in the group stays the same object.
    fn endpoints(&self) -> Vec<Arc<dyn CheckedEndpoint>>;
}

/// An endpoint that is checked.
pub trait CheckedEndpoint: Send + Sync {
    /// What connections to it lead to.
    fn target(&self) -> &Target;

    /// Gives it requests, or none for this reason.
    fn set_unhealthy(&self, why: Option<&str>);
}

impl CheckedGroup for Arc<Group> {
    fn name(&self) -> &str {
        Group::name(self)
    }

    fn endpoints(&self) -> Vec<Arc<dyn CheckedEndpoint>> {
        let list = Group::endpoints(self);
        list.iter()
            .map(|endpoint| endpoint.clone() as Arc<dyn CheckedEndpoint>)
            .collect()
    }
}

impl CheckedEndpoint for Endpoint {
    fn target(&self) -> &Target {
        Endpoint::target(self)
    }

    fn set_unhealthy(&self, why: Option<&str>) {
        self.set_health(why);
    }
}
