//! Where requests go: groups of endpoints, balancing, and further attempts.
//!
//! An [`Upstream`] is the frozen description of one named group of endpoints; it is shared by all workers. A [`Client`] is
//! one worker's own set of keep-alive connections: it lives on that worker's thread, takes no lock, and survives reloads.
//! It sends requests ([`Client::send`]) or hands out a bare connection ([`Client::dial`]) to whoever speaks something else than HTTP.
//! It knows no routes, no plugins and no time limits of its own beyond connecting; whoever calls
//! [`Client::send`] bounds the whole exchange by dropping the future or the body.

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
pub use error::SendError;
pub use send::UpstreamResponse;
pub use settings::{Balance, EndpointSettings, HostPolicy, UpstreamSettings, Weight};
pub use upstream::Upstream;
