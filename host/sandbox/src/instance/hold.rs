//! Who holds an instance, and what becomes of it when nobody does any more: a plugin that is not done yet lives on for a while.

use std::ops::Deref;
use std::rc::Rc;

use super::Instance;

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
            outside.linger(Lingering(instance));
        }
    }
}

/// A VM that serves nothing any more, but has a context whose `done` said "not yet". Its ticks and callouts go on. Dropped, it ends
/// at once, whatever it waits for.
pub struct Lingering(Rc<Instance>);

impl Lingering {
    /// Whether it has said meanwhile that it is done, or has died.
    #[must_use]
    pub fn is_over(&self) -> bool {
        !self.0.is_alive() || !self.0.is_waited_for()
    }

    /// The plugin's name.
    #[must_use]
    pub fn plugin(&self) -> &str {
        self.0.plugin.name()
    }
}
