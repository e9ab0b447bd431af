//! [`VmReport`]: what operators see of a VM.

use std::time::Duration;

use crate::report::{HostCallStats, TrapReport};

/// The state of a VM.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum VmState {
    /// Not started yet, or waiting for a stream to start it.
    Idle,
    /// Its start waits for callouts. Streams get the plugin's `on_error`.
    Starting,
    /// An instance takes streams.
    Running,
    /// It failed repeatedly. The next start is delayed.
    BackingOff,
    /// It failed so often that one request at a time tries it.
    Quarantined,
}

impl VmState {
    /// The value of the field `state`.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Idle => "idle",
            Self::Starting => "starting",
            Self::Running => "running",
            Self::BackingOff => "backing_off",
            Self::Quarantined => "quarantined",
        }
    }
}

/// The report of a VM for operators.
#[derive(Clone, Debug)]
pub struct VmReport {
    /// Its state.
    pub state: VmState,
    /// The age of the current instance.
    pub age: Duration,
    /// Linear memory of the current instance, in bytes.
    pub memory: u64,
    /// Open stream contexts.
    pub streams: usize,
    /// Failures that ended an instance or prevented its start, since the VM was created.
    pub traps: u64,
    /// The message of the last failure.
    pub last_failure: Option<String>,
    /// Host calls of all its instances, past ones included.
    pub host_calls: HostCallStats,
    /// The last traps, oldest first; at most 16.
    pub last_traps: Vec<TrapReport>,
}
