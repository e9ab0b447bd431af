//! HTTP towards clients: the checks of a request before it is admitted (framing, path, host, proxy headers), and the gateway's own
//! responses (problems, and their form for gRPC).
//!
//! No sockets and no runtime: bytes and heads in, results out. The gateway reads and writes them.

#![cfg_attr(test, allow(clippy::unwrap_used, reason = "a test that cannot go on says where"))]

pub mod grpc;
pub mod guard;
pub mod inbound;
pub mod path;
pub mod problem;
pub mod response_flags;
mod settings;

pub use settings::{AmbiguousNames, EscapedSlashes, ListenerLimits, TrailerNames, UnsafeCharacters};
