//! Sending a request under the policies of its upstream: circuit breaker, limit of concurrency, retries, hedging, time limits.
//!
//! An attempt is made by the loop that all requests share (`attempts`). It goes on by itself where that does no harm: to another endpoint
//! when one cannot be connected to, on another connection when one was closed. What is decided here is what comes after that.

mod attempt;
mod hedging;
mod request;

use std::cell::Cell;
use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;
use std::time::Duration;

use http::{Method, Request};
use lockgate_client::BodyFailure;

use self::attempt::{Arrived, Tried};
use self::request::Upload;
pub use self::request::{Observer, Overdue, RequestHead, RequestOptions, Resend, WholeHead};
use crate::client::Client;
use crate::endpoint::Endpoint;
use crate::error::SendError;
use crate::pick::Pick;
use crate::policy::concurrency::Permit;
use crate::policy::guards::BreakerPass;
use crate::policy::rules::{Policies, RetryReason, RetryRules};
use crate::policy::state::PolicyState;
use crate::policy::{backoff, clock};
use crate::send::UpstreamResponse;
use crate::settings::BudgetSettings;
use crate::upstream::Upstream;

impl<B> Client<B>
where
    B: Resend,
    B::Error: Into<BodyFailure>,
{
    /// Sends a request under the policies of `upstream`, and those of its route in their place, and waits for the head of the response.
    /// `pass` is what [`Upstream::admit`] has given. Otherwise like [`Client::forward`], which it is for an upstream without policies.
    ///
    /// # Errors
    /// [`SendError`]: why there is no response.
    pub fn forward_with_policies<'a, H: RequestHead>(
        &'a self,
        upstream: &'a Upstream,
        pass: Option<BreakerPass<'a>>,
        head: &'a H,
        body: B,
        options: RequestOptions<'a>,
        observer: &'a dyn Observer,
    ) -> Pin<Box<dyn Future<Output = Result<UpstreamResponse, SendError>> + 'a>> {
        let policies = upstream.policies().unwrap_or(&Policies::NONE);
        let sending = Sending {
            client: self,
            upstream,
            policies,
            head,
            method: head.method(),
            rules: policies.request.retry(options.route),
            options,
            observer,
            attempts: Cell::new(0),
        };
        Box::pin(async move { sending.run(body, pass).await })
    }
}

impl<B> Client<B>
where
    B: Resend,
    B::Error: Into<BodyFailure>,
{
    /// [`Client::forward_with_policies`] for a request in one piece, like [`Client::send`], which it is for an upstream without policies.
    ///
    /// # Errors
    /// [`SendError`]: why there is no response.
    pub async fn send_with_policies(
        &self,
        upstream: &Upstream,
        request: Request<B>,
        observer: &dyn Observer,
    ) -> Result<UpstreamResponse, SendError> {
        if !upstream.has_policies() {
            return self.send(upstream, request).await;
        }
        let pass = upstream.admit(|_| {})?;
        let (parts, body) = request.into_parts();
        let (head, options) = (WholeHead(parts), RequestOptions::default());
        self.forward_with_policies(upstream, pass, &head, body, options, observer)
            .await
    }
}

/// A request on its way.
struct Sending<'a, B: Resend, H>
where
    B::Error: Into<BodyFailure>,
{
    client: &'a Client<B>,
    upstream: &'a Upstream,
    policies: &'a Policies,
    head: &'a H,
    method: Method,
    rules: Option<&'a RetryRules>,
    options: RequestOptions<'a>,
    observer: &'a dyn Observer,
    /// Attempts that have begun.
    attempts: Cell<u32>,
}

/// Where another attempt goes, and when.
struct Next<'a> {
    pick: Pick<'a>,
    wait: Duration,
}

impl<'a, B, H> Sending<'a, B, H>
where
    B: Resend,
    B::Error: Into<BodyFailure>,
    H: RequestHead,
{
    fn state(&self) -> &'a PolicyState {
        &self.upstream.group().policies
    }

    /// The whole of it, once there is a place.
    async fn run(&self, body: B, pass: Option<BreakerPass<'_>>) -> Result<UpstreamResponse, SendError> {
        let permit = self.acquire().await?;
        let outcome = self.with_retries(body).await;
        if let Some(pass) = pass {
            match &outcome {
                Ok(arrived) => pass.end(arrived.status() >= 500),
                // The client's own failure.
                Err(SendError::RequestBody(_)) => {}
                Err(_) => pass.end(true),
            }
        }
        let attempts = self.attempts.get();
        match outcome {
            Ok(arrived) => Ok(arrived.into_response(attempts, permit)),
            Err(error) => Err(error.after(attempts)),
        }
    }

    /// A place among the concurrent requests, if they are limited.
    async fn acquire(&self) -> Result<Option<Permit>, SendError> {
        let Some(settings) = &self.policies.concurrency else {
            return Ok(None);
        };
        match self.state().limiter.acquire(settings, self.options.criticality).await {
            Ok(permit) => Ok(Some(permit)),
            Err(shed) => {
                self.state().counts.shed(shed);
                Err(SendError::Shed {
                    retry_after: settings.queue_timeout.duration(),
                    reason: shed.as_str(),
                })
            }
        }
    }

    /// Attempts, until one succeeds or no other may follow.
    async fn with_retries(&self, body: B) -> Result<Arrived<'a>, SendError> {
        let budget = self.rules.map_or_else(BudgetSettings::default, |rules| rules.budget);
        if self.rules.is_some() || self.policies.hedge.is_some() {
            self.state().budget.request(&budget, clock::now());
        }
        let is_covered = match self.rules {
            Some(rules) => rules.covers(&self.method),
            None => self.method.is_idempotent(),
        };
        let max_kept = self
            .rules
            .filter(|rules| rules.attempts > 0)
            .map_or(0, |rules| rules.max_body);
        let mut upload = Upload::new(body, max_kept);
        let mut pick = self.first_pick(is_covered && (upload.is_empty() || max_kept > 0))?;
        let mut retries = 0;
        loop {
            let is_probe = pick.is_probe();
            let tried = Tried::new(pick, self.observer);
            let (outcome, last) = self.attempt(tried, &mut upload, &budget).await;
            let Some(reason) = self.reason(&outcome, is_probe) else {
                return outcome;
            };
            if !upload.can_repeat() || !(is_covered || reason.is_harmless()) {
                return outcome;
            }
            if reason != RetryReason::Probe {
                if self.rules.is_none_or(|rules| retries >= rules.attempts) {
                    self.observer.retries_exhausted();
                    return outcome;
                }
                retries += 1;
            }
            let Some(next) = self.next(last.as_ref(), &outcome, retries) else {
                return outcome;
            };
            if reason != RetryReason::Probe && !self.state().budget.take(&budget, clock::now()) {
                self.state().counts.budget_exhausted();
                self.observer.retries_exhausted();
                return outcome;
            }
            // Its connection is closed, unless all of the response has come.
            drop(outcome.map(Arrived::discard));
            self.state().counts.retry(reason);
            if !next.wait.is_zero() {
                tokio::time::sleep(next.wait).await;
            }
            pick = next.pick;
        }
    }

    fn first_pick(&self, is_repeatable: bool) -> Result<Pick<'a>, SendError> {
        let first = || Pick::first(self.upstream, || self.client.rng.next());
        let pick = Pick::probe(self.upstream, is_repeatable).or_else(first);
        pick.ok_or(SendError::NoEndpoint)
    }

    /// Why there is to be another attempt; `None` if this one is the last.
    fn reason(&self, outcome: &Result<Arrived<'a>, SendError>, is_probe: bool) -> Option<RetryReason> {
        let (failure, is_retried) = match outcome {
            Ok(arrived) => {
                let is_retried = self.rules.is_some_and(|rules| rules.has_status(arrived.status()));
                (arrived.is_failure().then_some(RetryReason::Status), is_retried)
            }
            Err(error) => {
                let failure = RetryReason::of(error);
                let is_retried = self
                    .rules
                    .zip(failure)
                    .is_some_and(|(rules, reason)| rules.has_reason(reason));
                (failure, is_retried)
            }
        };
        match (failure, is_retried) {
            (Some(_), _) if is_probe => Some(RetryReason::Probe),
            (failure, true) => failure.or(Some(RetryReason::Status)),
            (_, false) => None,
        }
    }

    /// Where the next attempt goes after one at `last`, and when; `None` if there is none.
    fn next(
        &self,
        last: Option<&Arc<Endpoint>>,
        outcome: &Result<Arrived<'a>, SendError>,
        retries: u32,
    ) -> Option<Next<'a>> {
        let pick = match last {
            Some(last) => Pick::other(self.upstream, last),
            None => Pick::first(self.upstream, || self.client.rng.next())?,
        };
        let is_same = pick
            .shared()
            .zip(last)
            .is_some_and(|(next, last)| hedging::is_same(next, last));
        let mut wait = match self.rules {
            Some(rules) if retries > 0 => {
                backoff::wait(rules.backoff, rules.max_backoff, retries, self.client.rng.next())
            }
            _ => Duration::ZERO,
        };
        if let (true, Ok(arrived), Some(rules)) = (is_same, outcome, self.rules) {
            let asked = backoff::retry_after(arrived.received.response.headers()).unwrap_or_default();
            if asked > rules.max_retry_after {
                return None;
            }
            wait = wait.max(asked);
        }
        Some(Next { pick, wait })
    }
}
