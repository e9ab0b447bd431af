//! The exchange: the request and the response that a chain of plugins may read and change, and what is known of them.
//!
//! Plain data, without I/O. The sandbox reads and changes it for guests. The gateway fills it in, and does what plugins ask for.

#![cfg_attr(test, allow(clippy::unwrap_used, reason = "a test that cannot go on says where"))]

mod body;
pub mod clock;
mod direction;
mod exchange;
mod held;
mod info;
mod memory;
mod pending;
mod properties;
mod tcp_buffers;
pub use body::{BodyBuffer, BodySink, Tap};
pub use clock::Timestamp;
pub use direction::Direction;
pub use exchange::{Exchange, HeadChanges, RequestHead, ResponseHead, Scheme, SharedExchange, grpc_status};
pub use held::HeldBodies;
pub use info::{CertificateInfo, ConnectionInfo, StreamInfo, TlsInfo, VIA_UPSTREAM};
pub use memory::{MemoryAccount, Reservation};
pub use pending::{LocalResponse, PendingActions, Positions};
pub use properties::{Properties, PropertiesFull};
pub use tcp_buffers::TcpBuffers;
