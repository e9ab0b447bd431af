//! Requests under policies: retries, time limits, hedging, outlier detection, limits of concurrency.

use std::cell::{Cell, RefCell};
use std::convert::Infallible;
use std::net::SocketAddr;
use std::pin::Pin;
use std::rc::Rc;
use std::task::{Context, Poll};
use std::time::{Duration, Instant};

use bytes::Bytes;
use http::{HeaderValue, Method, Request};
use http_body::{Body, Frame, SizeHint};
use http_body_util::BodyExt;
use lockgate_client::{Address, OutgoingHead, UpgradeOffer};
use lockgate_upstream::{
    BreakerState, Client, Observer, ReplayBody, RequestHead, RequestOptions, Resend, SendError, TimeLimit, Upstream,
    UpstreamResponse, UpstreamSettings, WholeHead,
};
use serde_json::{Value, json};
use tokio::net::TcpListener;

use crate::peer::{Act, OK, Peer, on_a_worker};

const BUSY: &str = "HTTP/1.1 503 Service Unavailable\r\ncontent-length: 4\r\n\r\nbusy";
const BUSY_FOR_A_SECOND: &str = "HTTP/1.1 503 Service Unavailable\r\nretry-after: 1\r\ncontent-length: 4\r\n\r\nbusy";
const BUSY_FOR_LONG: &str = "HTTP/1.1 503 Service Unavailable\r\nretry-after: 60\r\ncontent-length: 4\r\n\r\nbusy";
const BROKEN: &str = "HTTP/1.1 200 OK\r\ncontent-length: 9\r\n\r\nhalf";

/// A body that can be kept.
enum TestBody {
    Whole(Option<Bytes>),
    Replayed(Box<ReplayBody<TestBody>>),
}

impl Body for TestBody {
    type Data = Bytes;
    type Error = Infallible;

    fn poll_frame(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, Infallible>>> {
        match self.get_mut() {
            Self::Whole(data) => Poll::Ready(data.take().map(|data| Ok(Frame::data(data)))),
            Self::Replayed(body) => Pin::new(&mut **body).poll_frame(context),
        }
    }

    fn is_end_stream(&self) -> bool {
        match self {
            Self::Whole(data) => data.is_none(),
            Self::Replayed(body) => body.is_end_stream(),
        }
    }

    fn size_hint(&self) -> SizeHint {
        match self {
            Self::Whole(data) => SizeHint::with_exact(data.as_ref().map_or(0, |data| data.len() as u64)),
            Self::Replayed(body) => body.size_hint(),
        }
    }
}

impl Resend for TestBody {
    fn empty() -> Self {
        Self::Whole(None)
    }

    fn replayed(body: ReplayBody<Self>) -> Self {
        Self::Replayed(Box::new(body))
    }
}

/// Notes what it is told.
#[derive(Default)]
struct Notes {
    attempts: RefCell<Vec<(u32, Address)>>,
    is_exhausted: Cell<bool>,
}

impl Observer for Notes {
    fn begin(&self, attempt: u32, address: &Address) {
        self.attempts.borrow_mut().push((attempt, address.clone()));
    }

    fn retries_exhausted(&self) {
        self.is_exhausted.set(true);
    }

    fn is_overdue(&self) -> bool {
        false
    }
}

fn upstream(peers: &[SocketAddr], policies: Value) -> Upstream {
    let mut settings = json!({ "endpoints": peers.iter().map(SocketAddr::to_string).collect::<Vec<_>>() });
    let policies = policies.as_object().expect("policies").clone();
    settings.as_object_mut().expect("settings").extend(policies);
    let settings: UpstreamSettings = serde_json::from_value(settings).expect("settings");
    Upstream::new("test", &settings)
}

struct Worker {
    client: Client<TestBody>,
    notes: Notes,
}

impl Worker {
    fn new() -> Self {
        Self {
            client: Client::new(),
            notes: Notes::default(),
        }
    }

    async fn send(&self, upstream: &Upstream, method: &str, body: &'static str) -> Result<UpstreamResponse, SendError> {
        let request = Request::builder()
            .method(method)
            .uri("/a")
            .header("host", "test")
            .body(());
        let head = WholeHead(request.expect("a request").into_parts().0);
        let body = TestBody::Whole((!body.is_empty()).then(|| Bytes::from_static(body.as_bytes())));
        let pass = upstream.admit(|_| {})?;
        let options = RequestOptions::default();
        self.client
            .forward_with_policies(upstream, pass, &head, body, options, &self.notes)
            .await
    }

    /// A GET that offers an upgrade, as long as its response takes.
    async fn upgrade(&self, upstream: &Upstream) -> Result<UpstreamResponse, SendError> {
        let request = Request::builder().uri("/a").header("host", "test").body(());
        let head = Upgrading(WholeHead(request.expect("a request").into_parts().0));
        let (pass, options) = (upstream.admit(|_| {})?, RequestOptions::default());
        self.client
            .forward_with_policies(upstream, pass, &head, TestBody::Whole(None), options, &self.notes)
            .await
    }

    /// The status of a GET, whose body is read.
    async fn status(&self, upstream: &Upstream) -> u16 {
        let sent = self.send(upstream, "GET", "").await.expect("a response");
        let status = sent.response.status().as_u16();
        let _ = sent.response.into_body().collect().await;
        status
    }
}

/// A head that offers to speak WebSocket.
struct Upgrading(WholeHead);

impl RequestHead for Upgrading {
    fn method(&self) -> Method {
        self.0.method()
    }

    fn write<T>(&self, write: impl FnOnce(OutgoingHead<'_>) -> T) -> T {
        let offer = Rc::new(UpgradeOffer {
            protocols: HeaderValue::from_static("websocket"),
            accept: None,
        });
        self.0.write(|head| {
            write(OutgoingHead {
                upgrade: Some(&offer),
                ..head
            })
        })
    }
}

#[test]
fn a_status_that_is_retried_is_not_seen_while_another_endpoint_does_better() {
    on_a_worker(async {
        let (bad, good) = (
            Peer::new(&[&[Act::Answer(BUSY)]]).await,
            Peer::new(&[&[Act::Answer(OK)]]).await,
        );
        let upstream = upstream(
            &[bad.address, good.address],
            json!({ "retry": { "on": ["503"], "backoff": "1ms", "budget": { "percent": 100 } } }),
        );
        let worker = Worker::new();
        for _ in 0..50 {
            assert_eq!(worker.status(&upstream).await, 200);
        }
        assert_eq!(good.requests.borrow().len(), 50);
        assert!((20..=30).contains(&bad.requests.borrow().len()));
        let attempts = worker.notes.attempts.borrow();
        let repeated = attempts
            .windows(2)
            .filter(|pair| pair[1].0 > 1 && pair[0].1 == pair[1].1);
        assert_eq!(repeated.count(), 0, "no retry goes where the attempt has failed");
        let report = upstream.policy_report().expect("there are policies");
        assert_eq!(report.retries, [("status", bad.requests.borrow().len() as u64)]);
    });
}

#[test]
fn the_last_response_is_passed_on_when_the_attempts_are_used_up() {
    on_a_worker(async {
        let peer = Peer::new(&[&[Act::Answer(BUSY)]]).await;
        let upstream = upstream(
            &[peer.address],
            json!({ "retry": { "attempts": 2, "on": ["5xx"], "backoff": "20ms", "max_backoff": "1s" } }),
        );
        let worker = Worker::new();
        let begun = Instant::now();
        let sent = worker.send(&upstream, "GET", "").await.expect("a response");
        assert_eq!((sent.response.status().as_u16(), sent.attempts), (503, 3));
        assert!(
            begun.elapsed() >= Duration::from_millis(30),
            "20 ms and 40 ms, less a half"
        );
        assert!(worker.notes.is_exhausted.get());
        assert_eq!(peer.requests.borrow().len(), 3);
    });
}

#[test]
fn what_may_have_taken_effect_is_not_repeated_unless_its_method_is_named() {
    on_a_worker(async {
        for act in [Act::Answer(BUSY), Act::Close, Act::Reset] {
            for (methods, count) in [(json!(["idempotent"]), 1), (json!(["idempotent", "POST"]), 2)] {
                let bad = Peer::new(&[std::slice::from_ref(&act)]).await;
                let good = Peer::new(&[&[Act::Answer(OK)]]).await;
                let upstream = upstream(
                    &[bad.address, good.address],
                    json!({ "retry": { "on": ["503", "reset"], "methods": methods, "backoff": "1ms" } }),
                );
                let worker = Worker::new();
                let _ = worker.send(&upstream, "POST", "the body").await;
                let requests = [bad.requests.borrow().clone(), good.requests.borrow().clone()].concat();
                assert_eq!(requests.len(), count, "{methods}");
                assert!(
                    requests
                        .iter()
                        .all(|request| *request == requests[0] && request.ends_with("the body"))
                );
            }
        }
    });
}

#[test]
fn a_body_that_is_too_large_to_be_kept_is_sent_once() {
    on_a_worker(async {
        for (max_body, count) in [("8B", 2), ("7B", 1)] {
            let peer = Peer::new(&[&[Act::Answer(BUSY)]]).await;
            let upstream = upstream(
                &[peer.address],
                json!({ "retry": { "on": ["503"], "max_body": max_body, "backoff": "1ms" } }),
            );
            let sent = Worker::new()
                .send(&upstream, "PUT", "the body")
                .await
                .expect("a response");
            assert_eq!(sent.response.status(), 503);
            assert_eq!(peer.requests.borrow().len(), count);
        }
    });
}

#[test]
fn retry_after_is_waited_for_within_reason() {
    on_a_worker(async {
        let peer = Peer::new(&[&[
            Act::Answer(BUSY_FOR_A_SECOND),
            Act::Answer(OK),
            Act::Answer(BUSY_FOR_LONG),
        ]])
        .await;
        let upstream = upstream(&[peer.address], json!({ "retry": { "on": ["503"], "backoff": "1ms" } }));
        let worker = Worker::new();
        let begun = Instant::now();
        assert_eq!(worker.status(&upstream).await, 200);
        assert!(begun.elapsed() >= Duration::from_secs(1));
        let begun = Instant::now();
        assert_eq!(worker.status(&upstream).await, 503);
        assert!(begun.elapsed() < Duration::from_millis(500));
    });
}

#[test]
fn an_attempt_that_takes_too_long_names_its_limit_or_is_followed_by_another() {
    on_a_worker(async {
        let (hung, good) = (
            Peer::new(&[&[Act::Silence]]).await,
            Peer::new(&[&[Act::Answer(OK)]]).await,
        );
        let alone = upstream(&[hung.address], json!({ "timeouts": { "try": "50ms" } }));
        let error = Worker::new().send(&alone, "GET", "").await.expect_err("it is silent");
        assert!(
            matches!(
                error,
                SendError::Timeout {
                    limit: TimeLimit::Try,
                    attempts: 1,
                    ..
                }
            ),
            "{error}"
        );
        let first_byte = upstream(
            &[hung.address],
            json!({ "timeouts": { "first_byte": "50ms" }, "retry": { "on": ["timeout"], "backoff": "1ms" } }),
        );
        let error = Worker::new()
            .send(&first_byte, "GET", "")
            .await
            .expect_err("it is silent");
        assert!(
            matches!(
                error,
                SendError::Timeout {
                    limit: TimeLimit::FirstByte,
                    attempts: 2,
                    ..
                }
            ),
            "{error}"
        );
        let both = upstream(
            &[hung.address, good.address],
            json!({ "timeouts": { "try": "50ms" }, "retry": { "on": ["timeout"], "backoff": "1ms" } }),
        );
        let worker = Worker::new();
        for _ in 0..6 {
            assert_eq!(worker.status(&both).await, 200);
        }
    });
}

#[test]
fn retries_stay_within_their_budget() {
    on_a_worker(async {
        let peer = Peer::new(&[&[Act::Answer(BUSY)]]).await;
        let upstream = upstream(
            &[peer.address],
            json!({ "retry": { "on": ["503"], "backoff": "0s", "budget": { "percent": 20, "min_per_second": 0 } } }),
        );
        let worker = Worker::new();
        for _ in 0..100 {
            assert_eq!(worker.status(&upstream).await, 503);
        }
        assert_eq!(peer.requests.borrow().len(), 120);
        assert_eq!(upstream.policy_report().expect("policies").budget_exhausted, 80);
    });
}

#[test]
fn an_endpoint_that_fails_is_ejected_and_one_request_tries_it_again() {
    on_a_worker(async {
        let bad = Peer::new(&[&[Act::Answer(BUSY), Act::Answer(BUSY), Act::Answer(OK)]]).await;
        let good = Peer::new(&[&[Act::Answer(OK)]]).await;
        let upstream = upstream(
            &[bad.address, good.address],
            json!({ "outlier_detection": { "consecutive_5xx": 1, "base_ejection_time": "300ms", "max_ejection_percent": 100 } }),
        );
        let worker = Worker::new();
        let mut statuses = Vec::new();
        for _ in 0..40 {
            statuses.push(worker.status(&upstream).await);
        }
        assert_eq!(
            statuses.iter().filter(|status| **status == 503).count(),
            1,
            "{statuses:?}"
        );
        tokio::time::sleep(Duration::from_millis(310)).await;
        for _ in 0..10 {
            assert_eq!(
                worker.status(&upstream).await,
                200,
                "a probe that fails is repeated elsewhere"
            );
        }
        assert_eq!(bad.requests.borrow().len(), 2, "one request has tried it");
        tokio::time::sleep(Duration::from_millis(610)).await;
        for _ in 0..10 {
            assert_eq!(worker.status(&upstream).await, 200);
        }
        assert!(
            (2 + 5..=2 + 6).contains(&bad.requests.borrow().len()),
            "it takes part again"
        );
        let report = upstream.policy_report().expect("policies");
        assert_eq!(report.ejections, [("consecutive_5xx", 1), ("probe_failed", 1)]);
    });
}

#[test]
fn endpoints_that_hang_reset_or_break_off_are_ejected_too() {
    on_a_worker(async {
        let vacant = TcpListener::bind("127.0.0.1:0")
            .await
            .expect("a port")
            .local_addr()
            .expect("bound");
        for act in [
            Some(Act::Silence),
            Some(Act::Reset),
            Some(Act::AnswerAndClose(BROKEN)),
            None,
        ] {
            let bad = match &act {
                Some(act) => Peer::new(&[std::slice::from_ref(act)]).await.address,
                None => vacant,
            };
            let good = Peer::new(&[&[Act::Answer(OK)]]).await;
            let upstream = upstream(
                &[bad, good.address],
                json!({ "timeouts": { "try": "50ms" }, "outlier_detection": { "consecutive_5xx": 3, "max_ejection_percent": 50 } }),
            );
            let worker = Worker::new();
            let mut failed = 0;
            for _ in 0..30 {
                let sent = worker.send(&upstream, "GET", "").await;
                failed += u32::from(match sent {
                    Ok(sent) => sent.response.into_body().collect().await.is_err(),
                    Err(_) => true,
                });
            }
            // One that cannot be connected to costs no request.
            assert_eq!(failed, if act.is_some() { 3 } else { 0 });
            assert_eq!(
                upstream.policy_report().expect("policies").ejections,
                [("consecutive_5xx", 1)]
            );
        }
    });
}

#[test]
fn a_place_is_held_to_the_end_of_the_response() {
    on_a_worker(async {
        let peer = Peer::new(&[&[Act::Answer(BROKEN)], &[Act::Answer(OK)]]).await;
        let upstream = upstream(&[peer.address], json!({ "concurrency": { "max": 1 } }));
        let worker = Worker::new();
        let open = worker.send(&upstream, "GET", "").await.expect("a response");
        let error = worker.send(&upstream, "GET", "").await.expect_err("the place is taken");
        assert!(
            matches!(
                error,
                SendError::Shed {
                    reason: "queue_full",
                    ..
                }
            ),
            "{error}"
        );
        assert_eq!(upstream.policy_report().expect("policies").concurrency, Some((1, 0)));
        drop(open);
        for _ in 0..3 {
            assert_eq!(worker.status(&upstream).await, 200);
        }
        assert_eq!(upstream.policy_report().expect("policies").concurrency, Some((0, 0)));
    });
}

#[test]
fn a_breaker_keeps_requests_from_an_upstream_that_fails() {
    on_a_worker(async {
        let peer = Peer::new(&[&[Act::Answer(BUSY), Act::Answer(BUSY), Act::Answer(OK)]]).await;
        let upstream = upstream(
            &[peer.address],
            json!({ "circuit_breaker": { "mode": "error_ratio", "threshold": 0.5, "min_requests": 2, "open": "100ms", "half_open": 1 } }),
        );
        let worker = Worker::new();
        for _ in 0..2 {
            assert_eq!(worker.status(&upstream).await, 503);
        }
        let error = worker.send(&upstream, "GET", "").await.expect_err("it is open");
        assert!(matches!(error, SendError::CircuitOpen { .. }), "{error}");
        assert_eq!(
            error.to_string(),
            "the circuit breaker is open: 2 of 2 requests in 10s failed"
        );
        tokio::time::sleep(Duration::from_millis(110)).await;
        assert_eq!(worker.status(&upstream).await, 200);
        let report = upstream.policy_report().expect("policies");
        assert_eq!(report.breaker, Some(BreakerState::Closed));
        assert_eq!(report.shed, [("circuit_open", 1)]);
    });
}

#[test]
fn a_request_that_takes_longer_than_most_goes_to_another_endpoint_too() {
    on_a_worker(async {
        let fast: Vec<Act> = std::iter::repeat_n(Act::Answer(OK), 200)
            .chain([Act::Silence])
            .collect();
        let (first, second) = (Peer::new(&[&fast]).await, Peer::new(&[&[Act::Answer(OK)]]).await);
        let upstream = upstream(
            &[first.address, second.address],
            json!({ "hedge": { "min_delay": "30ms" } }),
        );
        let worker = Worker::new();
        for _ in 0..400 {
            assert_eq!(worker.status(&upstream).await, 200);
        }
        let begun = Instant::now();
        for _ in 0..2 {
            assert_eq!(worker.status(&upstream).await, 200);
        }
        assert!(begun.elapsed() >= Duration::from_millis(30) && begun.elapsed() < Duration::from_secs(1));
        let (hedges, won) = upstream.policy_report().expect("policies").hedges;
        assert!(hedges >= 1 && won >= 1, "{hedges} {won}");
        tokio::time::sleep(Duration::from_millis(20)).await;
        assert!(first.closed.get() >= 1, "the attempt that lost is cancelled");
    });
}

/// A second attempt would open a second session.
#[test]
fn an_upgrade_is_never_hedged() {
    on_a_worker(async {
        let script: Vec<Act> = std::iter::repeat_n(Act::Answer(OK), 200)
            .chain([Act::Silence])
            .collect();
        let (first, second) = (Peer::new(&[&script]).await, Peer::new(&[&script]).await);
        let addresses = [first.address, second.address];
        let upstream = upstream(&addresses, json!({ "hedge": { "min_delay": "30ms" } }));
        let worker = Worker::new();
        for _ in 0..400 {
            assert_eq!(worker.status(&upstream).await, 200);
        }
        let waited = tokio::time::timeout(Duration::from_millis(300), worker.upgrade(&upstream)).await;
        assert!(waited.is_err(), "its endpoint says nothing");
        assert_eq!(upstream.policy_report().expect("policies").hedges, (0, 0));
    });
}
