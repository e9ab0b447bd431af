//! The data path and what keeps it running: workers, listeners, pipeline, chain, reload, drain; and, until it grows out of
//! here, the admin API.
//!
//! What answers a request lies in `snapshot` and is looked at through a worker's `view`; `pipeline` is the life of a
//! request. `control` makes snapshots (`load`) and hands them to workers (`worker`). See ARCHITECTURE.md.

#![cfg_attr(test, allow(clippy::unwrap_used, reason = "a test that cannot go on says where"))]

pub mod admin;
mod admission;
mod alarm;
mod bells;
mod body;
mod body_error;
mod callout;
mod chain;
mod chance;
mod choice;
mod connection;
mod control;
mod crowd;
mod deadline;
mod feed;
mod grpc_callout;
mod inspection;
mod judgement;
mod lane;
mod ledger;
mod lingering;
mod listener;
mod load;
mod modules;
mod outbound;
mod outside;
mod pipeline;
mod pulse;
pub mod rehearsal;
mod reroute;
mod roster;
mod run;
mod served;
mod signature;
mod snapshot;
mod source;
mod station;
mod tcp;
mod trial;
mod uses;
mod view;
mod watch;
mod worker;

pub use control::RunError;
pub use inspection::{InspectError, Inspection, ManifestReport, inspect, schemas};
pub use run::{CheckSummary, RunOptions, check, run};
