//! The services of the host beside the HTTP message: clock, properties, shared data, queues, metrics, the log, and
//! foreign functions.

pub mod cache;
pub(crate) mod clock;
pub mod counter;
pub mod foreign;
pub mod kv;
pub(crate) mod logging;
pub mod metrics;
pub mod property;
pub(crate) mod queue;
pub mod shared;
