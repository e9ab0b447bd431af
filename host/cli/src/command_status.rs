//! The end of a command that ran to its end, for the exit code.

/// Success or failure. A command that could not do its work returns an error instead.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum CommandStatus {
    /// Exit code 0.
    Success,
    /// Exit code 1: the checked thing is wrong, and the command has printed why.
    Failure,
}

impl CommandStatus {
    /// Failure if either is.
    pub(crate) fn and(self, other: Self) -> Self {
        match (self, other) {
            (Self::Success, Self::Success) => Self::Success,
            _ => Self::Failure,
        }
    }
}
