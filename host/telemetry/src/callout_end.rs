//! [`CalloutEnd`]: how a plugin's callout ended.

/// How a plugin's callout ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum CalloutEnd {
    /// The response has come.
    Response,
    /// Its own timeout has passed.
    Timeout,
    /// There was no response, or it broke off.
    Failed,
    /// It was no longer wanted.
    Cancelled,
}

impl CalloutEnd {
    /// Number of variants.
    pub(crate) const COUNT: usize = 4;

    /// All of them, in the order of their numbers.
    pub(crate) const ALL: [Self; Self::COUNT] = [Self::Response, Self::Timeout, Self::Failed, Self::Cancelled];

    /// The value of the metrics' label `result`.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Response => "response",
            Self::Timeout => "timeout",
            Self::Failed => "failed",
            Self::Cancelled => "cancelled",
        }
    }
}
