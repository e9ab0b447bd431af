//! What a VM remembers for its operator: how its instances died, and how much they had the host do. Plain data.

use std::time::SystemTime;

use crate::report::FailureKind;

/// What guests had the host do.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct HostCallStats {
    /// Host calls.
    pub calls: u64,
    /// Bytes that were copied into the guests' memory for them.
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

/// How an instance died.
#[derive(Clone, Debug)]
pub struct TrapReport {
    /// When.
    pub time: SystemTime,
    /// What kind of failure it was.
    pub kind: FailureKind,
    /// In which callback.
    pub phase: &'static str,
    /// What went wrong, in a sentence.
    pub message: String,
    /// Guest functions, the innermost first.
    pub backtrace: String,
    /// The last host call before.
    pub last_call: &'static str,
    /// The request that the guest was working for.
    pub request_id: Option<String>,
}
