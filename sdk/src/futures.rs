//! Futures for hooks that wait: timers, several futures at once, a value that is fetched once for the requests of a worker.

pub(crate) mod join;
pub mod single;
pub(crate) mod timer;
