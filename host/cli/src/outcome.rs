//! How a command that ran to its end ended.

/// What the exit code is made from. A command that could not do its work returns an error instead.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Outcome {
    /// All is well.
    Right,
    /// What was asked about is wrong, and the command has said why.
    Wrong,
}

impl Outcome {
    /// Wrong if either is.
    pub(crate) fn and(self, other: Self) -> Self {
        match (self, other) {
            (Self::Right, Self::Right) => Self::Right,
            _ => Self::Wrong,
        }
    }
}
