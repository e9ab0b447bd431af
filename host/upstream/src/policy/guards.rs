//! What a request holds of its upstream's policies. However the request ends, each is given back.

use std::time::Instant;

use crate::policy::breaker::{Admission, BreakerChange, BreakerState, BreakerTicket, Outcome, Refused};
use crate::policy::clock;
use crate::policy::state::PolicyState;
use crate::settings::BreakerSettings;

/// A request that the circuit breaker has let pass. Dropped, it says nothing about the upstream.
#[derive(Debug)]
#[must_use]
pub struct BreakerPass<'a> {
    upstream: &'a str,
    state: &'a PolicyState,
    settings: &'a BreakerSettings,
    begun: Instant,
    ticket: Option<BreakerTicket>,
}

impl<'a> BreakerPass<'a> {
    /// Asks the breaker, whose state is returned, too.
    pub(crate) fn ask(
        upstream: &'a str,
        state: &'a PolicyState,
        settings: &'a BreakerSettings,
    ) -> (BreakerState, Result<Self, Refused>) {
        let begun = clock::now();
        let Admission {
            state: found,
            verdict,
            change,
        } = state.breaker.admit(settings, begun);
        announce(upstream, change);
        let pass = verdict.map(|ticket| Self {
            upstream,
            state,
            settings,
            begun,
            ticket: Some(ticket),
        });
        if pass.is_err() {
            state.counts.circuit_open();
        }
        (found, pass)
    }

    /// Notes how the request ended: with a failure, or not.
    pub(crate) fn end(mut self, is_failure: bool) {
        let Some(ticket) = self.ticket.take() else { return };
        let now = clock::now();
        let outcome = Outcome {
            is_failure,
            latency: now.saturating_duration_since(self.begun),
        };
        announce(
            self.upstream,
            self.state.breaker.record(self.settings, ticket, outcome, now),
        );
    }
}

impl Drop for BreakerPass<'_> {
    fn drop(&mut self) {
        if let Some(ticket) = self.ticket.take() {
            self.state.breaker.release(ticket);
        }
    }
}

fn announce(upstream: &str, change: Option<BreakerChange>) {
    match change {
        None => {}
        Some(BreakerChange {
            to: to @ BreakerState::Open,
            why,
        }) => tracing::warn!(upstream, state = to.as_str(), why = &*why, "circuit breaker opened"),
        Some(BreakerChange { to, why }) => {
            tracing::info!(upstream, state = to.as_str(), why = &*why, "circuit breaker changed");
        }
    }
}
