//! The attempt loop: one endpoint after the other, until one gives what is asked for or the retry policy ends it.

use http::HeaderValue;
use lockgate_client::{Address, AttemptError, PoolSettings, Progress, Target};

use crate::error::SendError;
use crate::outcome::Outcome;
use crate::pick::Pick;
use crate::retry_policy::{Next, RETRY_POLICY, Repeatable, Tries};

/// What is tried at an endpoint.
pub(crate) trait Attempt {
    /// What a successful attempt gives.
    type Output;

    /// Makes an attempt, after so many in which the request has gone out in vain.
    fn attempt(
        &mut self,
        target: &Target,
        settings: &PoolSettings,
        repeats: u32,
    ) -> impl Future<Output = Result<Self::Output, AttemptError>>;

    /// Prepares for an endpoint that is asked for another host.
    fn set_host(&mut self, host: &HeaderValue);
}

/// Makes attempts, the first one at the endpoint that was picked. Gives the output of the one that succeeded, and the number of attempts;
/// its endpoint is picked then, and is to be told how the attempt ended. `begin` gets the number and address of each as it begins: whoever
/// gives up waiting knows what it waited for.
///
/// # Errors
/// That of the last attempt.
pub(crate) fn run<A: Attempt>(
    pick: &mut Pick<'_>,
    repeatable: Repeatable,
    mut attempt: A,
    mut begin: impl FnMut(u32, &Address),
) -> impl Future<Output = Result<(A::Output, u32), SendError>> {
    let mut tries = Tries::default();
    async move {
        loop {
            tries.attempts += 1;
            begin(tries.attempts, pick.endpoint().address());
            let upstream = pick.upstream();
            let outcome = attempt.attempt(pick.endpoint().target(), &upstream.pool, tries.repeats());
            let failure = match outcome.await {
                Ok(output) => return Ok((output, tries.attempts)),
                Err(failure) => failure,
            };
            let outcome = Outcome::of_error(&failure.error);
            match RETRY_POLICY.next(&mut tries, failure.progress, repeatable, pick.choices()) {
                // Nothing has been asked of the endpoint.
                Some(Next::SameEndpoint) if failure.progress == Progress::Stale => {}
                Some(Next::SameEndpoint) => pick.again(outcome),
                Some(Next::NextEndpoint) => {
                    pick.next(outcome);
                    if let Some(host) = pick.host() {
                        attempt.set_host(host);
                    }
                }
                None => {
                    let error = SendError::new(failure, pick.endpoint().address(), tries.attempts);
                    pick.finish(outcome);
                    return Err(error);
                }
            }
        }
    }
}
