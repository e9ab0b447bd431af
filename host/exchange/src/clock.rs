//! The clock of a worker: durations by the runtime's clock, which tests and cases can hold and move, and the time of day that
//! goes with it.
//!
//! In production this is the system's clock, at the price of one check of a flag that never changes.

use std::time::{Instant, SystemTime};

/// The clock for durations. Use it instead of `Instant::now()` and `Instant::elapsed()`, which ignore a clock that is held.
pub fn now() -> Instant {
    tokio::time::Instant::now().into_std()
}

/// The clock for what the processor takes, such as a callback into a guest: the system's, which nobody holds.
pub fn cpu() -> Instant {
    Instant::now()
}

/// A point in time, by both clocks.
#[derive(Clone, Copy, Debug)]
pub struct Timestamp {
    /// For durations.
    pub instant: Instant,
    /// The time of day.
    pub time: SystemTime,
}

/// The time of day.
#[derive(Clone, Copy, Debug, Default)]
pub struct WallClock {
    /// A time of day and the runtime's clock at that time. `None` for the system's time.
    anchor: Option<Timestamp>,
}

impl WallClock {
    /// The system's clock.
    pub const SYSTEM: Self = Self { anchor: None };

    /// A clock that shows `time` now, and moves with the runtime's clock.
    pub fn from(time: SystemTime) -> Self {
        Self {
            anchor: Some(Timestamp { instant: now(), time }),
        }
    }

    /// The time of day now.
    pub fn time(&self) -> SystemTime {
        match &self.anchor {
            None => SystemTime::now(),
            Some(anchor) => anchor.time + now().saturating_duration_since(anchor.instant),
        }
    }

    /// Both clocks now.
    pub fn timestamp(&self) -> Timestamp {
        Timestamp {
            instant: now(),
            time: self.time(),
        }
    }
}
