//! [`InstanceHandle`]: shared ownership of an instance. When the last handle is dropped, an instance that is not done drains.

use std::ops::Deref;
use std::rc::{Rc, Weak};

use super::Instance;
use crate::host::{Draining, DrainingVm};

/// Shared ownership of an instance. Dropping the last handle ends the instance, or gives it to the host to drain.
pub(crate) struct InstanceHandle(Option<Rc<Instance>>);

impl InstanceHandle {
    pub(crate) fn new(instance: Rc<Instance>) -> Self {
        Self(Some(instance))
    }

    /// The instance, as long as others own it.
    pub(crate) fn downgrade(&self) -> Weak<Instance> {
        self.0.as_ref().map_or_else(Weak::new, Rc::downgrade)
    }
}

impl Clone for InstanceHandle {
    fn clone(&self) -> Self {
        Self(self.0.clone())
    }
}

impl Deref for InstanceHandle {
    type Target = Instance;

    fn deref(&self) -> &Instance {
        self.0.as_deref().expect("only Drop takes the instance out")
    }
}

impl Drop for InstanceHandle {
    fn drop(&mut self) {
        let Some(instance) = self.0.take() else { return };
        if Rc::strong_count(&instance) == 1 && instance.begin_drain() {
            let host = Rc::clone(&instance.host);
            host.drain(DrainingVm::new(instance));
        }
    }
}

impl Draining for Instance {
    fn is_over(&self) -> bool {
        !self.is_usable() || !self.is_draining()
    }

    fn plugin(&self) -> &str {
        self.plugin.name()
    }

    fn memory(&self) -> usize {
        self.with_state(|state| state.memory_limit.used()).unwrap_or(0)
    }
}
