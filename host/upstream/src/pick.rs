//! [`Pick`]: the endpoint that was picked for an attempt, as a guard that reports the attempt's outcome.

use std::sync::Arc;
use std::time::Duration;

use http::HeaderValue;
use lockgate_client::Lease;

use crate::ejection;
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
    /// The start of the attempt, in microseconds of [`Group::clock`]; zero if nothing asks for its duration. With the bit [`PROBE`]: a pick
    /// is part of the state of every request.
    begun: u64,
}

/// The endpoint was ejected, and the attempt decides whether it comes back.
const PROBE: u64 = 1 << 63;

impl<'a> Pick<'a> {
    /// Picks the endpoint for a first attempt; `None` when no endpoint takes requests. `random` is called only when the balance needs it.
    pub(crate) fn first(upstream: &'a Upstream, random: impl Fn() -> usize) -> Option<Self> {
        if upstream.straight().is_some() {
            return Some(Self {
                upstream,
                observed: None,
            });
        }
        let group = upstream.group();
        let of = |list: &Endpoints| {
            let endpoint = list.first(&group.next, random, || upstream.clock());
            endpoint.map(|endpoint| Self::observed(upstream, endpoint))
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

    /// Picks an ejected endpoint whose time is over, if this request has to try one.
    pub(crate) fn probe(upstream: &'a Upstream, is_repeatable: bool) -> Option<Self> {
        let settings = upstream.policies()?.outlier.as_ref()?;
        let endpoint = ejection::probe(upstream.group(), settings, is_repeatable)?;
        let mut pick = Self::observed(upstream, &endpoint);
        if let Some(observed) = &mut pick.observed {
            observed.begun |= PROBE;
        }
        Some(pick)
    }

    /// Picks another endpoint than the one with this standing; that one only if there is no other.
    pub(crate) fn other(upstream: &'a Upstream, than: &Arc<Endpoint>) -> Self {
        let of = |list: &Endpoints| list.after(than.standing()).cloned();
        let next = match upstream.prepared_if_current() {
            Some(list) => of(list),
            None => of(&upstream.group().current()),
        };
        Self::observed(upstream, next.as_ref().unwrap_or(than))
    }

    /// Whether it tries an endpoint that was ejected.
    pub(crate) fn is_probe(&self) -> bool {
        self.observed
            .as_ref()
            .is_some_and(|observed| observed.begun & PROBE != 0)
    }

    /// The endpoint, to be kept; `None` for the only one of an upstream without policies.
    pub(crate) fn shared(&self) -> Option<&Arc<Endpoint>> {
        self.observed.as_ref().map(|observed| &observed.endpoint)
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
        match self.observed {
            None => None,
            Some(_) => self.report(outcome, true),
        }
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
        // A connection that closed says nothing yet: it may have been about to, and the request goes on.
        let is_judged = matches!(outcome, Outcome::ConnectFailed | Outcome::ConnectTimeout);
        drop(self.report(outcome, is_judged));
        Self::observed(self.upstream, next)
    }

    fn report(&mut self, outcome: Outcome, is_judged: bool) -> Option<Lease> {
        let Observed { endpoint, begun } = self.observed.take()?;
        let (begun, is_probe) = (begun & !PROBE, begun & PROBE != 0);
        let group: &Group = self.upstream.group();
        let now = self.upstream.clock();
        let elapsed = now.saturating_sub(begun);
        if now > 0 && outcome.tells_latency() {
            endpoint.standing().latency().note(elapsed, outcome.is_failure(), now);
        }
        observe(group, &endpoint, outcome, Duration::from_micros(elapsed));
        if let Some(settings) = self.upstream.policies().and_then(|policies| policies.outlier.as_ref()) {
            match (outcome, outcome.verdict().filter(|_| is_judged)) {
                // Its end says more: see `resilient`.
                (Outcome::Status(_), None) => {}
                (_, verdict) if is_probe => ejection::note_probe(group, settings, &endpoint, verdict),
                (_, Some(verdict)) => ejection::note(group, settings, &endpoint, verdict),
                (_, None) => {}
            }
        }
        Some(Lease::new(endpoint))
    }
}

impl Drop for Pick<'_> {
    fn drop(&mut self) {
        if self.observed.is_some() {
            drop(self.report(Outcome::GivenUp, true));
        }
    }
}
