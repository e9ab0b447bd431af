//! Futures for hooks that wait: timers, several futures at once, a value that is fetched once for all requests; and the
//! table of pending host calls.

pub(crate) mod cache;
pub(crate) mod join;
pub(crate) mod outcome;
pub(crate) mod pending;
pub mod single;
pub(crate) mod timer;
