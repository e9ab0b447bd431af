//! [`Interim`]: who is told of interim responses (RFC 9110, section 15.2), such as 103 Early Hints.

use std::fmt;
use std::rc::Rc;

use http::{HeaderMap, StatusCode};

/// The largest number of interim responses before the final one.
pub(crate) const MAX_INTERIM: u32 = 32;

/// What is called with the status and the headers of an interim response.
pub type InterimReceiver = dyn Fn(StatusCode, &HeaderMap);

/// Who is told of the interim responses to a request. By default nobody is, and they are dropped.
#[derive(Clone, Default)]
pub struct Interim(Option<Rc<InterimReceiver>>);

impl Interim {
    /// Tells `receiver`, as they come, before the final response.
    pub fn new(receiver: Rc<InterimReceiver>) -> Self {
        Self(Some(receiver))
    }

    /// Passes an interim response on. `100 Continue` is this hop's own: the body is sent without waiting for one.
    pub(crate) fn pass(&self, status: StatusCode, headers: &HeaderMap) {
        if let Some(receiver) = &self.0
            && status != StatusCode::CONTINUE
        {
            receiver(status, headers);
        }
    }
}

impl fmt::Debug for Interim {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.debug_tuple("Interim").field(&self.0.is_some()).finish()
    }
}
