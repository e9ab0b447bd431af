//! The clock of policies: the runtime's, which tests can hold.

use std::time::Instant;

/// The time now.
pub(crate) fn now() -> Instant {
    tokio::time::Instant::now().into_std()
}
