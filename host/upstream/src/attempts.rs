//! The attempt loop: one endpoint after the other, until one gives what is asked for or the retry policy ends it.

use http::HeaderValue;
use lockgate_client::{Address, AttemptError, PoolSettings, Target};

use crate::error::SendError;
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

/// Makes attempts, the first one at the endpoint that was picked. Gives the output of the one that succeeded, and the number of
/// attempts. `begin` gets the number and address of each as it begins: whoever gives up waiting knows what it waited for.
///
/// # Errors
/// That of the last attempt.
pub(crate) fn run<A: Attempt>(
    mut pick: Pick<'_>,
    repeatable: Repeatable,
    mut attempt: A,
    mut begin: impl FnMut(u32, &Address),
) -> impl Future<Output = Result<(A::Output, u32), SendError>> {
    let mut tries = Tries::default();
    async move {
        loop {
            tries.attempts += 1;
            let (upstream, endpoint) = (pick.upstream(), pick.endpoint());
            begin(tries.attempts, &endpoint.target.address);
            let outcome = attempt.attempt(&endpoint.target, &upstream.pool, tries.repeats());
            let failure = match outcome.await {
                Ok(output) => return Ok((output, tries.attempts)),
                Err(failure) => failure,
            };
            let (endpoints, address) = (pick.upstream().endpoints.count(), &pick.endpoint().target.address);
            match RETRY_POLICY.next(&mut tries, failure.progress, repeatable, endpoints) {
                Some(Next::SameEndpoint) => {}
                Some(Next::NextEndpoint) => {
                    pick = pick.next();
                    if let Some(host) = pick.host() {
                        attempt.set_host(host);
                    }
                }
                None => return Err(SendError::new(failure.error, address, tries.attempts)),
            }
        }
    }
}
