//! One attempt under policies: its time limits, and what it came to.

use std::sync::Arc;
use std::time::Duration;

use http::StatusCode;
use lockgate_client::{Address, BodyFailure, BodyObserver, ConnectionError, OutgoingHead, Received};

use super::Sending;
use super::hedging::Attempted;
use super::request::{Observer, RequestHead, Resend};
use crate::ejection;
use crate::endpoint::Endpoint;
use crate::error::{SendError, TimeLimit};
use crate::group::Group;
use crate::outcome::Outcome;
use crate::pick::Pick;
use crate::policy::clock;
use crate::policy::concurrency::Permit;
use crate::policy::outlier::Verdict;
use crate::policy::rules::RetryReason;
use crate::retry_policy::Repeatable;
use crate::send::{Outgoing, UpstreamResponse};
use crate::settings::OutlierSettings;

/// An endpoint that is being tried. Dropped, it is not known what came of it, unless its time was over.
pub(super) struct Tried<'a> {
    pub(super) pick: Pick<'a>,
    observer: &'a dyn Observer,
}

impl<'a> Tried<'a> {
    pub(super) fn new(pick: Pick<'a>, observer: &'a dyn Observer) -> Self {
        Self { pick, observer }
    }
}

impl Drop for Tried<'_> {
    fn drop(&mut self) {
        if self.observer.is_overdue() {
            drop(self.pick.finish(Outcome::Timeout));
        }
    }
}

/// A response whose head has come.
pub(super) struct Arrived<'a> {
    pub(super) received: Received,
    tried: Tried<'a>,
}

impl Arrived<'_> {
    pub(super) fn status(&self) -> u16 {
        self.received.response.status().as_u16()
    }

    /// Whether it is the response of a server that has failed.
    pub(super) fn is_failure(&self) -> bool {
        self.received.response.status().is_server_error()
    }

    /// Notes what it says of its endpoint, by the head alone: nobody reads on.
    pub(super) fn discard(self) {
        let _ = self.into_held(None);
    }

    /// The response as it is passed on. What it holds is given back at the end of its body.
    pub(super) fn into_response(self, attempts: u32, permit: Option<Permit>) -> UpstreamResponse {
        let Received { response, peer, local } = self.into_held(permit);
        UpstreamResponse {
            response,
            endpoint: peer,
            local,
            attempts,
        }
    }

    fn into_held(mut self, permit: Option<Permit>) -> Received {
        let status = self.received.response.status();
        let watch = Watch::new(&self.tried.pick, status);
        let lease = self.tried.pick.finish(Outcome::Status(status));
        let Received {
            mut response,
            peer,
            local,
        } = self.received;
        if response.body().has_come() {
            if let Some(mut watch) = watch {
                watch.settle(Some(Verdict::Status(status.as_u16())));
            }
        } else if watch.is_some() || permit.is_some() {
            let held = Held { watch, _permit: permit };
            response = response.map(|body| body.observed(Box::new(held)));
        }
        if let Some(lease) = lease {
            response.body_mut().hold(lease);
        }
        Received { response, peer, local }
    }
}

impl<'a, B, H> Sending<'a, B, H>
where
    B: Resend,
    B::Error: Into<BodyFailure>,
    H: RequestHead,
{
    /// One attempt, within its time.
    pub(super) async fn once(&self, mut tried: Tried<'a>, body: B) -> Attempted<'a> {
        let begun = clock::now();
        let is_empty = body.is_end_stream();
        let repeatable = Repeatable::new(&self.method, &body);
        let request = self.head.write(|head| {
            let host = tried.pick.host().unwrap_or(head.host);
            Outgoing::new(self.upstream, OutgoingHead { host, ..head }, body)
        });
        let before = self.attempts.get();
        let begin = |number, address: &Address| {
            self.attempts.set(before + number);
            self.observer.begin(before + number, address);
        };
        let sending = self.client.exchange(&mut tried.pick, repeatable, request, begin);
        let outcome = match self.limit(is_empty) {
            None => sending.await,
            Some((time, limit)) => match tokio::time::timeout(time, sending).await {
                Ok(outcome) => outcome,
                Err(_) => {
                    let address = tried.pick.endpoint().address().clone();
                    drop(tried.pick.finish(Outcome::Timeout));
                    Err(SendError::Timeout {
                        address,
                        limit,
                        attempts: self.attempts.get(),
                    })
                }
            },
        };
        let endpoint = tried.pick.shared().cloned();
        let outcome = match outcome {
            Ok((received, _)) => {
                if self.policies.hedge.is_some() {
                    let now = clock::now();
                    self.state().latencies.record(now.saturating_duration_since(begun), now);
                }
                Ok(Arrived { received, tried })
            }
            Err(error) => Err(error),
        };
        (outcome, endpoint)
    }

    /// The time limit of an attempt. That of the first byte is kept here only where its end is not the end of the request.
    fn limit(&self, is_empty: bool) -> Option<(Duration, TimeLimit)> {
        let (own, route) = (&self.policies.request, self.options.route);
        let per_try = own.limit(route, |policy| policy.try_timeout);
        let is_retried = is_empty && self.rules.is_some_and(|rules| rules.has_reason(RetryReason::Timeout));
        let first_byte = own.limit(route, |policy| policy.first_byte).filter(|_| is_retried);
        match (per_try, first_byte) {
            (Some(per_try), Some(first_byte)) if first_byte < per_try => Some((first_byte, TimeLimit::FirstByte)),
            (Some(per_try), _) => Some((per_try, TimeLimit::Try)),
            (None, first_byte) => first_byte.map(|limit| (limit, TimeLimit::FirstByte)),
        }
    }
}

/// What is held until the end of a response's body.
struct Held {
    watch: Option<Watch>,
    _permit: Option<Permit>,
}

impl BodyObserver for Held {
    fn complete(&mut self) {
        if let Some(watch) = &mut self.watch {
            watch.settle(Some(Verdict::Status(watch.status)));
        }
    }

    fn broken(&mut self, error: &ConnectionError) {
        if let Some(watch) = &mut self.watch {
            // The endpoint has no part in what fails on the client's side.
            let is_its_own = !matches!(error, ConnectionError::RequestBody(_));
            watch.settle(is_its_own.then_some(Verdict::Reset));
        }
    }
}

/// Waits for what a response comes to that is good so far.
struct Watch {
    group: Arc<Group>,
    endpoint: Arc<Endpoint>,
    settings: OutlierSettings,
    is_probe: bool,
    is_settled: bool,
    status: u16,
}

impl Watch {
    /// `None` without outlier detection, and for a response whose status has said it all.
    fn new(pick: &Pick<'_>, status: StatusCode) -> Option<Self> {
        if status.is_server_error() {
            return None;
        }
        let upstream = pick.upstream();
        Some(Self {
            group: Arc::clone(upstream.group()),
            endpoint: Arc::clone(pick.shared()?),
            settings: upstream.policies()?.outlier?,
            is_probe: pick.is_probe(),
            is_settled: false,
            status: status.as_u16(),
        })
    }

    fn settle(&mut self, verdict: Option<Verdict>) {
        if std::mem::replace(&mut self.is_settled, true) {
            return;
        }
        if self.is_probe {
            ejection::note_probe(&self.group, &self.settings, &self.endpoint, verdict);
        } else if let Some(verdict) = verdict {
            ejection::note(&self.group, &self.settings, &self.endpoint, verdict);
        }
    }
}

impl Drop for Watch {
    fn drop(&mut self) {
        self.settle(None);
    }
}
