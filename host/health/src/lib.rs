//! Active health checks: probes of endpoints, their schedule, and what their results mean.
//!
//! A [`Check`] is what an upstream's `health_check` says, ready to be carried out; [`probe`](probe::probe) carries it out once, at one
//! target. A [`Tracker`] turns the results of an endpoint's probes into its health. The [`Checker`] does all of this for every endpoint, on
//! a thread of its own: workers only read what it has found.
//!
//! Floors, from below: `tracker`, `failure`, `jitter`, `subject`, `request`; `grpc_message`; `check`; `probe`; `checker`.

#![cfg_attr(test, allow(clippy::unwrap_used, reason = "a test that cannot go on says where"))]

mod check;
mod checker;
mod failure;
mod grpc_message;
mod jitter;
mod probe;
mod request;
mod subject;
mod tracker;

pub use check::Check;
pub use checker::{CheckedUpstream, Checker, MAX_CONCURRENT, ProbeCounter};
pub use failure::ProbeFailure;
pub use probe::probe;
pub use subject::{CheckedEndpoint, CheckedGroup};
pub use tracker::{Thresholds, Tracker};
