//! HTTP to one address: the connections to it, in HTTP/1.1 or HTTP/2, and what is kept of them for the next request.
//!
//! All of this belongs to one worker: it lives on that worker's thread, takes no lock, and survives reloads. This crate makes one
//! attempt at one address. Which address, and whether there is another attempt, is for whoever calls it.

mod address;
mod answer;
mod body;
mod chunks;
mod connect;
mod connection;
mod error;
mod keep;
mod message;
mod multiplex;
mod pool;
mod reading;
mod settings;

pub use address::{Address, AddressError};
pub use answer::Head as AnswerHead;
pub use body::PooledBody;
pub use connect::{Connect, Connecting, Duplex, Socket, Stream, connect};
pub use connection::{Connection, Failure, Held};
pub use error::{Blame, BodyFailure, ConnectionError, SendError};
pub use keep::{Keep, PoolSettings};
pub use message::{Head, Message};
pub use multiplex::{
    Failure as MultiplexFailure, Lines, RequestBody, Seat, again, body as multiplexed_body, in_form, is_malformed,
    request,
};
pub use pool::{Pool, Reusable};
pub use settings::Protocol;
