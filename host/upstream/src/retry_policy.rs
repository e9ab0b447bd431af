//! [`RetryPolicy`]: whether there is another attempt after one that failed.

use http::Method;
use http_body::Body;
use lockgate_client::Progress;

/// What may be tried again, and how often.
#[derive(Clone, Copy, Debug)]
pub(crate) struct RetryPolicy {
    /// The number of endpoints that are connected to when one after the other cannot be reached.
    max_endpoints: usize,
    /// The number of times that a request goes out again which the endpoint has not read, or has not processed: connections and
    /// processes that are closing.
    max_unprocessed: u32,
    /// The number of times that a request goes out again of which nobody knows whether it was processed.
    max_unanswered: u32,
}

/// The policy of all upstreams.
pub(crate) const RETRY_POLICY: RetryPolicy = RetryPolicy {
    max_endpoints: 3,
    max_unprocessed: 3,
    max_unanswered: 1,
};

/// Whether a request may be sent again that was not answered.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Repeatable {
    /// No: it may have been processed, and a second time could do harm.
    Never,
    /// The request has no body, and its method is idempotent (RFC 9110, section 9.2.2).
    Unanswered,
}

impl Repeatable {
    pub(crate) fn new(method: &Method, body: &impl Body) -> Self {
        match body.is_end_stream() && method.is_idempotent() {
            true => Self::Unanswered,
            false => Self::Never,
        }
    }
}

/// What was tried so far.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Tries {
    /// The number of attempts that reached for an endpoint, the current one among them.
    pub(crate) attempts: u32,
    unreachable: u32,
    unprocessed: u32,
    unanswered: u32,
}

impl Tries {
    /// The number of times that the request has gone out in vain.
    pub(crate) fn repeats(&self) -> u32 {
        self.unprocessed + self.unanswered
    }
}

/// Where the next attempt goes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Next {
    /// To the same endpoint, on another connection.
    SameEndpoint,
    /// To the next endpoint.
    NextEndpoint,
}

impl RetryPolicy {
    /// Where the next attempt goes after one that failed, at an upstream of this many endpoints; `None` if there is no other.
    pub(crate) fn next(
        &self,
        tries: &mut Tries,
        failed: Progress,
        repeatable: Repeatable,
        endpoints: usize,
    ) -> Option<Next> {
        match (failed, repeatable) {
            (Progress::NotConnected, _) => {
                tries.unreachable += 1;
                let is_left = (tries.unreachable as usize) < self.max_endpoints.min(endpoints);
                is_left.then_some(Next::NextEndpoint)
            }
            // The endpoint has not been reached for. There is an end to it: the connection has left the pool.
            (Progress::Stale, _) => {
                tries.attempts -= 1;
                Some(Next::SameEndpoint)
            }
            (Progress::Unsent | Progress::Unprocessed, _) => {
                tries.unprocessed += 1;
                let is_left = tries.unprocessed <= self.max_unprocessed;
                // One connection is leaving, or the endpoint.
                let is_elsewhere = tries.unprocessed > 1 && endpoints > 1;
                is_left.then_some(if is_elsewhere {
                    Next::NextEndpoint
                } else {
                    Next::SameEndpoint
                })
            }
            (Progress::Unanswered, Repeatable::Unanswered) => {
                tries.unanswered += 1;
                (tries.unanswered <= self.max_unanswered).then_some(Next::SameEndpoint)
            }
            (Progress::Unanswered | Progress::Final, _) => None,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Where the attempts go that follow failures of this kind, until there is no other.
    fn after(failures: Progress, repeatable: Repeatable, endpoints: usize) -> Vec<Next> {
        let mut tries = Tries::default();
        std::iter::from_fn(|| {
            tries.attempts += 1;
            RETRY_POLICY.next(&mut tries, failures, repeatable, endpoints)
        })
        .take(10)
        .collect()
    }

    #[test]
    fn endpoints_are_tried_up_to_three_and_never_twice() {
        for (endpoints, further) in [(1, 0), (2, 1), (3, 2), (100, 2)] {
            let next = after(Progress::NotConnected, Repeatable::Never, endpoints);
            assert_eq!(next, vec![Next::NextEndpoint; further], "{endpoints}");
        }
    }

    #[test]
    fn a_request_that_was_sent_is_repeated_once_if_that_does_no_harm() {
        use Progress::{Final, Unanswered};
        for (failed, repeatable, repeats) in [
            (Unanswered, Repeatable::Unanswered, 1),
            (Unanswered, Repeatable::Never, 0),
            (Final, Repeatable::Unanswered, 0),
        ] {
            let next = after(failed, repeatable, 3);
            assert_eq!(next, vec![Next::SameEndpoint; repeats], "{failed:?} {repeatable:?}");
        }
    }

    #[test]
    fn a_request_that_nobody_has_processed_goes_out_again_even_with_a_body() {
        use Next::{NextEndpoint, SameEndpoint};
        for failed in [Progress::Unsent, Progress::Unprocessed] {
            assert_eq!(after(failed, Repeatable::Never, 1), [SameEndpoint; 3]);
            let elsewhere = [SameEndpoint, NextEndpoint, NextEndpoint];
            assert_eq!(after(failed, Repeatable::Never, 2), elsewhere);
        }
    }

    #[test]
    fn a_connection_that_was_closed_before_its_use_is_never_the_last() {
        assert_eq!(after(Progress::Stale, Repeatable::Never, 1).len(), 10);
    }

    #[test]
    fn a_stale_connection_is_no_attempt() {
        let mut tries = Tries {
            attempts: 1,
            ..Tries::default()
        };
        RETRY_POLICY.next(&mut tries, Progress::Stale, Repeatable::Never, 1);
        assert_eq!(tries.attempts, 0);
    }
}
