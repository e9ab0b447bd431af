//! [`Lease`]: something that is taken until the body of a response has ended.

use std::fmt;
use std::sync::Arc;

/// Something that is given back when it is dropped, such as a place among the active requests of an endpoint. It makes no allocation of
/// its own.
pub struct Lease(Arc<dyn Leased>);

/// What a [`Lease`] gives back.
pub trait Leased: Send + Sync {
    /// The lease has ended.
    fn release(&self);
}

impl Lease {
    /// A lease of this. Whoever makes it has taken what is given back.
    pub fn new(leased: Arc<impl Leased + 'static>) -> Self {
        Self(leased)
    }
}

impl Drop for Lease {
    fn drop(&mut self) {
        self.0.release();
    }
}

impl fmt::Debug for Lease {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.debug_struct("Lease").finish_non_exhaustive()
    }
}
