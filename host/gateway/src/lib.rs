//! The data path and what keeps it running: workers, listeners, pipeline, chain, reload, drain.

pub mod inbound;
pub mod path;
pub mod problem;
pub mod routes;
