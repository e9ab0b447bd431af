//! What routes do to requests beside sending them on, as labels of metrics.

/// A fault that a route injects.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Fault {
    /// The request was delayed.
    Delay,
    /// It was not delayed, because too many were.
    DelaySkipped,
    /// It was aborted.
    Abort,
}

impl Fault {
    /// The value of the label `fault`.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Delay => "delay",
            Self::DelaySkipped => "delay_skipped",
            Self::Abort => "abort",
        }
    }
}

/// What became of a copy of a request for a shadow upstream.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum MirrorResult {
    /// The shadow has responded.
    Sent,
    /// There was no response.
    Failed,
    /// There was no response in time.
    Timeout,
    /// It was not sent: the body is too large.
    TooLarge,
    /// It was not sent: as many as may be were on the way.
    Overflow,
    /// It was not sent: the request's body did not come to its end.
    Incomplete,
}

impl MirrorResult {
    /// The value of the label `result`.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Sent => "sent",
            Self::Failed => "failed",
            Self::Timeout => "timeout",
            Self::TooLarge => "too_large",
            Self::Overflow => "overflow",
            Self::Incomplete => "incomplete",
        }
    }
}
