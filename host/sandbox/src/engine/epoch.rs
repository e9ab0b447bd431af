//! The duration of the engine's epochs. At the end of an epoch, running guests are interrupted and their budgets checked.

use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;

/// The maximum delay until a guest is interrupted whose budget is used up.
const EPOCH: Duration = Duration::from_millis(4);
/// The duration during a CPU profile, which takes a sample per epoch.
const SHORT_EPOCH: Duration = Duration::from_millis(1);

/// The number of [`ShortEpochs`] that exist.
static SHORT_EPOCHS: AtomicU32 = AtomicU32::new(0);

/// The duration of an epoch now.
pub(crate) fn length() -> Duration {
    if SHORT_EPOCHS.load(Ordering::Relaxed) == 0 {
        EPOCH
    } else {
        SHORT_EPOCH
    }
}

/// Epochs are short while a value of this type exists.
pub(crate) struct ShortEpochs(());

impl ShortEpochs {
    pub(crate) fn begin() -> Self {
        SHORT_EPOCHS.fetch_add(1, Ordering::Relaxed);
        Self(())
    }
}

impl Drop for ShortEpochs {
    fn drop(&mut self) {
        SHORT_EPOCHS.fetch_sub(1, Ordering::Relaxed);
    }
}
