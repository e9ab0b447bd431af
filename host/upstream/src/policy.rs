//! What decides about a request to an upstream beyond which endpoint it goes to. The parts are pure: time is given to them.

pub(crate) mod backoff;
pub(crate) mod breaker;
pub(crate) mod budget;
pub(crate) mod clock;
pub(crate) mod concurrency;
pub(crate) mod guards;
pub(crate) mod latency;
pub(crate) mod outlier;
pub(crate) mod replay;
pub(crate) mod rules;
pub(crate) mod state;
mod window;
