//! [`RetryPolicy`]: whether there is another attempt after one that failed.

use http::Method;
use http_body::Body;
use lockgate_client::Progress;

/// What may be tried again, and how often.
#[derive(Clone, Copy, Debug)]
pub(crate) struct RetryPolicy {
    /// The number of endpoints that are connected to when one after the other cannot be reached.
    max_endpoints: usize,
    /// The number of times that a request goes out again which a connection did not take, HTTP/2 connections that are closing.
    max_unsent: u32,
    /// The number of times that a request goes out again which was sent.
    max_repeats: u32,
}

/// The policy of all upstreams.
pub(crate) const RETRY_POLICY: RetryPolicy = RetryPolicy {
    max_endpoints: 3,
    max_unsent: 3,
    max_repeats: 1,
};

/// When a request that was sent may be sent again.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Repeatable {
    /// Never: its body is gone.
    Never,
    /// When the upstream says that it has not processed it. The request has no body.
    Unprocessed,
    /// When it was not answered, too. The request has no body, and its method is idempotent (RFC 9110, section 9.2.2).
    Unanswered,
}

impl Repeatable {
    pub(crate) fn new(method: &Method, body: &impl Body) -> Self {
        match (body.is_end_stream(), method.is_idempotent()) {
            (false, _) => Self::Never,
            (true, false) => Self::Unprocessed,
            (true, true) => Self::Unanswered,
        }
    }
}

/// What was tried so far.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Tries {
    /// The number of attempts that reached for an endpoint, the current one among them.
    pub(crate) attempts: u32,
    unreachable: u32,
    unsent: u32,
    repeats: u32,
}

impl Tries {
    /// Whether the request has been sent before.
    pub(crate) fn is_repeat(&self) -> bool {
        self.repeats > 0
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
            (Progress::Unsent, _) => {
                tries.unsent += 1;
                (tries.unsent <= self.max_unsent).then_some(Next::SameEndpoint)
            }
            (Progress::Unprocessed, Repeatable::Unprocessed | Repeatable::Unanswered)
            | (Progress::Unanswered, Repeatable::Unanswered) => {
                tries.repeats += 1;
                (tries.repeats <= self.max_repeats).then_some(Next::SameEndpoint)
            }
            (Progress::Unprocessed | Progress::Unanswered | Progress::Final, _) => None,
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
        use Progress::{Final, Unanswered, Unprocessed};
        for (failed, repeatable, repeats) in [
            (Unanswered, Repeatable::Unanswered, 1),
            (Unanswered, Repeatable::Unprocessed, 0),
            (Unanswered, Repeatable::Never, 0),
            (Unprocessed, Repeatable::Unanswered, 1),
            (Unprocessed, Repeatable::Unprocessed, 1),
            (Unprocessed, Repeatable::Never, 0),
            (Final, Repeatable::Unanswered, 0),
        ] {
            let next = after(failed, repeatable, 3);
            assert_eq!(next, vec![Next::SameEndpoint; repeats], "{failed:?} {repeatable:?}");
        }
    }

    #[test]
    fn a_request_that_was_not_sent_goes_out_again_even_with_a_body() {
        assert_eq!(after(Progress::Unsent, Repeatable::Never, 1).len(), 3);
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
