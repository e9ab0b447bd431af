//! The control thread: makes snapshots of the configuration, hands them to the workers, watches files, listens to signals, drains.
//!
//! [`Handle`] is what others (the admin API) see of it.

#![cfg_attr(test, allow(clippy::unwrap_used, reason = "a test that cannot go on says where"))]

mod control;
mod handle;
mod load;
mod report;
mod staging;
mod start;
mod status;
mod watch;

pub use control::RunError;
pub use handle::{Handle, PluginSource};
pub use report::{
    Bucket, CpuReport, HostCallsReport, ModuleReport, PhaseReport, PluginDetail, PluginReport, PluginTrap, PluginVm,
    PluginsReport,
};
pub use staging::{Prepared, Staging};
pub use start::{CheckSummary, RunOptions, check, run};
