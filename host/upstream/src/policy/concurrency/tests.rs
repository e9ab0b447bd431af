//! Places, the queue, and who is shed.

use std::future::Future;
use std::pin::Pin;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::task::Context;

use serde_json::json;

use super::*;

fn settings(max: usize, queue: usize, timeout: &str) -> ConcurrencySettings {
    serde_json::from_value(json!({ "max": max, "queue": queue, "queue_timeout": timeout })).expect("settings")
}

type Acquiring<'a> = Pin<Box<dyn Future<Output = Result<Permit, Shed>> + 'a>>;

fn start<'a>(limiter: &'a Arc<Limiter>, settings: &'a ConcurrencySettings, criticality: Criticality) -> Acquiring<'a> {
    let mut acquiring: Acquiring<'a> = Box::pin(limiter.acquire(settings, criticality));
    assert!(poll(&mut acquiring).is_none(), "it has to wait");
    acquiring
}

fn poll(acquiring: &mut Acquiring<'_>) -> Option<Result<Permit, Shed>> {
    match acquiring.as_mut().poll(&mut Context::from_waker(Waker::noop())) {
        Poll::Ready(outcome) => Some(outcome),
        Poll::Pending => None,
    }
}

fn granted(acquiring: &mut Acquiring<'_>) -> Permit {
    poll(acquiring).expect("the wait is over").expect("there is a place")
}

#[tokio::test(start_paused = true)]
async fn a_place_goes_to_the_most_critical_that_waited_longest() {
    use Criticality::{High, Low, Normal};
    let (limiter, settings) = (Arc::new(Limiter::default()), settings(1, 10, "5s"));
    let permit = limiter.acquire(&settings, Low).await.expect("a place");
    let mut low = start(&limiter, &settings, Low);
    let mut first = start(&limiter, &settings, Normal);
    let mut second = start(&limiter, &settings, Normal);
    let mut high = start(&limiter, &settings, High);
    drop(permit);
    let permit = granted(&mut high);
    assert!(poll(&mut first).is_none() && poll(&mut low).is_none());
    drop(permit);
    let permit = granted(&mut first);
    drop(permit);
    let permit = granted(&mut second);
    assert!(
        limiter.try_acquire(&settings).is_none(),
        "one waits, nobody overtakes it"
    );
    drop(permit);
    drop(granted(&mut low));
    assert_eq!(limiter.load(), (0, 0));
}

#[tokio::test(start_paused = true)]
async fn a_full_queue_sheds_the_last_of_the_least_critical() {
    use Criticality::{High, Low, Normal};
    let (limiter, settings) = (Arc::new(Limiter::default()), settings(1, 2, "5s"));
    let _permit = limiter.acquire(&settings, Normal).await.expect("a place");
    let mut first = start(&limiter, &settings, Low);
    let mut last = start(&limiter, &settings, Low);
    assert_eq!(limiter.acquire(&settings, Low).await.err(), Some(Shed::QueueFull));
    let mut normal = start(&limiter, &settings, Normal);
    assert_eq!(poll(&mut last).and_then(Result::err), Some(Shed::Displaced));
    assert!(poll(&mut first).is_none());
    let mut high = start(&limiter, &settings, High);
    assert_eq!(poll(&mut first).and_then(Result::err), Some(Shed::Displaced));
    assert_eq!(limiter.acquire(&settings, Normal).await.err(), Some(Shed::QueueFull));
    assert!(poll(&mut normal).is_none() && poll(&mut high).is_none());
}

#[tokio::test(start_paused = true)]
async fn nobody_waits_longer_than_the_queue_allows() {
    let (limiter, settings) = (Arc::new(Limiter::default()), settings(1, 2, "500ms"));
    let _permit = limiter.acquire(&settings, Criticality::Normal).await.expect("a place");
    let begun = tokio::time::Instant::now();
    let shed = limiter.acquire(&settings, Criticality::Normal).await.err();
    assert_eq!(shed, Some(Shed::QueueTimeout));
    assert_eq!(begun.elapsed().as_millis() / 10, 50);
    assert_eq!(limiter.load(), (1, 0), "it has left the queue");
}

#[tokio::test(start_paused = true)]
async fn a_place_given_to_one_that_has_left_goes_to_the_next() {
    let (limiter, settings) = (Arc::new(Limiter::default()), settings(1, 10, "5s"));
    let permit = limiter.acquire(&settings, Criticality::Normal).await.expect("a place");
    let first = start(&limiter, &settings, Criticality::Normal);
    let mut second = start(&limiter, &settings, Criticality::Normal);
    let third = start(&limiter, &settings, Criticality::Normal);
    drop(third);
    drop(permit);
    assert!(poll(&mut second).is_none(), "the first has the place");
    drop(first);
    drop(granted(&mut second));
    assert_eq!(limiter.load(), (0, 0));
}

#[tokio::test(start_paused = true)]
async fn a_limit_that_a_reload_has_raised_counts_at_once() {
    let limiter = Arc::new(Limiter::default());
    let (one, two) = (settings(1, 10, "5s"), settings(2, 10, "5s"));
    let _first = limiter.acquire(&one, Criticality::Normal).await.expect("a place");
    let _second = limiter
        .acquire(&two, Criticality::Normal)
        .await
        .expect("a second place");
    assert!(limiter.try_acquire(&two).is_none());
}

/// Threads, each with a runtime of its own as workers have: never more than `max` have a place, everyone gets one in the end, and all
/// places come back.
#[test]
fn across_workers_no_more_than_the_limit_have_a_place_and_all_are_woken() {
    let limiter = Arc::new(Limiter::default());
    let settings = settings(3, 10_000, "60s");
    let (active, served) = (AtomicUsize::new(0), AtomicUsize::new(0));
    std::thread::scope(|scope| {
        for _ in 0..4 {
            scope.spawn(|| {
                let runtime = tokio::runtime::Builder::new_current_thread()
                    .enable_all()
                    .build()
                    .expect("a runtime");
                let requests = (0..500).map(|number| {
                    let (limiter, settings, active, served) = (&limiter, &settings, &active, &served);
                    async move {
                        let criticality = Criticality::ALL[number % Criticality::COUNT];
                        let _permit = limiter.acquire(settings, criticality).await.expect("a place");
                        assert!(active.fetch_add(1, Ordering::SeqCst) < 3);
                        tokio::task::yield_now().await;
                        active.fetch_sub(1, Ordering::SeqCst);
                        served.fetch_add(1, Ordering::SeqCst);
                    }
                });
                runtime.block_on(futures_util::future::join_all(requests));
            });
        }
    });
    assert_eq!(served.into_inner(), 2000);
    assert_eq!(limiter.load(), (0, 0));
}
