//! The time as a worker has it: that of its runtime, which a rehearsal's runtime can hold and move, and the day that goes with it.
//!
//! For everybody else this is the system's clock, at the price of one look at a flag that never changes.

use std::time::{Instant, SystemTime};

use crate::info::Timestamp;

/// The clock that durations are measured by.
pub fn now() -> Instant {
    tokio::time::Instant::now().into_std()
}

/// Tells the time of day.
#[derive(Clone, Copy, Debug, Default)]
pub struct WallClock {
    /// When the runtime's clock stood there it was this time; none where the system knows better.
    anchor: Option<Timestamp>,
}

impl WallClock {
    /// A wall_clock on which it is now `time`, and which goes as the runtime's clock goes.
    pub fn from(time: SystemTime) -> Self {
        Self {
            anchor: Some(Timestamp { instant: now(), time }),
        }
    }

    /// The time of day.
    pub fn time(&self) -> SystemTime {
        match &self.anchor {
            None => SystemTime::now(),
            Some(anchor) => anchor.time + now().saturating_duration_since(anchor.instant),
        }
    }

    /// Both at once.
    pub fn moment(&self) -> Timestamp {
        Timestamp {
            instant: now(),
            time: self.time(),
        }
    }
}
