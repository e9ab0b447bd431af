//! The admin API: health, readiness, metrics and what is live, on a listener of its own. HTTP over the control thread's [`Handle`], and
//! nothing else of the gateway.

#![cfg_attr(test, allow(clippy::unwrap_used, reason = "a test that cannot go on says where"))]

mod access;
mod problem;
mod respond;
mod server;
mod trace;

pub use server::serve;
