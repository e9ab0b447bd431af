//! Where the endpoints of upstreams come from, beside those that the configuration lists: files, DNS, Consul, Kubernetes, Nacos.
//!
//! [`Discovery`] has a thread of its own, on which each upstream with such a setting has a source (`sources`). A source reports lists and
//! failures; `publisher` compares, logs, counts and keeps them on disk (`saved`), and hands each new list to whoever started discovery. While a
//! source fails, its last list stays in use. A source lives across reloads as long as its settings are the same.
//!
//! Balancing, health and requests are not known here.

#![cfg_attr(test, allow(clippy::unwrap_used, reason = "a test that cannot go on says where"))]

mod backoff;
mod discovery;
mod error;
mod http_api;
mod publisher;
mod saved;
mod sink;
mod sources;
mod status;
mod weights;

pub use discovery::{Discovery, Wanted};
pub use error::SourceError;
pub use sink::DiscoverySink;
pub use status::{SourceStatus, UpstreamDiscovery};
