//! The failure of a stream in which the guest has exceeded a limit, in words.

use super::Instance;
use crate::report::{Failure, FailureKind, RequestLimit};

impl Instance {
    /// The failure of a stream in which the guest has exceeded a limit.
    pub(crate) fn limit_failure_of(&self, id: u32) -> Failure {
        let known = self.over_limit.borrow().iter().find(|(known, _)| *known == id).copied();
        self.limit_failure(known.map_or(RequestLimit::CpuTime, |(_, why)| why))
    }

    pub(super) fn limit_failure(&self, why: RequestLimit) -> Failure {
        let limits = &self.plugin.settings().limits;
        let (kind, message) = match why {
            RequestLimit::CpuTime => {
                let milliseconds = limits.request_deadline.duration().as_millis();
                let message = format!(
                    "the request used more than {milliseconds} ms of CPU time (limits.request_deadline) over all its callbacks"
                );
                (FailureKind::Deadline, message)
            }
            RequestLimit::HeaderGrowth => (
                FailureKind::LimitExceeded,
                format!(
                    "the headers written for this request would exceed limits.header_growth, {}",
                    limits.header_growth
                ),
            ),
            RequestLimit::BodyGrowth => (
                FailureKind::LimitExceeded,
                format!(
                    "the body that the plugin enlarges would exceed limits.body_growth, {}",
                    limits.body_growth
                ),
            ),
            RequestLimit::LocalResponse => (
                FailureKind::LimitExceeded,
                format!(
                    "the plugin's local response would exceed limits.local_response, {}",
                    limits.local_response
                ),
            ),
        };
        self.failure(kind, message)
    }
}
