//! HTTP towards clients, by the letter: what a request must be to be let in (framing, path, host, proxy headers), and what the gateway
//! answers itself (problems, gRPC's form of them).
//!
//! No sockets and no runtime: bytes and heads in, verdicts out. Who reads and writes them is the gateway.

#![cfg_attr(test, allow(clippy::unwrap_used, reason = "a test that cannot go on says where"))]

pub mod grpc;
pub mod guard;
pub mod inbound;
pub mod path;
pub mod problem;
pub mod response_flags;
pub mod settings;

pub use settings::{EscapedSlashes, ListenerLimits};
