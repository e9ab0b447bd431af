//! The control thread: loads snapshots of the configuration, activates them on the workers, watches files, handles signals, drains.
//!
//! [`Handle`] is what the admin API sees of it. From below: `error`, `report`, `route_report`; `load` makes a snapshot, `activate` hands it
//! to the workers, `watch` reports changed files, `status` reports on the live snapshot, `upstreams` maintains the living endpoints; `handle`
//! and `signals` bring commands; `control` is the loop over
//! all of these; `start`, `check` and `embedded` are the ways in.

#![cfg_attr(test, allow(clippy::unwrap_used, reason = "a test that cannot go on says where"))]

mod activate;
mod check;
mod control;
mod descriptors;
mod discovery;
mod embedded;
mod engine;
mod error;
mod handle;
mod host_names;
mod load;
pub mod log_lines;
mod report;
mod route_report;
mod signals;
mod start;
mod state_folder;
mod status;
mod upstreams;
mod watch;

pub use check::{CheckSummary, check};
pub use embedded::{EmbeddedLoader, PreparedSnapshot};
pub use error::RunError;
pub use handle::{Commands, Handle, Readiness, StatusSource};
pub use lockgate_overlay::Registration;
pub use report::{
    Bucket, CpuReport, HostCallsReport, ModuleReport, PhaseReport, PluginDetail, PluginReport, PluginTrap, PluginVm,
    PluginsReport,
};
pub use route_report::{
    AbortReport, BranchReport, DelayReport, DestinationReport, MatchReport, MirrorReport, PathChangeReport,
    RouteReport, RoutesReport,
};
pub use start::{RunOptions, run};
pub use upstreams::{
    BreakerChange, ChangeError, EndpointChange, EndpointChanged, EndpointReport, OverlayReport, UpstreamChange,
    UpstreamChanged, UpstreamReport, Upstreams,
};
