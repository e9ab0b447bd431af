//! Connections are reused, bounded, and closed when they are of no use any more.

use std::time::Duration;

use http_body::Body;

use crate::attempt::{TestClient, endpoint, fetch, read};
use crate::peer::{Act, OK, OK_IN_CHUNKS, Peer, get, on_a_worker, post, until};

#[test]
fn a_connection_is_reused_after_a_clean_end() {
    on_a_worker(async {
        for answer in [
            OK,
            "HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n2\r\nok\r\n0\r\n\r\n",
            "HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 103 Early Hints\r\nlink: </a>\r\n\r\nHTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\nok",
        ] {
            let peer = Peer::new(&[&[Act::Answer(answer)]]).await;
            let (client, endpoint) = (TestClient::new(), endpoint(peer.address));
            for _ in 0..5 {
                assert_eq!(fetch(&client, &endpoint, get()).await.expect("an answer"), "ok");
                assert_eq!(fetch(&client, &endpoint, post("body")).await.expect("an answer"), "ok");
            }
            assert_eq!(peer.connections.get(), 1, "{answer}");
            assert!(peer.requests.borrow()[1].ends_with("\r\n\r\nbody"));
        }
    });
}

#[test]
fn an_answer_without_a_body_gives_the_connection_back_at_once() {
    on_a_worker(async {
        let peer = Peer::new(&[&[Act::Answer("HTTP/1.1 204 No Content\r\n\r\n")]]).await;
        let (client, endpoint) = (TestClient::new(), endpoint(peer.address));
        let first = client.send(&endpoint, get()).await.expect("an answer");
        let second = client.send(&endpoint, get()).await.expect("an answer");
        assert!(first.response.body().is_end_stream() && second.response.body().is_end_stream());
        assert_eq!(
            (peer.connections.get(), first.peer, first.local),
            (1, peer.address, second.local)
        );
    });
}

#[test]
fn an_answer_that_has_all_come_gives_the_connection_back_before_it_is_read() {
    on_a_worker(async {
        let peer = Peer::new(&[&[Act::Answer(OK)]]).await;
        let (client, endpoint) = (TestClient::new(), endpoint(peer.address));
        let first = client.send(&endpoint, get()).await.expect("an answer");
        let second = client.send(&endpoint, get()).await.expect("an answer");
        assert_eq!(first.response.body().size_hint().exact(), Some(2));
        for sent in [first, second] {
            assert_eq!(read(sent).await.expect("complete"), "ok");
        }
        assert_eq!(peer.connections.get(), 1);
    });
}

#[test]
fn requests_at_the_same_time_have_connections_of_their_own() {
    on_a_worker(async {
        let peer = Peer::new(&[&[Act::Answer(OK_IN_CHUNKS)]]).await;
        let (client, endpoint) = (TestClient::new(), endpoint(peer.address));
        let first = client.send(&endpoint, get()).await.expect("an answer");
        let second = client.send(&endpoint, get()).await.expect("an answer");
        assert_eq!(peer.connections.get(), 2);
        assert_eq!(read(second).await.expect("complete"), "ok");
        assert_eq!(read(first).await.expect("complete"), "ok");
        fetch(&client, &endpoint, get()).await.expect("an answer");
        assert_eq!(peer.connections.get(), 2);
    });
}

#[test]
fn a_body_that_is_dropped_early_closes_its_connection() {
    on_a_worker(async {
        let half = "HTTP/1.1 200 OK\r\ncontent-length: 1000\r\n\r\nhalf";
        let peer = Peer::new(&[&[Act::Answer(half)], &[Act::Answer(OK)]]).await;
        let (client, endpoint) = (TestClient::new(), endpoint(peer.address));
        drop(client.send(&endpoint, get()).await.expect("a head"));
        until(|| peer.closed.get() == 1).await;
        assert_eq!(fetch(&client, &endpoint, get()).await.expect("an answer"), "ok");
        assert_eq!(peer.connections.get(), 2);
    });
}

#[test]
fn a_request_that_is_given_up_closes_its_connection() {
    on_a_worker(async {
        let peer = Peer::new(&[&[Act::Silence]]).await;
        let (client, endpoint) = (TestClient::new(), endpoint(peer.address));
        let limit = tokio::time::timeout(Duration::from_millis(50), client.send(&endpoint, get()));
        assert!(limit.await.is_err());
        until(|| peer.closed.get() == 1).await;
    });
}

#[test]
fn connection_close_from_the_upstream_is_obeyed() {
    on_a_worker(async {
        let answer = "HTTP/1.1 200 OK\r\nconnection: close\r\ncontent-length: 2\r\n\r\nok";
        let peer = Peer::new(&[&[Act::Answer(answer)]]).await;
        let (client, endpoint) = (TestClient::new(), endpoint(peer.address));
        fetch(&client, &endpoint, get()).await.expect("an answer");
        until(|| peer.closed.get() == 1).await;
        fetch(&client, &endpoint, get()).await.expect("an answer");
        assert_eq!(peer.connections.get(), 2);
    });
}

#[test]
fn no_more_than_max_idle_connections_are_kept() {
    on_a_worker(async {
        let peer = Peer::new(&[&[Act::Answer(OK_IN_CHUNKS)]]).await;
        let (client, mut endpoint) = (TestClient::new(), endpoint(peer.address));
        endpoint.settings.keep_alive.max_idle = 2;
        let mut open = Vec::new();
        for _ in 0..5 {
            open.push(client.send(&endpoint, get()).await.expect("an answer"));
        }
        for sent in open {
            read(sent).await.expect("complete");
        }
        until(|| peer.closed.get() == 3).await;
        fetch(&client, &endpoint, get()).await.expect("an answer");
        assert_eq!(peer.connections.get(), 5);
    });
}

#[test]
fn idle_connections_are_closed_after_the_idle_timeout() {
    on_a_worker(async {
        let peer = Peer::new(&[&[Act::Answer(OK)]]).await;
        let (client, mut endpoint) = (TestClient::new(), endpoint(peer.address));
        endpoint.settings.keep_alive.idle_timeout = Duration::from_millis(80);
        for round in 1..=2 {
            fetch(&client, &endpoint, get()).await.expect("an answer");
            until(|| peer.closed.get() == round).await;
        }
    });
}

#[test]
fn surplus_bytes_behind_an_answer_never_become_the_next_answer() {
    on_a_worker(async {
        let answer = "HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\nokHTTP/1.1 200 OK\r\ncontent-length: 4\r\n\r\nevil";
        let peer = Peer::new(&[&[Act::Answer(answer)]]).await;
        let (client, endpoint) = (TestClient::new(), endpoint(peer.address));
        for _ in 0..3 {
            assert_eq!(fetch(&client, &endpoint, get()).await.expect("an answer"), "ok");
        }
        assert_eq!(peer.connections.get(), 3);
    });
}
