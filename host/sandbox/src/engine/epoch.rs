//! How long an epoch of the engine lasts: the clock tick by which running guests look up from their work.

use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;

/// How late at most a guest notices that its budget may be gone.
const EPOCH: Duration = Duration::from_millis(4);
/// The same while a profile is taken, which has a sample per epoch.
const HURRIED: Duration = Duration::from_millis(1);

/// Profiles that are being taken.
static HURRIES: AtomicU32 = AtomicU32::new(0);

/// How long an epoch lasts now.
pub(crate) fn length() -> Duration {
    if HURRIES.load(Ordering::Relaxed) == 0 {
        EPOCH
    } else {
        HURRIED
    }
}

/// Epochs are short as long as one of these lives.
pub(crate) struct ShortEpochs(());

impl ShortEpochs {
    pub(crate) fn begin() -> Self {
        HURRIES.fetch_add(1, Ordering::Relaxed);
        Self(())
    }
}

impl Drop for ShortEpochs {
    fn drop(&mut self) {
        HURRIES.fetch_sub(1, Ordering::Relaxed);
    }
}
