//! Groups of endpoints: which endpoint a request goes to, and whether there is another attempt when one fails.
//!
//! An [`Upstream`] is a named group of endpoints, shared by all workers. A [`Client`] is one worker's set of connections: it lives on
//! that worker's thread, takes no lock, and survives reloads. It sends requests ([`Client::forward`], `send`) or makes a bare connection
//! for other protocols than HTTP (`dial`). All of them pick an endpoint (`pick`, `endpoints`, `balance`) and walk the same loop
//! (`attempts`), under one policy (`retry_policy`). A single attempt is made by `lockgate_client`.
//!
//! This crate knows no routes and no plugins. The only time limit is that for connecting; the caller bounds the whole exchange by
//! dropping the future or the body.

mod attempts;
mod balance;
mod client;
mod dial;
mod endpoints;
mod error;
mod pick;
mod retry_policy;
mod rng;
mod send;
mod settings;
mod upstream;

pub use client::Client;
pub use dial::UpstreamConnection;
pub use error::{SendError, in_words};
pub use send::UpstreamResponse;
pub use settings::{Balance, EndpointSettings, HostPolicy, ResponseLimits, UpstreamSettings, UpstreamTimeouts, Weight};
pub use upstream::Upstream;
