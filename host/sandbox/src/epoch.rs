//! How long an epoch of the engine lasts: the clock tick by which running guests look up from their work.

use std::time::Duration;

/// How late at most a guest notices that its budget may be gone.
pub(crate) const EPOCH: Duration = Duration::from_millis(4);
