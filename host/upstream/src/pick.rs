//! [`Pick`]: the endpoint that was picked for an attempt, as a guard that reports the attempt's outcome.

use std::sync::Arc;
use std::time::Duration;

use http::HeaderValue;
use lockgate_client::Lease;

use crate::endpoint::Endpoint;
use crate::endpoints::Endpoints;
use crate::group::Group;
use crate::outcome::{Outcome, observe};
use crate::settings::HostPolicy;
use crate::upstream::Upstream;

/// The endpoint that was picked for an attempt. An attempt holds it until its outcome is known; one that is dropped before has been given
/// up.
///
/// The only endpoint of an upstream without policies is neither counted nor observed: there is nothing to decide.
#[derive(Debug)]
pub(crate) struct Pick<'a> {
    upstream: &'a Upstream,
    /// None for the only endpoint of an upstream without policies.
    observed: Option<Observed>,
}

#[derive(Debug)]
struct Observed {
    endpoint: Arc<Endpoint>,
    /// The start of the attempt, in microseconds of [`Group::clock`]; zero if nothing asks for its duration.
    begun: u64,
}

impl<'a> Pick<'a> {
    /// Picks the endpoint for a first attempt; `None` when no endpoint takes requests. `random` is called only when the balance needs it.
    pub(crate) fn first(upstream: &'a Upstream, random: impl FnOnce() -> usize) -> Option<Self> {
        if upstream.straight().is_some() {
            return Some(Self {
                upstream,
                observed: None,
            });
        }
        let group = upstream.group();
        let of = |list: &Endpoints| {
            list.first(&group.next, random)
                .map(|endpoint| Self::observed(upstream, endpoint))
        };
        match upstream.prepared_if_current() {
            Some(list) => of(list),
            None => of(&group.current()),
        }
    }

    fn observed(upstream: &'a Upstream, endpoint: &Arc<Endpoint>) -> Self {
        endpoint.standing().begin();
        Self {
            upstream,
            observed: Some(Observed {
                endpoint: endpoint.clone(),
                begun: upstream.clock(),
            }),
        }
    }

    pub(crate) fn upstream(&self) -> &'a Upstream {
        self.upstream
    }

    pub(crate) fn endpoint(&self) -> &Endpoint {
        match &self.observed {
            Some(observed) => &observed.endpoint,
            None => self.upstream.only(),
        }
    }

    /// How many endpoints of the upstream may be picked.
    pub(crate) fn choices(&self) -> usize {
        match self.upstream.prepared_if_current() {
            Some(list) => list.picked(),
            None => self.upstream.group().current().picked(),
        }
    }

    /// The host that the endpoint is asked for; `None` if it is the request's own.
    pub(crate) fn host(&self) -> Option<&HeaderValue> {
        match &self.upstream.host {
            HostPolicy::Pass => None,
            HostPolicy::Endpoint => Some(self.endpoint().host()),
            HostPolicy::Name(name) => Some(name),
        }
    }

    /// Reports how the attempt ended. The lease counts the request as active at the endpoint until it is dropped; it belongs to the body of
    /// the response.
    pub(crate) fn finish(&mut self, outcome: Outcome) -> Option<Lease> {
        self.report(outcome)
    }

    /// Reports how the attempt ended, and begins another one at the same endpoint.
    pub(crate) fn again(&mut self, outcome: Outcome) {
        if let Some(endpoint) = self.observed.as_ref().map(|observed| observed.endpoint.clone()) {
            *self = self.follow(&endpoint, outcome);
        }
    }

    /// Reports how the attempt ended, and picks the endpoint to try next: another one, if there is one that takes requests.
    pub(crate) fn next(&mut self, outcome: Outcome) {
        let Some(failed) = self.observed.as_ref().map(|observed| observed.endpoint.clone()) else {
            return;
        };
        let of = |list: &Endpoints| list.after(failed.standing()).cloned();
        let next = match self.upstream.prepared_if_current() {
            Some(list) => of(list),
            None => of(&self.upstream.group().current()),
        };
        *self = self.follow(&next.unwrap_or(failed), outcome);
    }

    fn follow(&mut self, next: &Arc<Endpoint>, outcome: Outcome) -> Self {
        drop(self.report(outcome));
        Self::observed(self.upstream, next)
    }

    fn report(&mut self, outcome: Outcome) -> Option<Lease> {
        let Observed { endpoint, begun } = self.observed.take()?;
        let group: &Group = self.upstream.group();
        observe(
            group,
            &endpoint,
            outcome,
            Duration::from_micros(self.upstream.clock().saturating_sub(begun)),
        );
        Some(Lease::new(endpoint))
    }
}

impl Drop for Pick<'_> {
    fn drop(&mut self) {
        drop(self.report(Outcome::GivenUp));
    }
}
