//! What is checked: [`CheckedGroup`] and [`CheckedEndpoint`], as the checker sees an upstream and its endpoints.

use std::sync::Arc;

use lockgate_client::Target;
use lockgate_upstream::{Endpoint, Group, Health};

/// A group of endpoints that is checked.
pub trait CheckedGroup: Send {
    /// The name of the upstream.
    fn name(&self) -> &str;

    /// A number that is another one whenever its endpoints are.
    fn version(&self) -> u64;

    /// Its endpoints as they are now.
    fn endpoints(&self) -> Vec<Arc<dyn CheckedEndpoint>>;
}

/// An endpoint that is checked.
pub trait CheckedEndpoint: Send + Sync {
    /// What connections to it lead to.
    fn target(&self) -> &Target;

    /// Who it is: the same as long as it stays in its group, and no other's while this object lives.
    fn identity(&self) -> usize;

    /// Sets what is known of it, with the reason if that is no good news.
    fn set_health(&self, health: Health, why: Option<&str>);
}

/// An endpoint in its group.
struct Member {
    group: Arc<Group>,
    endpoint: Arc<Endpoint>,
}

impl CheckedGroup for Arc<Group> {
    fn name(&self) -> &str {
        Group::name(self)
    }

    fn version(&self) -> u64 {
        Group::version(self)
    }

    fn endpoints(&self) -> Vec<Arc<dyn CheckedEndpoint>> {
        let member = |endpoint| -> Arc<dyn CheckedEndpoint> {
            let group = self.clone();
            Arc::new(Member { group, endpoint })
        };
        Group::endpoints(self).into_iter().map(member).collect()
    }
}

impl CheckedEndpoint for Member {
    fn target(&self) -> &Target {
        self.endpoint.target()
    }

    fn identity(&self) -> usize {
        Arc::as_ptr(self.endpoint.standing()).addr()
    }

    fn set_health(&self, health: Health, why: Option<&str>) {
        self.group.set_health(&self.endpoint, health, why.map(Into::into));
    }
}
