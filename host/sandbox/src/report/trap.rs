//! Traps and statistics of a VM.

use std::time::SystemTime;

use crate::report::FailureKind;

/// Host calls of guests.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct HostCallStats {
    /// Number of calls.
    pub calls: u64,
    /// Bytes copied into guest memory.
    pub copied_bytes: u64,
}

impl HostCallStats {
    pub(crate) fn add(self, other: Self) -> Self {
        Self {
            calls: self.calls + other.calls,
            copied_bytes: self.copied_bytes + other.copied_bytes,
        }
    }
}

/// A trap of an instance.
#[derive(Clone, Debug)]
pub struct TrapReport {
    /// The time of the trap.
    pub time: SystemTime,
    /// The kind of failure.
    pub kind: FailureKind,
    /// The callback that trapped.
    pub phase: &'static str,
    /// One sentence.
    pub message: String,
    /// Guest functions, innermost first.
    pub backtrace: String,
    /// The last host call before the trap.
    pub last_call: &'static str,
    /// The request that the guest worked for.
    pub request_id: Option<String>,
}
