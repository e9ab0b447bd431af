//! Where requests go: endpoints, balancing, and the connections to them.
//!
//! An [`Upstream`] is the frozen description of one named group of endpoints; it is shared by all workers. A [`Client`] is
//! one worker's own set of keep-alive connections: it lives on that worker's thread, takes no lock, and survives reloads.
//! This crate speaks HTTP/1.1 or HTTP/2 to upstreams, in the clear, or hands out a bare connection ([`Client::dial`]) to whoever
//! speaks something else. It knows no routes, no plugins and no time limits of its own beyond connecting; whoever calls
//! [`Client::send`] bounds the whole exchange by dropping the future or the body.

mod address;
mod answer;
mod balance;
mod body;
mod chunks;
mod client;
mod connect;
mod connection;
mod dial;
mod error;
mod message;
mod multiplex;
mod pool;
mod reading;
mod settings;
mod upstream;

pub use address::{Address, AddressError};
pub use body::PooledBody;
pub use client::{Client, Sent};
pub use connect::{Connect, Connecting, Duplex, Socket, Stream};
pub use dial::Dialled;
pub use error::{Blame, ConnectionError, SendError};
pub use message::Head;
pub use settings::{Balance, EndpointSettings, HostPolicy, Protocol, UpstreamSettings, Weight};
pub use upstream::{Endpoint, Upstream};
