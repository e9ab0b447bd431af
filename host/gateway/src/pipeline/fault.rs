//! Faults that a route injects behind the chain: a delay, an abort.

use std::cell::Cell;
use std::future::{Future, poll_fn};
use std::pin::pin;
use std::task::Poll;
use std::time::Duration;

use lockgate_config::model::RoutePolicy;
use lockgate_exchange::clock;
use lockgate_http::{grpc, problem, response_flags};
use lockgate_routing::{Abort, Delay};
use lockgate_telemetry::metrics::Fault;

use crate::chain::{Chain, RouteReply, Stop};
use crate::context::WorkerContext;
use crate::pipeline::deadline::Deadline;

/// How often a delayed request looks whether the process is ending.
const LOOK: Duration = Duration::from_millis(50);

/// Delays or aborts the request, if its route says so and it is this one's turn.
///
/// # Errors
/// It is aborted, or what ended it while it was delayed.
pub(crate) async fn inject(
    worker: &WorkerContext,
    chain: &Chain,
    policy: &RoutePolicy,
    deadline: &mut Deadline,
) -> Result<(), Stop> {
    if let Some(delay) = policy.delay.as_ref().filter(|delay| delay.sample.takes_next()) {
        hold(worker, chain, delay, deadline).await?;
    }
    match policy.abort.as_ref().filter(|abort| abort.sample.takes_next()) {
        Some(abort) => Err(aborted(worker, chain, abort)),
        None => Ok(()),
    }
}

/// Waits. The end of the process ends the wait, and the request goes on.
async fn hold(worker: &WorkerContext, chain: &Chain, delay: &Delay, deadline: &mut Deadline) -> Result<(), Stop> {
    let Some(_held) = Held::take(&worker.delayed, delay.max_concurrent) else {
        count(worker, chain, Fault::DelaySkipped);
        return Ok(());
    };
    count(worker, chain, Fault::Delay);
    chain.exchange.borrow_mut().info.flags |= response_flags::DELAY_INJECTED;
    let end = clock::now() + delay.duration;
    let passed = async {
        loop {
            let left = end.saturating_duration_since(clock::now());
            if left.is_zero() || worker.draining.get() {
                return Ok(());
            }
            tokio::time::sleep(left.min(LOOK)).await;
        }
    };
    let mut passed = pin!(passed);
    let step = poll_fn(|cx| {
        if !chain.is_empty()
            && let Poll::Ready(stop) = chain.poll_stopped(cx)
        {
            return Poll::Ready(Err(stop));
        }
        passed.as_mut().poll(cx)
    });
    deadline.bound(step).await.inspect_err(|stop| {
        if let Stop::Problem(_) = stop {
            chain.note_cause("the route delayed the request on purpose until its time was over");
        }
    })
}

fn aborted(worker: &WorkerContext, chain: &Chain, abort: &Abort) -> Stop {
    count(worker, chain, Fault::Abort);
    let info = &mut chain.exchange.borrow_mut().info;
    info.flags |= response_flags::FAULT_INJECTED;
    let detail = "The route aborts this request on purpose.";
    let (mut head, body) = problem::document(abort.status, "fault_injected", detail, Some(&info.request_id));
    grpc::name_status(&mut head, abort.grpc_status);
    Stop::Route(Box::new(RouteReply {
        head,
        body,
        details: "fault_injected",
        cause: Some("fault_injected: the route aborts some requests on purpose"),
    }))
}

fn count(worker: &WorkerContext, chain: &Chain, fault: Fault) {
    let exchange = chain.exchange.borrow();
    worker
        .metrics
        .record_fault(exchange.info.route.as_deref().unwrap_or_default(), fault);
}

/// One of the requests that a worker delays.
struct Held<'a>(&'a Cell<usize>);

impl<'a> Held<'a> {
    /// None: there are as many already.
    fn take(count: &'a Cell<usize>, max: usize) -> Option<Self> {
        (count.get() < max).then(|| {
            count.set(count.get() + 1);
            Self(count)
        })
    }
}

impl Drop for Held<'_> {
    fn drop(&mut self) {
        self.0.set(self.0.get() - 1);
    }
}
