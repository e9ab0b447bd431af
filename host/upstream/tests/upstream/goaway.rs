//! Endpoints that leave: HTTP/2 connections that end behind each five requests, and endpoints that close as soon as they are asked.

use std::cell::Cell;
use std::collections::BTreeMap;
use std::rc::Rc;

use futures_util::future::join_all;
use http_body_util::Either;
use lockgate_client::Protocol;
use lockgate_upstream::{SendError, Upstream};

use crate::h2_peer::{H2Peer, Reply, Seen, goaway, reset, response};
use crate::peer::{get, on_a_worker, with_body};
use crate::request::{TestClient, fetch, settings};

/// The stream of the fifth request on a connection.
const FIFTH: u32 = 9;

fn http2(peers: &[&H2Peer]) -> Upstream {
    let mut settings = settings(&peers.iter().map(|peer| peer.address).collect::<Vec<_>>());
    settings.protocol = Protocol::Http2;
    Upstream::new("test", &settings)
}

/// A peer that processes five requests on each connection, says so behind the fifth, or as `is_early` when it begins, and ignores the
/// rest.
async fn leaving(is_early: bool, closes: bool) -> H2Peer {
    H2Peer::new(
        &[],
        |_| true,
        move |seen| {
            let mut reply = Reply::default();
            if seen.stream == FIFTH && (is_early != seen.has_ended || is_early && seen.body.is_empty()) {
                reply.bytes.extend(goaway(FIFTH));
            }
            if seen.has_ended && seen.stream <= FIFTH {
                reply.bytes.extend(response(seen.stream, &seen.body));
            }
            reply.closes = closes && seen.has_ended && seen.stream == FIFTH;
            reply
        },
    )
    .await
}

/// Sends requests of both kinds, so many at a time, and checks that each is answered with its own body.
async fn send_all(client: &TestClient, upstream: &Upstream, requests: usize, at_once: usize) {
    for batch in 0..requests / at_once {
        let sent = (0..at_once).map(|index| async move {
            let body = match (batch + index) % 2 {
                0 => String::new(),
                // Some in several frames.
                _ => format!("{batch} {index} ").repeat(1 + index % 7 * 600),
            };
            let request = match body.is_empty() {
                true => get(),
                false => with_body(http::Method::POST, Either::Left(body.clone().into())),
            };
            assert_eq!(fetch(client, upstream, request).await.expect("a response"), body);
        });
        join_all(sent).await;
    }
}

#[test]
fn nothing_is_lost_by_goaways_behind_each_five_requests() {
    on_a_worker(async {
        for (is_early, at_once) in [(false, 1), (true, 1), (false, 24), (true, 24)] {
            let peer = leaving(is_early, false).await;
            let (client, upstream) = (TestClient::new(), http2(&[&peer]));
            send_all(&client, &upstream, 480, at_once).await;
            // Each was processed once.
            let mut processed = BTreeMap::<String, usize>::new();
            for seen in peer.ended.borrow().iter().filter(|seen| seen.stream <= FIFTH) {
                *processed
                    .entry(String::from_utf8_lossy(&seen.body).into_owned())
                    .or_default() += 1;
            }
            assert_eq!(processed.remove(""), Some(240), "the GETs");
            assert!(processed.values().all(|times| *times == 1) && processed.len() == 240);
        }
    });
}

#[test]
fn a_connection_that_is_leaving_is_not_used_again() {
    on_a_worker(async {
        let peer = leaving(false, true).await;
        let (client, upstream) = (TestClient::new(), http2(&[&peer]));
        for _ in 0..100 {
            let sent = client.send(&upstream, get()).await.expect("a response");
            assert_eq!(sent.attempts, 1, "it is known before");
        }
        assert_eq!(peer.connections.get(), 20);
    });
}

#[test]
fn an_endpoint_that_refuses_is_followed_by_the_next_one() {
    on_a_worker(async {
        let refusing = H2Peer::new(&[], |_| true, |seen| reset(seen.stream, 7).into()).await;
        let answering = leaving(false, false).await;
        let (client, upstream) = (TestClient::new(), http2(&[&refusing, &answering]));
        send_all(&client, &upstream, 20, 2).await;
    });
}

#[test]
fn an_endpoint_that_processes_nothing_is_an_error_in_the_end() {
    on_a_worker(async {
        let asked = Rc::new(Cell::new(0));
        let count = Rc::clone(&asked);
        let refuse = move |seen: &Seen| {
            count.set(count.get() + 1);
            reset(seen.stream, 7).into()
        };
        let peer = H2Peer::new(&[], |_| true, refuse).await;
        let failure = TestClient::new().send(&http2(&[&peer]), get()).await;
        assert!(
            matches!(failure, Err(SendError::Closed { attempts: 4, .. })),
            "{failure:?}"
        );
        assert_eq!(asked.get(), 4);
    });
}
