//! Several futures at once: [`join`], [`join3`], [`join_all`].

use std::future::{Future, IntoFuture, poll_fn};
use std::pin::{Pin, pin};
use std::task::{Context, Poll};

/// Awaits two futures at once, and returns both outputs.
///
/// ```
/// # use lockgate_sdk::{Upstream, join, prelude::*};
/// # async fn hook(users: &Upstream, prices: &Upstream) -> Result<()> {
/// let (user, price) = join(users.get("/me"), prices.get("/today")).await;
/// let (user, price) = (user?, price?);
/// # Ok(())
/// # }
/// ```
pub async fn join<A: IntoFuture, B: IntoFuture>(a: A, b: B) -> (A::Output, B::Output) {
    let (mut a, mut b) = (pin!(a.into_future()), pin!(b.into_future()));
    let (mut of_a, mut of_b) = (None, None);
    poll_fn(|cx| {
        poll_once(a.as_mut(), &mut of_a, cx);
        poll_once(b.as_mut(), &mut of_b, cx);
        match (of_a.take(), of_b.take()) {
            (Some(a), Some(b)) => Poll::Ready((a, b)),
            (a, b) => {
                (of_a, of_b) = (a, b);
                Poll::Pending
            }
        }
    })
    .await
}

/// Awaits three futures at once, and returns all outputs.
pub async fn join3<A: IntoFuture, B: IntoFuture, C: IntoFuture>(a: A, b: B, c: C) -> (A::Output, B::Output, C::Output) {
    let ((a, b), c) = join(join(a, b), c).await;
    (a, b, c)
}

/// Awaits all futures at once, and returns their outputs in order.
pub async fn join_all<F: IntoFuture>(futures: impl IntoIterator<Item = F>) -> Vec<F::Output> {
    let mut waiting: Vec<_> = futures
        .into_iter()
        .map(|future| (Box::pin(future.into_future()), None))
        .collect();
    poll_fn(|cx| {
        for (future, output) in &mut waiting {
            poll_once(future.as_mut(), output, cx);
        }
        if waiting.iter().any(|(_, output)| output.is_none()) {
            return Poll::Pending;
        }
        Poll::Ready(waiting.iter_mut().filter_map(|(_, output)| output.take()).collect())
    })
    .await
}

fn poll_once<F: Future>(future: Pin<&mut F>, output: &mut Option<F::Output>, cx: &mut Context<'_>) {
    if output.is_none()
        && let Poll::Ready(value) = future.poll(cx)
    {
        *output = Some(value);
    }
}
