//! The start of a connection, before anything is known of it: bounded in time, and ended by an order to close.

use std::future::{Future, poll_fn};
use std::io;
use std::pin::pin;
use std::task::Poll;
use std::time::Duration;

use crate::context::idle_monitor::{Order, Pulse};

/// What `step` comes to, or `None` when the connection is to be closed or took too long to say who it is.
pub(crate) async fn unless_silent<T>(
    pulse: &Pulse,
    limit: Duration,
    step: impl Future<Output = io::Result<T>>,
) -> io::Result<Option<T>> {
    let step = async {
        let mut step = pin!(step);
        poll_fn(|cx| match pulse.poll_order(cx) {
            Order::Carry => step.as_mut().poll(cx).map(|outcome| outcome.map(Some)),
            Order::Retire | Order::Overdue | Order::Close => Poll::Ready(Ok(None)),
        })
        .await
    };
    tokio::time::timeout(limit, step).await.unwrap_or(Ok(None))
}
