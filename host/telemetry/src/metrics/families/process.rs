//! Families of the process.

use super::Family;

/// How a reload ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ReloadResult {
    /// The new snapshot is in use.
    Success,
    /// The previous snapshot, or the previous module, stays in use.
    Failure,
}

impl ReloadResult {
    /// The value of the label `result`.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Success => "success",
            Self::Failure => "failure",
        }
    }
}

pub(in crate::metrics) const CONNECTIONS: Family =
    Family::gauge("lockgate_connections", &[], "Open connections of clients.");

pub(in crate::metrics) const CONNECTIONS_TOTAL: Family = Family::counter(
    "lockgate_connections_total",
    &[],
    "Connections of clients since the start.",
);

pub(in crate::metrics) const ACCESS_LOG_DROPPED: Family = Family::counter(
    "lockgate_access_log_dropped_total",
    &[],
    "Lines of the access log that were lost, because the disk was too slow or could not be written.",
);

pub(in crate::metrics) const LOG_DROPPED: Family = Family::counter(
    "lockgate_log_dropped_total",
    &[],
    "Lines of the log that were lost, because stderr was not read or could not be written.",
);
