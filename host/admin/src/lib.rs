//! The admin API: health, readiness, metrics and plugin status, on a listener of its own. HTTP over the control thread's
//! [`Handle`](lockgate_control::Handle), and nothing else of the gateway.
//!
//! `routes` is the table of paths and methods: a new call starts there. Dispatch and `docs/admin-api.md` are made of it; `api` has the
//! handlers. Floors, from below: `error`, `response`, `access`, `api`, `routes`, `server`.

#![cfg_attr(test, allow(clippy::unwrap_used, reason = "a test that cannot go on says where"))]

mod access;
mod api;
pub mod error;
mod response;
pub mod routes;
mod server;

pub use server::serve;
