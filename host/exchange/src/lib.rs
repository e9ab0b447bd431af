//! The exchange: the request and the response that a chain of plugins may read and change, and what is known of them.
//!
//! Plain data and no I/O. The sandbox reads and changes it for guests, the gateway fills it in and does what plugins asked for.

#![cfg_attr(test, allow(clippy::unwrap_used, reason = "a test that cannot go on says where"))]

mod ask;
mod body;
pub mod clock;
mod exchange;
mod facts;
mod halves;
mod held;
mod properties;

pub use ask::{Asked, LocalResponse, Positions};
pub use body::{BodyBuffer, BodySink, Tap};
pub use exchange::{Exchange, RequestHead, ResponseHead, Scheme, SharedExchange, grpc_status};
pub use facts::{CertificateFacts, Connection, Facts, Moment, TlsFacts};
pub use halves::{Halves, Way};
pub use held::{HeldBodies, Side};
pub use properties::{Properties, PropertiesFull};
