//! Hedging: a second attempt beside one that takes longer than most.

use std::future::poll_fn;
use std::pin::pin;
use std::sync::Arc;
use std::task::Poll;
use std::time::Duration;

use lockgate_client::BodyFailure;

use super::Sending;
use super::attempt::{Arrived, Tried};
use super::request::{RequestHead, Resend, Upload};
use crate::endpoint::Endpoint;
use crate::error::SendError;
use crate::pick::Pick;
use crate::policy::clock;
use crate::settings::BudgetSettings;

/// What an attempt came to, and its endpoint, unless it has failed at several.
pub(super) type Attempted<'a> = (Result<Arrived<'a>, SendError>, Option<Arc<Endpoint>>);

impl<'a, B, H> Sending<'a, B, H>
where
    B: Resend,
    B::Error: Into<BodyFailure>,
    H: RequestHead,
{
    /// An attempt, and another one beside it if it takes too long.
    pub(super) async fn attempt(
        &self,
        tried: Tried<'a>,
        upload: &mut Upload<B>,
        budget: &BudgetSettings,
    ) -> Attempted<'a> {
        let delay = match upload.is_empty() && self.method.is_idempotent() && !tried.pick.is_probe() {
            true => self.hedge_delay(),
            false => None,
        };
        // Two attempts would be two sessions of the other protocol.
        let delay = delay.filter(|_| !self.head.write(|head| head.upgrade.is_some()));
        let body = upload.next();
        match delay {
            None => self.once(tried, body).await,
            Some(delay) => Box::pin(self.hedged(tried, body, delay, budget)).await,
        }
    }

    fn hedge_delay(&self) -> Option<Duration> {
        let settings = self.policies.hedge.as_ref()?;
        let usual = self.state().latencies.percentile(settings.percentile)?;
        Some(usual.max(settings.min_delay.duration()))
    }

    async fn hedged(&self, tried: Tried<'a>, body: B, delay: Duration, budget: &BudgetSettings) -> Attempted<'a> {
        let slow = tried.pick.shared().cloned();
        let mut first = pin!(self.once(tried, body));
        if let Ok(attempted) = tokio::time::timeout(delay, &mut first).await {
            return attempted;
        }
        let Some(pick) = slow.and_then(|slow| self.other(&slow)) else {
            return first.await;
        };
        let counts = &self.state().counts;
        if !self.state().budget.take(budget, clock::now()) {
            counts.budget_exhausted();
            return first.await;
        }
        counts.hedge();
        let mut second = pin!(self.once(Tried::new(pick, self.observer), B::empty()));
        // One that has failed waits for the other.
        let (mut first_failed, mut second_failed) = (None, None);
        poll_fn(|context| {
            if first_failed.is_none()
                && let Poll::Ready(attempted) = first.as_mut().poll(context)
            {
                if is_good(&attempted) || second_failed.is_some() {
                    return Poll::Ready(attempted);
                }
                first_failed = Some(attempted);
            }
            if second_failed.is_none()
                && let Poll::Ready(attempted) = second.as_mut().poll(context)
            {
                if is_good(&attempted) {
                    counts.hedge_won();
                    return Poll::Ready(attempted);
                }
                if let Some(first) = first_failed.take() {
                    return Poll::Ready(first);
                }
                second_failed = Some(attempted);
            }
            Poll::Pending
        })
        .await
    }

    /// Another endpoint than this one.
    fn other(&self, than: &Arc<Endpoint>) -> Option<Pick<'a>> {
        let pick = Pick::other(self.upstream, than);
        let is_other = pick.shared().is_some_and(|other| !is_same(other, than));
        is_other.then_some(pick)
    }
}

/// Whether these are one endpoint, perhaps with other settings.
pub(super) fn is_same(one: &Arc<Endpoint>, other: &Arc<Endpoint>) -> bool {
    Arc::ptr_eq(one.standing(), other.standing())
}

fn is_good((outcome, _): &Attempted<'_>) -> bool {
    outcome.as_ref().is_ok_and(|arrived| !arrived.is_failure())
}
