//! Futures that hooks wait for: timers, several futures at once, a value fetched once for all; and the table of host calls
//! whose response is pending.

pub(crate) mod join;
pub(crate) mod pending;
pub mod single;
pub(crate) mod timer;
