//! Who holds an instance, and what becomes of it when nobody does any more: a plugin that is not done yet lives on for a while.

use std::ops::Deref;
use std::rc::Rc;

use super::Instance;
use crate::outside::{DrainingVm, Unfinished};

/// A share in an instance. The last one to go ends it, or has the outside keep it until the guest says that it is done.
pub(crate) struct Hold(Option<Rc<Instance>>);

impl Hold {
    pub(crate) fn new(instance: Rc<Instance>) -> Self {
        Self(Some(instance))
    }
}

impl Clone for Hold {
    fn clone(&self) -> Self {
        Self(self.0.clone())
    }
}

impl Deref for Hold {
    type Target = Instance;

    fn deref(&self) -> &Instance {
        self.0.as_deref().expect("only Drop takes the instance out")
    }
}

impl Drop for Hold {
    fn drop(&mut self) {
        let Some(instance) = self.0.take() else { return };
        if Rc::strong_count(&instance) == 1 && instance.wants_time() {
            let outside = Rc::clone(&instance.outside);
            outside.drain(DrainingVm::new(instance));
        }
    }
}

impl Unfinished for Instance {
    fn is_over(&self) -> bool {
        !self.is_alive() || !self.is_waited_for()
    }

    fn plugin(&self) -> &str {
        self.plugin.name()
    }
}
